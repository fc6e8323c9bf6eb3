/**
 * The operations against QEMU's: random operands under random FPCRs, results and FPSR compared.
 * A small AArch64 program, built here, executes records in place in a file that it maps.
 */

import { assertEquals } from "@std/assert";
import { FpcrBit } from "./environment.ts";
import { SoftFloat } from "./mod.ts";
import { OperandGenerator } from "./tests/operand_generator.ts";
import { Random, SEED } from "../../../../tests/support/random.ts";
import { compiler, missing, qemu } from "../../../../tests/support/toolchain.ts";
import { type QemuRow, qemuRows } from "./qemu_rows.ts";

/** A record is eight words: a, b, c (two each), the row's number, FPCR; after it ran, a is the result and FPCR is FPSR. */
const RECORD_WORDS = 8;
const CASES = Number(Deno.env.get("PLUGBOARD_FP_CASES") ?? 2000);
const ROUNDING_MODES = 4;

/**
 * Source of the program: a piece of code per row, and a loop over the records of the file named by
 * its argument. It makes its system calls itself, so that a compiler without a C library builds it.
 */
function programSource(rows: readonly QemuRow[]): string {
  const pieces = rows.map((row, number) => `
op${number}: ldr d0, [x0]; ldr d1, [x0, #8]; ldr d2, [x0, #16]; ldr x9, [x0]; ldr w10, [x0, #28]
  msr fpcr, x10; msr fpsr, xzr
  ${row.text}
  mrs x10, fpsr; msr fpcr, xzr; str ${row.integerResult ? "x9" : "d0"}, [x0]; str w10, [x0, #28]; ret`);
  return `
.arch armv8.5-a+fp16
.global _start
_start:
  mov x0, #-100; ldr x1, [sp, #16]; mov x2, #2; mov x8, #56; svc #0      // openat(AT_FDCWD, argv[1], O_RDWR)
  mov x19, x0
  mov x1, #0; mov x2, #2; mov x8, #62; svc #0                            // lseek(file, 0, SEEK_END)
  mov x20, x0
  mov x0, #0; mov x1, x20; mov x2, #3; mov x3, #1; mov x4, x19; mov x5, #0; mov x8, #222; svc #0 // mmap, shared
  mov x19, x0; add x20, x0, x20
loop:
  cmp x19, x20; b.hs done
  ldr w1, [x19, #24]; adrp x2, ops; add x2, x2, :lo12:ops; ldr x2, [x2, x1, lsl #3]
  mov x0, x19; blr x2
  add x19, x19, #${RECORD_WORDS * 4}; b loop
done:
  mov x0, #0; mov x8, #93; svc #0                                        // exit(0)
${pieces.join("")}
.balign 8
ops: .quad ${rows.map((_, number) => `op${number}`).join(", ")}
`;
}

/** Records with random operands, the same number for each row and rounding mode. */
function randomRecords(rows: readonly QemuRow[]): Uint32Array {
  const random = new Random("softfloat");
  const operands = new OperandGenerator(random);
  const records = new Uint32Array(rows.length * ROUNDING_MODES * CASES * RECORD_WORDS);
  let at = 0;
  rows.forEach(({ operands: format }, number) => {
    for (let i = 0; i < ROUNDING_MODES * CASES; i++) {
      if (!format) operands.fillInteger(records, at);
      else for (const operand of [0, 2, 4]) operands.fill(format, records, at + operand);
      records[at + 6] = number;
      // Half of the cases without flushing, default NaN and the alternative format.
      const controls = random.u32();
      const mask = (controls & 1) === 0 ? 0 : FpcrBit.FZ | FpcrBit.FZ16 | FpcrBit.DN | FpcrBit.AHP;
      records[at + 7] = controls & mask | i % ROUNDING_MODES << FpcrBit.RMode;
      at += RECORD_WORDS;
    }
  });
  return records;
}

function run(command: string, args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args, stdout: "null" }).outputSync();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** The same records after QEMU executed them. */
function executedByQemu(rows: readonly QemuRow[], records: Uint32Array): Uint32Array {
  const folder = Deno.makeTempDirSync({ prefix: "plugboard-fp-" });
  try {
    Deno.writeTextFileSync(`${folder}/fp.S`, programSource(rows));
    run(compiler.command, ["-nostdlib", "-static", "-o", `${folder}/fp`, `${folder}/fp.S`]);
    Deno.writeFileSync(`${folder}/records`, new Uint8Array(records.buffer));
    run(qemu.command, ["-cpu", "max", `${folder}/fp`, `${folder}/records`]);
    return new Uint32Array(Deno.readFileSync(`${folder}/records`).buffer);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function hex(low: number, high: number): string {
  return "0x" + (BigInt(high) << 32n | BigInt(low)).toString(16);
}

/** Compares every record; gives the first few differences of each row. */
function differences(rows: readonly QemuRow[], records: Uint32Array, expected: Uint32Array): string[] {
  const scratch = new Uint32Array(6);
  const softFloat = new SoftFloat(() => scratch, 0);
  const counts = rows.map(() => 0);
  const lines: string[] = [];
  for (let at = 0; at < records.length; at += RECORD_WORDS) {
    for (let i = 0; i < 6; i++) scratch[i] = records[at + i];
    const number = records[at + 6];
    const flags = softFloat.op(rows[number].code, records[at + 7]);
    if (scratch[0] === expected[at] && scratch[1] === expected[at + 1] && flags === expected[at + 7]) continue;
    if (counts[number]++ >= 3) continue;
    const [a, b, c] = [0, 2, 4].map((i) => hex(records[at + i], records[at + i + 1]));
    lines.push(
      `${rows[number].text} a=${a} b=${b} c=${c} FPCR=${hex(records[at + 7], 0)}: got ${hex(scratch[0], scratch[1])} FPSR ${
        hex(flags, 0)
      }, ` +
        `QEMU ${hex(expected[at], expected[at + 1])} FPSR ${hex(expected[at + 7], 0)}`,
    );
  }
  return lines;
}

Deno.test({
  name: `softfloat: ${qemuRows.length} instructions do what QEMU does (seed ${SEED})`,
  ignore: missing(compiler, qemu),
  fn() {
    const records = randomRecords(qemuRows);
    const expected = executedByQemu(qemuRows, records);
    assertEquals(differences(qemuRows, records, expected), []);
  },
});
