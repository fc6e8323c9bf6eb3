/**
 * The Armv8.0 models against QEMU's: a bare-metal guest at EL1 prints its ID
 * registers. Every bit is equal, or stands in the list of differences with its
 * reason.
 */
import { assertEquals } from "@std/assert";
import { assembler, linker, missing, qemuSystem } from "../../../tests/support/toolchain.ts";
import { modelByName, registerByName, RegisterFile, registers, withGic } from "./mod.ts";

/** Registers that the probe prints, by generic name, because an assembler doesn't know all of them. */
const probed = registers.filter(({ encoding: [op0, op1, crn, crm], name }) =>
  (op0 === 3 && op1 === 0 && crn === 0 && crm >= 1) ||
  ["MIDR_EL1", "REVIDR_EL1", "AIDR_EL1", "CLIDR_EL1", "CTR_EL0", "DCZID_EL0", "PMCR_EL0"].includes(name)
);

function generic([op0, op1, crn, crm, op2]: readonly number[]): string {
  return `S${op0}_${op1}_C${crn}_C${crm}_${op2}`;
}

/** Prints each register, then CCSIDR_EL1 of the three caches, and powers off by PSCI. */
function probe(): string {
  const reads = probed.map(({ encoding }) => `mrs x0, ${generic(encoding)}\nbl print`);
  const caches = [0, 1, 2].map((select) => `mov x0, ${select}\nmsr csselr_el1, x0\nisb\nmrs x0, ccsidr_el1\nbl print`);
  return `.globl _start
_start: movz x9, #0x0900, lsl #16
${[...reads, ...caches].join("\n")}
movz x0, #0x8400, lsl #16
movk x0, #8
hvc #0
b .
print: mov x2, #60
1: lsr x3, x0, x2
and w3, w3, #15
cmp w3, #10
add w4, w3, #'0'
add w3, w3, #'a' - 10
csel w3, w4, w3, lo
str w3, [x9]
subs x2, x2, #4
b.pl 1b
mov w3, #10
str w3, [x9]
ret
`;
}

async function run(tool: string, args: string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(tool, { args, cwd, signal: AbortSignal.timeout(20_000) }).output();
  if (!success) throw new Error(`${tool}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** What a guest of QEMU sees, by register name; the caches as `CCSIDR_EL1:0`. */
async function seenOnQemu(cpu: string, folder: string): Promise<ReadonlyMap<string, bigint>> {
  const machine = ["-M", "virt,gic-version=3", "-cpu", cpu, "-nodefaults", "-display", "none", "-serial", "stdio", "-kernel", "probe.elf"];
  const lines = (await run("qemu-system-aarch64", machine, folder)).trim().split("\n").map((line) => BigInt(`0x${line.trim()}`));
  const names = [...probed.map(({ name }) => name), "CCSIDR_EL1:0", "CCSIDR_EL1:1", "CCSIDR_EL1:2"];
  assertEquals(lines.length, names.length);
  return new Map(names.map((name, index) => [name, lines[index]]));
}

/** Bits that differ on purpose, and why. */
const DIFFERENCES: readonly { readonly registers: RegExp; readonly bits: bigint; readonly why: string }[] = [
  {
    registers: /^(ID_(PFR|DFR|MMFR|ISAR)|MVFR)\d_EL1$/,
    bits: 0xffff_ffffn,
    why: "no AArch32 at any level: all of its ID registers read as zero",
  },
  { registers: /^ID_AA64PFR0_EL1$/, bits: 0xffn, why: "EL0 and EL1: AArch64 only" },
  { registers: /^ID_AA64MMFR0_EL1$/, bits: 0xf00n, why: "BigEnd: data accesses are little-endian only" },
  { registers: /^ID_AA64MMFR0_EL1$/, bits: 0xf000n, why: "SNSMem: without EL3 there is no Secure memory to tell apart" },
  { registers: /^PMCR_EL0$/, bits: 0xf800n, why: "N: the cycle counter is the only counter" },
  { registers: /^PMCR_EL0$/, bits: 0x40n, why: "LC: RES1 without AArch32" },
];

Deno.test({
  name: "cortex-a53, a57 and a72 show what QEMU's show, but for named differences",
  ignore: missing(assembler, linker, qemuSystem),
}, async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/probe.s`, probe());
    await run(assembler.command, ["probe.s", "-o", "probe.o"], folder);
    await run(linker.command, ["-Ttext=0x40080000", "probe.o", "-o", "probe.elf"], folder);
    for (const name of ["cortex-a53", "cortex-a57", "cortex-a72"]) {
      const model = withGic(modelByName(name));
      const file = new RegisterFile(model);
      const ours = (register: string) => {
        const [plain, select] = register.split(":");
        if (select) return model.caches[Number(select)].ccsidr;
        return file.resetValue(registerByName(plain), { mpidr: 0n, counterFrequencyHz: 62_500_000 });
      };
      for (const [register, theirs] of await seenOnQemu(name, folder)) {
        const ignored = DIFFERENCES.filter(({ registers }) => registers.test(register)).reduce((all, { bits }) => all | bits, 0n);
        const mask = 2n ** 64n - 1n ^ ignored;
        assertEquals((ours(register) & mask).toString(16), (theirs & mask).toString(16), `${name}: ${register}`);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
