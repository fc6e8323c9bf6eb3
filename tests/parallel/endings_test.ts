/** A run in parallel ends as one in turn does: the same exit codes, the same reports. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runProgram } from "../support/program.ts";

interface Row {
  readonly name: string;
  readonly program: readonly number[];
  readonly args?: readonly string[];
  readonly code: number;
  /** What standard error must say. */
  readonly says: readonly string[];
}

const rows: Row[] = [
  // movz x0, #0x8, lsl #16 · movk …; hvc: PSCI SYSTEM_OFF is 0x8400_0008.
  { name: "powers off", program: [0xd2b0_8000, 0xf280_0100, 0xd400_0002], code: 0, says: ["powered off"] },
  {
    // adr x1, 0x800; msr vbar_el1, x1; udf. At VBAR + 0x200: udf.
    name: "loops in a fault of its own vector",
    program: [0x1000_4001, 0xd518_c001, 0, ...Array(0x280).fill(0)],
    code: 3,
    says: ["faults on itself", "udf", "ESR_EL1", "unknown reason"],
  },
  {
    // EL2 injects the abort, EL1 takes it on its own thread: the loop is one of both.
    name: "executes garbage: its vector has none either",
    program: [0xffff_ffff],
    code: 3,
    says: ["the exception vector at 0x200 faults on itself", "instruction abort", "began "],
  },
  { name: "spins for ever", program: [0x1400_0000], code: 4, says: ["no progress", "b .+0"] },
  {
    // msr daifclr, #3; b .
    name: "spins until the time is over",
    program: [0xd503_43ff, 0x1400_0000],
    args: ["--timeout", "5ms"],
    code: 4,
    says: ["timeout", "5ms"],
  },
  {
    // Counts to a million first: movz x2, #0x10, lsl #16; sub x2, x2, #1; cbnz x2, .-4; PSCI SYSTEM_RESET
    name: "resets itself for ever",
    program: [0xd2a0_0202, 0xd100_0442, 0xb5ff_ffe2, 0xd2b0_8000, 0xf280_0120, 0xd400_0002],
    args: ["--timeout", "20ms"],
    code: 4,
    says: ["timeout", "after 9 reboots"],
  },
];

for (const { name, program, args = [], code, says } of rows) {
  Deno.test(`in parallel, a guest that ${name}`, async () => {
    const outcome = await runProgram(program, ["--set", "parallel=true", ...args]);
    for (const text of says) assertStringIncludes(outcome.stderr, text);
    assertEquals(outcome.code, code, outcome.stderr);
    assert(!outcome.stderr.includes("at file://"), outcome.stderr);
  });
}
