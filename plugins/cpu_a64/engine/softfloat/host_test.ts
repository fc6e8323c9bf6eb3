/** The exact core against the host's arithmetic, and the short way against the exact core. */

import { assertEquals } from "@std/assert";
import { Random } from "../../../../tests/support/random.ts";
import { evaluate, F32, F64, type Format, FpcrBit, FpOp, fpOpCode, SoftFloat } from "./mod.ts";
import { OperandGenerator } from "./tests/operand_generator.ts";
import { qemuRows } from "./qemu_rows.ts";

/** What the host computes in both precisions: single precision is exact after double precision for all of these. */
const hostOperations: [keyof typeof FpOp, (x: number, y: number) => number][] = [
  ["Add", (x, y) => x + y],
  ["Sub", (x, y) => x - y],
  ["Mul", (x, y) => x * y],
  ["Div", (x, y) => x / y],
  ["Sqrt", (x) => Math.sqrt(x)],
];

const words = new Uint32Array(6);
const doubles = new Float64Array(words.buffer);
const singles = new Float32Array(words.buffer);

function operandBits(index: number): bigint {
  return BigInt(words[index + 1]) << 32n | BigInt(words[index]);
}

/** A number's bits; those of the default NaN for each NaN, as FPCR.DN gives them. */
function bitsOf(format: Format, value: number): bigint {
  if (Number.isNaN(value)) return format.defaultNan;
  words[1] = 0;
  if (format === F64) doubles[0] = value;
  else singles[0] = value;
  return operandBits(0);
}

for (const format of [F32, F64]) {
  for (const [name, compute] of hostOperations) {
    Deno.test(`softfloat: ${name} of ${format.width} bits does what the host does`, () => {
      const operands = new OperandGenerator(new Random(`${name} of ${format.width}`));
      const code = fpOpCode(FpOp[name], format.ftype);
      for (let i = 0; i < 15_000; i++) {
        operands.fill(format, words, 0);
        operands.fill(format, words, 2);
        const [a, b] = [operandBits(0), operandBits(2)];
        const [x, y] = format === F64 ? doubles : [singles[0], singles[2]];
        const expected = bitsOf(format, compute(x, y));
        const { result } = evaluate(code, FpcrBit.DN, a, b);
        if (result !== expected) assertEquals(result.toString(16), expected.toString(16), `${name} ${a.toString(16)} ${b.toString(16)}`);
      }
    });
  }
}

const softFloat = new SoftFloat(() => words, 0);

/** Executes an operation on the operands in `words` both ways. */
function assertSameBothWays(code: number, text: string, fpcr: number): void {
  const [a, b, c] = [operandBits(0), operandBits(2), operandBits(4)];
  const expected = evaluate(code, fpcr, a, b, c);
  const flags = softFloat.op(code, fpcr);
  if (operandBits(0) === expected.result && flags === expected.flags) return;
  const name = `${text} ${a.toString(16)} ${b.toString(16)} ${c.toString(16)} FPCR ${fpcr.toString(16)}`;
  assertEquals({ result: operandBits(0), flags }, expected, name);
}

Deno.test("softfloat: the short way gives what the exact core gives, flags included", () => {
  const random = new Random("short way");
  const operands = new OperandGenerator(random);
  for (const { code, text, operands: format } of qemuRows) {
    for (let i = 0; i < 1000; i++) {
      for (const operand of [0, 2, 4]) {
        if (format) operands.fill(format, words, operand);
        else operands.fillInteger(words, operand);
      }
      const controls = random.u32();
      const fpcr = controls & ((controls & 1) === 0 ? 3 << FpcrBit.RMode : ~0);
      assertSameBothWays(code, text, fpcr);
    }
  }
});

Deno.test("softfloat: so it does where a fused sum cancels", () => {
  const random = new Random("fused sums");
  const operands = new OperandGenerator(random);
  for (const format of [F32, F64]) {
    const code = fpOpCode(FpOp.MulAdd, format.ftype);
    for (let i = 0; i < 40_000; i++) {
      operands.fill(format, words, 0);
      operands.fill(format, words, 2);
      words[5] = 0;
      // The product's negative, a few units beside it, and sometimes with another exponent.
      const nudge = random.below(7) - 3;
      const scale = 2 ** (random.below(4) === 0 ? random.below(121) - 60 : 0);
      if (format === F64) doubles[2] = -(doubles[0] * doubles[1]) * scale;
      else singles[4] = -(singles[0] * singles[2]) * scale;
      words[4] += nudge;
      assertSameBothWays(code, "MulAdd", random.below(4) << FpcrBit.RMode);
    }
  }
});

Deno.test("softfloat: a memory that grows is followed", () => {
  let memory = new Uint32Array(8);
  const softFloat = new SoftFloat(() => memory, 8);
  memory = new Uint32Array(16);
  memory.set([0x3f80_0000, 0, 0x4000_0000, 0], 2); // 1 and 2
  assertEquals(softFloat.op(fpOpCode(FpOp.Add, F32.ftype), 0), 0);
  assertEquals([...memory.subarray(0, 5)], [0, 0, 0x4040_0000, 0, 0x4000_0000]);
});
