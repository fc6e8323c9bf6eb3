/** Conduits on the real CPU: SMC where there is an EL3, where there is none and EL2 traps it, and where it is UNDEFINED. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runProgram } from "../../tests/support/program.ts";

const HVC = 0xd400_0002, SMC = 0xd400_0003;
const B_SELF = 0x1400_0000;
/** x0 = 0x8400_0008, SYSTEM_OFF. */
const LOAD_SYSTEM_OFF = [0xd2b0_8000, 0xf280_0100];
const POWER_OFF = [...LOAD_SYSTEM_OFF, HVC, B_SELF];

/** A program with a vector for synchronous exceptions of EL1h. */
function withVector(program: readonly number[], vector: readonly number[]): number[] {
  // adr x1, .+0x800; msr vbar_el1, x1
  const words = [0x1000_4001, 0xd518_c001, ...program];
  return [...words, ...Array(0x280 - words.length).fill(0), ...vector];
}

/** Switches off by HVC when ESR_EL1.EC is 0, "unknown reason", and X0 still holds the call; else spins. */
const onUndefined = [
  0xd538_5202, // mrs x2, esr_el1
  0xd35a_fc42, // lsr x2, x2, #26
  0xb500_0002, // cbnz x2, .
  0xd538_4022, // mrs x2, elr_el1
  0xb940_0042, // ldr w2, [x2]: the return address is the SMC itself
  0x5280_0063, // mov w3, #3
  0x72ba_8003, // movk w3, #0xd400, lsl #16
  0x6b03_005f, // cmp w2, w3
  0x5400_0001, // b.ne .
  ...POWER_OFF,
];
const absent = (el3: string, conduit: string) => (board: string) =>
  board.replace("use: cpu_a64", `use: cpu_a64\n    el3: ${el3}`).replace("use: psci", `use: psci\n    conduit: ${conduit}`);

for (const el3 of ["present", "absent_trapped"]) {
  Deno.test(`el3 ${el3}: SMC is a conduit`, async () => {
    const { code, stderr } = await runProgram([...LOAD_SYSTEM_OFF, SMC, B_SELF], ["--timeout", "5ms"], absent(el3, "smc"));
    assertEquals(code, 0, stderr);
  });
  Deno.test(`el3 ${el3}: a call by SMC where HVC is the conduit is not supported, and the guest goes on behind it`, async () => {
    // cmn x0, #1; b.ne .
    const { code, stderr } = await runProgram(
      [...LOAD_SYSTEM_OFF, SMC, 0xb100_041f, 0x5400_0001, ...POWER_OFF],
      ["--timeout", "5ms"],
      absent(el3, "hvc"),
    );
    assertEquals(code, 0, stderr);
  });
}

Deno.test("el3 absent_undefined: SMC is UNDEFINED and reaches nobody; HVC works", async () => {
  const program = withVector([...LOAD_SYSTEM_OFF, SMC, B_SELF], onUndefined);
  const { code, stderr } = await runProgram(program, ["--timeout", "5ms"], absent("absent_undefined", "hvc"));
  assertEquals(code, 0, stderr);
  assert(!stderr.includes("smc 1"), stderr);
  // The same guest on a CPU that traps SMC never sees an exception.
  const trapped = await runProgram(program, ["--timeout", "5ms"], absent("absent_trapped", "hvc"));
  assertEquals(trapped.code, 4, trapped.stderr);
  assertStringIncludes(trapped.stderr, "smc 1");
});

Deno.test("el3 absent_undefined: a board whose conduit is SMC is refused once, at the conduit's line", async () => {
  const { code, stderr } = await runProgram([B_SELF], [], absent("absent_undefined", "smc"));
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, "conduit: smc");
  assertStringIncludes(stderr, ":14:");
  assertStringIncludes(stderr, "absent_undefined");
  assertStringIncludes(stderr, "1 error,");
});

Deno.test("el3 absent_undefined: so is a psci of one domain, at its own line", async () => {
  const { code, stderr } = await runProgram([B_SELF], [], (board) => {
    const without = absent("absent_undefined", "hvc")(board).replace(/ {2}- use: psci\n {4}conduit: hvc\n/, "");
    return without.replace("      - use: pl011\n", "      - use: pl011\n      - use: psci\n        conduit: smc\n");
  });
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, ":20:");
  assertStringIncludes(stderr, "1 error,");
});
