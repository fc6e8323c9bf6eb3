/**
 * The host's floating-point arithmetic: that ordinary numbers use it, and that it gives the flags that QEMU
 * gives. Random cases of every kind are in `differential_test.ts`; here are those in which a wrong shortcut
 * would be taken: IXC set or exact results, numbers near 1, and FZ.
 */
import { assert, assertEquals } from "@std/assert";
import { SoftFloat } from "../../plugins/cpu_a64/engine/softfloat/mod.ts";
import { Tier0 } from "../../plugins/cpu_a64/engine/tier0.ts";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations, groups } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/mod.ts";
import { type Case, makeCase } from "../support/case.ts";
import { describeCase, differences } from "../support/compare.ts";
import { QemuUser } from "../support/qemu_user.ts";
import { Random } from "../support/random.ts";
import { missing, qemu } from "../support/toolchain.ts";
import { BareMachine } from "./bare_machine.ts";
import { findForms, randomWord } from "./forms.ts";

const IXC = 1 << 4, FZ = 1 << 24;
const CASES_PER_FORM = 16;

const decoder = new Decoder(declarations, modelByName("max").features);
const floatingPoint = Object.entries(groups).filter(([name]) => /^(fp|simdFp)/.test(name)).flatMap(([, group]) => group);
const memory = new Uint8Array(0x2000);

/** 128 bits of numbers in one precision. */
function vector(double: boolean, number: () => number): bigint {
  const view = new DataView(new ArrayBuffer(16));
  for (let at = 0; at < 16; at += double ? 8 : 4) {
    if (double) view.setFloat64(at, number(), true);
    else view.setFloat32(at, number(), true);
  }
  return view.getBigUint64(8, true) << 64n | view.getBigUint64(0, true);
}

/** Numbers near 1, small integers and zeros, none of which is out of the ordinary. */
function ordinaryCase(random: Random, name: string, word: number): Case {
  const isDouble = random.chance(0.5), isWhole = random.chance(0.4);
  const number = () => {
    if (random.chance(0.1)) return random.pick([0, -0, 1, -1]);
    const value = (random.u32() / 2 ** 32 - 0.5) * 2 ** (random.below(20) - 4);
    return isWhole ? Math.round(value) : value;
  };
  const v = Object.fromEntries(Array.from({ length: 32 }, (_, n) => [n, vector(isDouble, number)]));
  const x = Object.fromEntries(Array.from({ length: 31 }, (_, n) => [n, BigInt(random.u32() - 2 ** 31) << BigInt(random.below(32))]));
  return makeCase(name, [word], { v, x, memory, fpsr: random.chance(0.6) ? IXC : 0, fpcr: random.chance(0.4) ? FZ : 0 });
}

async function checkOrdinaryCases(names: RegExp): Promise<void> {
  const cases: Case[] = [];
  for (const form of findForms(decoder, (declaration) => floatingPoint.includes(declaration)).forms) {
    if (!names.test(decoder.disassemble(form.example))) continue;
    const random = new Random(`ordinary ${form.declaration.bits} ${JSON.stringify(form.known)}`);
    for (let i = 0; i < CASES_PER_FORM; i++) {
      const word = randomWord(random, decoder, form);
      if (typeof word === "number") cases.push(ordinaryCase(random, `${decoder.disassemble(word)} #${i}`, word));
    }
  }
  const oracle = new QemuUser(qemu.command);
  try {
    const expected = await oracle.run(cases);
    const wrong = new BareMachine().run(cases).flatMap((got, i) => {
      const lines = differences(expected[i], got);
      return lines.length ? [[...describeCase(cases[i]), ...lines].join("\n")] : [];
    });
    assertEquals(wrong.length, 0, `${wrong.length} of ${cases.length}\n${wrong.slice(0, 8).join("\n\n")}`);
  } finally {
    oracle.close();
  }
}

Deno.test({ name: "floating point: ordinary numbers, like QEMU", ignore: missing(qemu) }, () => checkOrdinaryCases(/^/));

Deno.test({ name: "floating point: the same on hosts that don't fuse", ignore: missing(qemu) }, async () => {
  const own = Object.getOwnPropertyDescriptor(Tier0.prototype, "hostFusesMultiplyAdd")!;
  Object.defineProperty(Tier0.prototype, "hostFusesMultiplyAdd", { ...own, get: () => false });
  try {
    await checkOrdinaryCases(/^fn?m(la|ls|add|sub)|^fr(ecp|sqrt)s/);
  } finally {
    Object.defineProperty(Tier0.prototype, "hostFusesMultiplyAdd", own);
  }
});

/** Operations of the slow path that the words cause, from V1 to V3 holding these numbers. */
function slowOperations(words: readonly number[], double: boolean, numbers: readonly number[], fpsr: number): number {
  const v = Object.fromEntries(numbers.map((number, i) => [i + 1, vector(double, () => number)]));
  let count = 0;
  const own = SoftFloat.prototype.op;
  SoftFloat.prototype.op = function (code, fpcr) {
    count++;
    return own.call(this, code, fpcr);
  };
  try {
    new BareMachine().run([makeCase("path", words, { v, x: { 1: 12345n }, memory, fpsr })]);
  } finally {
    SoftFloat.prototype.op = own;
  }
  return count;
}

/** What compiled code uses most, on V1 to V3 and X1. */
const doubles = {
  "fadd d0, d1, d2": 0x1e622820,
  "fsub d0, d1, d2": 0x1e623820,
  "fmul d0, d1, d2": 0x1e620820,
  "fdiv d0, d1, d2": 0x1e621820,
  "fsqrt d0, d1": 0x1e61c020,
  "fcmp d1, d2": 0x1e622020,
  "fcvtzs x0, d1": 0x9e780020,
  "scvtf d0, x1": 0x9e620020,
  "fcvt s0, d1": 0x1e624020,
  "frintm d0, d1": 0x1e654020,
  "fadd v0.2d, v1.2d, v2.2d": 0x4e62d420,
  "fmul v0.2d, v1.2d, v2.2d": 0x6e62dc20,
};
const singles = {
  "fadd s0, s1, s2": 0x1e222820,
  "fmul s0, s1, s2": 0x1e220820,
  "fmadd s0, s1, s2, s3": 0x1f020c20,
  "fcvt d0, s1": 0x1e22c020,
  "fadd v0.4s, v1.4s, v2.4s": 0x4e22d420,
  "fmla v0.4s, v1.4s, v2.4s": 0x4e22cc20,
};

Deno.test("floating point: ordinary numbers never take the slow path", () => {
  for (const [isDouble, words] of [[true, doubles], [false, singles]] as const) {
    for (const [text, word] of Object.entries(words)) {
      assertEquals(decoder.disassemble(word), text);
      assertEquals(slowOperations([word], isDouble, [1.1, 0.9, 3.3], IXC), 0, text);
      assertEquals(slowOperations([word], isDouble, [6, 2, 1], IXC), 0, text);
    }
  }
});

Deno.test("floating point: the first inexact result takes the slow path, the next doesn't", () => {
  const fadd = doubles["fadd d0, d1, d2"];
  assertEquals(slowOperations([fadd, fadd, fadd], true, [1.1, 1e-9], 0), 1);
  assertEquals(slowOperations([fadd], true, [3, 4], 0), 0);
  assert(slowOperations([fadd], true, [NaN, 4], IXC) > 0);
});
