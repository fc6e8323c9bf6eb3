/** The oracle itself, against results that were computed by hand. */
import { assertEquals, assertRejects } from "@std/assert";
import { makeCase } from "./case.ts";
import type { CaseInit, Ending } from "./case.ts";
import { CODE, WINDOW, WINDOW_SIZE } from "./layout.ts";
import { driverProgram } from "./qemu_driver.ts";
import { QemuUser } from "./qemu_user.ts";
import { assemble, assembler, missing, qemu } from "./toolchain.ts";

const address = BigInt(WINDOW);
const memory = Uint8Array.from({ length: WINDOW_SIZE }, (_, i) => i & 0xff);
const DOUBLE_ONE = 0x3ff0_0000_0000_0000n;
const TINY = 0x3c00_0000_0000_0000n; // 2^-63

interface After {
  ending?: Ending;
  pc?: number;
  x?: Record<number, bigint>;
  v?: Record<number, bigint>;
  sp?: bigint;
  nzcv?: number;
  fpsr?: number;
  written?: { offset: number; value: bigint }[];
}

const rows: [name: string, code: number[], before: CaseInit, after: After][] = [
  ["add x0, x1, x2", [0x8b020020], { x: { 1: 5n, 2: 7n } }, { x: { 0: 12n } }],
  ["adds wraps: Z and C", [0xb1000420], { x: { 1: -1n } }, { x: { 0: 0n }, nzcv: 0b0110 }],
  ["subs borrows: N, no C", [0xf1000420], { x: { 1: 0n } }, { x: { 0: 2n ** 64n - 1n }, nzcv: 0b1000 }],
  ["add reads and writes SP", [0x910043ff], { sp: 0x1001n }, { sp: 0x1011n }],
  ["csel takes the second: NE with Z", [0x9a821020], { x: { 1: 1n, 2: 2n }, nzcv: 0b0100 }, { x: { 0: 2n }, nzcv: 0b0100 }],
  ["every register arrives: mov x30, x29", [0xaa1d03fe], { x: { 29: 0x1234_5678_9abc_def0n } }, { x: { 30: 0x1234_5678_9abc_def0n } }],
  ["ldr x0, [x1], #8", [0xf8408420], { x: { 1: address + 8n }, memory }, { x: { 0: 0x0f0e0d0c0b0a0908n, 1: address + 16n } }],
  ["str w0, [x1, #4]", [0xb9000420], { x: { 0: -1n, 1: address } }, { written: [{ offset: 0, value: 0xffff_ffff_0000_0000n }] }],
  ["str across the page's end", [0xf9000020], { x: { 0: -1n, 1: address + 0xffcn } }, {
    written: [{ offset: 0xff8, value: 0xffff_ffff_0000_0000n }, { offset: 0x1000, value: 0xffff_ffffn }],
  }],
  ["the window is put back for the next case", [0xf9400020], { x: { 1: address } }, { x: { 0: 0n } }],
  ["ldxr; stxr", [0xc85f7c20, 0xc8027c23], { x: { 1: address, 2: 9n, 3: 3n } }, { x: { 2: 0n }, written: [{ offset: 0, value: 3n }] }],
  ["stxr alone fails", [0xc8027c23], { x: { 1: address, 2: 9n, 3: 3n } }, { x: { 2: 1n } }],
  ["a branch lands on BRK", [0x14000004], {}, { pc: CODE + 16 }],
  ["br outside", [0xd61f0020], { x: { 1: 0x1300_0000n } }, { ending: "abort", pc: 0x1300_0000 }],
  ["udf", [0], {}, { ending: "UNDEFINED", pc: CODE }],
  ["mrs of an EL1 register", [0xd5381000], {}, { ending: "UNDEFINED", pc: CODE }],
  ["a load from the guard page", [0xf9400020], { x: { 1: address - 4n } }, { ending: "abort", pc: CODE }],
  ["ldxr unaligned", [0xc85f7c20], { x: { 1: address + 1n } }, { ending: "alignment", pc: CODE }],
  ["brk in the middle", [0xd4200020], {}, { pc: CODE }],
  ...[0, 1, 2, 3].map((mode): (typeof rows)[number] => [
    `fadd 1 + 2^-63, rounding mode ${mode}`,
    [0x1e622820],
    { v: { 1: DOUBLE_ONE, 2: TINY }, fpcr: mode << 22 },
    { v: { 0: DOUBLE_ONE + (mode === 1 ? 1n : 0n) }, fpsr: 0x10 },
  ]),
  ["fdiv by zero: DZC", [0x1e621820], { v: { 1: DOUBLE_ONE } }, { v: { 0: 0x7ff0_0000_0000_0000n }, fpsr: 2 }],
  ["flush to zero: IDC", [0x1e622820], { v: { 1: 1n }, fpcr: 1 << 24 }, { v: { 0: 0n }, fpsr: 0x80 }],
  ["sqadd saturates: QC", [0x5e220c20], { v: { 1: 0x7fn, 2: 1n } }, { v: { 0: 0x7fn }, fpsr: 0x0800_0000 }],
];

Deno.test({ name: "oracle: results computed by hand", ignore: missing(qemu) }, async () => {
  const oracle = new QemuUser(qemu.command);
  try {
    const cases = rows.map(([name, code, before]) => makeCase(name, code, before));
    const results = await oracle.run(cases);
    results.forEach((result, i) => {
      const [name, code, before, after] = rows[i];
      const want = makeCase(name, code, { ...before, ...after, x: { ...before.x, ...after.x }, v: { ...before.v, ...after.v } });
      assertEquals(result.registers.bytes, want.registers.bytes, name);
      assertEquals(result.ending, after.ending ?? "BRK", name);
      assertEquals(result.pc, BigInt(after.pc ?? CODE + code.length * 4), name);
      assertEquals(result.written, after.written ?? [], name);
    });
  } finally {
    oracle.close();
  }
});

Deno.test({ name: "oracle: refuses what would leave QEMU", ignore: missing(qemu) }, async () => {
  const oracle = new QemuUser(qemu.command);
  try {
    await assertRejects(() => oracle.run([makeCase("svc #0", [0xd4000001])]), Error, "svc #0");
    await assertRejects(() => oracle.run([makeCase("hlt #0xf000", [0xd45e0000])]), Error, "hlt");
  } finally {
    oracle.close();
  }
});

Deno.test({ name: "oracle: the driver's words are what the assembler makes of their text", ignore: missing(assembler) }, () => {
  const lines = driverProgram().asm.lines();
  const assembled = assemble(lines.map(({ text }) => text));
  lines.forEach(({ word, text }, i) => assertEquals(assembled[i], { word }, text));
});
