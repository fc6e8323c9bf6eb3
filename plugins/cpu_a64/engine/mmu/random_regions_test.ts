/** Random regions and tables: the engine's MMU against the model of `tests/mpu_model.ts`. */
import { assert, assertEquals } from "@std/assert";
import * as mmu from "./mod.ts";
import { type Attributes, type Cache, fromMair } from "./tests/model_attributes.ts";
import { ProtectedMachine, RAM, RAM_SIZE, REGION_COUNT } from "./tests/mpu_machine.ts";
import { type ModelAnswer, type ModelQuery, type ModelRegion, modelTranslate } from "./tests/mpu_model.ts";
import { Random } from "../../../../tests/support/random.ts";

const LAYOUTS = 20_000, QUERIES = 6;
const accesses = ["read", "write", "fetch"] as const;
const MAIRS = [0xffn, 0x44n, 0x04n, 0xbbn, 0x0cn, 0xf4n, 0x00n, 0x08n];

/** A border of regions: often near one of a page, or one that another region has. */
function border(random: Random, used: bigint[]): bigint {
  if (used.length > 0 && random.chance(0.4)) return random.pick(used);
  const page = BigInt(RAM + random.below(RAM_SIZE / 4096 + 1) * 4096);
  const at = page + BigInt(random.pick([0, 0, 0, 64, -64, random.below(64) * 64]));
  used.push(at);
  return at;
}

function regions(random: Random, xns: number, usual: number): ModelRegion[] {
  const used: bigint[] = [];
  return Array.from({ length: REGION_COUNT }, (_, n) => {
    // The first one covers most, so that the rest is often inside of it, beside it, or over it.
    const [one, other] = [n === 0 ? BigInt(RAM) : border(random, used), n === 0 ? BigInt(RAM + RAM_SIZE) : border(random, used)];
    const [base, end] = one < other || random.chance(0.03) ? [one, other] : [other, one];
    if (n === 0) {
      used.push(BigInt(RAM + 0x1_0000));
      return region(
        BigInt(RAM),
        random.chance(0.5) ? BigInt(RAM + RAM_SIZE) : border(random, used),
        random,
        xns,
        random.chance(0.9),
        usual,
      );
    }
    return region(base, end, random, xns, random.chance(0.25), usual);
  });
}

function region(base: bigint, end: bigint, random: Random, xns: number, enabled: boolean, usual: number): ModelRegion {
  const ap = random.chance(0.7) ? usual : random.below(4);
  const attribute = random.chance(0.7) ? 0 : random.below(8);
  // XN[0] is RES0 at EL1.
  const xn = random.chance(0.6) ? 0 : random.below(4) & (xns === 2 ? 2 : 3);
  return { enabled, base, last: end - 1n, ap, xn, sh: random.below(4), attribute };
}

/** Three levels of tables in the lower half of RAM, whose leaves point anywhere in it. */
function fillTables(machine: ProtectedMachine, random: Random): void {
  for (let page = 0; page < 16; page++) {
    for (let entry = 0; entry < 512; entry++) {
      const target = BigInt(RAM + random.below(page < 8 ? 16 : RAM_SIZE / 4096) * 4096);
      const isLeaf = page >= 8 || random.chance(0.1);
      const flags = BigInt(random.chance(0.95) ? 0x403 : random.u32() & 0xfff) |
        BigInt(random.u32() & 0xbc0 & (random.chance(0.5) ? 0xfff : 0x40));
      const upper = BigInt(random.u32() & random.u32() & 3) << 53n;
      const attribute = random.chance(0.7) ? 0n : BigInt(random.below(8)) << 2n;
      machine.write64(RAM + page * 4096 + entry * 8, isLeaf ? target | flags | upper | attribute : target | 3n);
    }
  }
}

function prepare(machine: ProtectedMachine, random: Random): void {
  const control = () => ({
    m: random.chance(0.85),
    br: random.chance(0.5),
    wxn: random.chance(0.2),
    i: random.chance(0.5),
    mair: MAIRS.reduce((mair, byte, n) => mair | (random.chance(0.9) ? byte : BigInt(random.below(256))) << BigInt(8 * n), 0n),
  });
  machine.msa = random.chance(0.5);
  machine.vm = random.chance(0.8);
  machine.ptw = random.chance(0.3);
  machine.el1 = control();
  machine.el2 = control();
  machine.regions1 = regions(random, 2, 1);
  machine.regions2 = regions(random, 3, 1);
  machine.ttbr = BigInt(RAM + random.below(8) * 4096);
  machine.apply();
}

function query(machine: ProtectedMachine, random: Random): ModelQuery {
  const el = random.pick([0, 1, 1, 2] as const);
  const access = random.pick(accesses);
  const edges = (el === 2 ? machine.regions2 : random.pick([machine.regions1, machine.regions2])).flatMap((
    { base, last },
  ) => [base, last, last + 1n]);
  let va = random.chance(0.7) ? random.pick(edges) + BigInt(random.below(3) - 1) : BigInt(RAM + random.below(RAM_SIZE));
  // Tables make use of all 39 bits; most entries are tables.
  if (machine.msa && machine.el1.m && el !== 2) va = random.chance(0.02) ? random.u64() & 0xff_ffff_ffffn : random.u64() & 0x7f_ffff_ffffn;
  const isData = el === 1 && access !== "fetch";
  return {
    va,
    el,
    access,
    unprivileged: isData && random.chance(0.2),
    pan: isData && random.chance(0.3),
    unaligned: access !== "fetch" && random.chance(0.6),
  };
}

function attributesText(a: Attributes): string {
  const cache = (c?: Cache) => c === undefined ? "" : `${c.attrs}${c.hints}${c.transient ? "t" : ""}`;
  return `${a.type} ${a.device ?? ""}${cache(a.outer)} ${cache(a.inner)} ${a.shareability}`;
}

function modelText(answer: ModelAnswer): string {
  if (!answer.ok) return `status ${answer.status} stage ${answer.stage} s1ptw ${answer.s1ptw} ipa ${answer.ipa}`;
  return `pa ${answer.pa} ipa ${answer.ipa} ${attributesText(answer.attributes)}`;
}

function engineText(machine: ProtectedMachine, q: ModelQuery): string {
  const flags = (q.unprivileged ? mmu.UNPRIVILEGED : 0) | (q.pan ? mmu.PAN : 0) | (q.unaligned ? mmu.UNALIGNED : 0);
  const { result, fault } = machine.mmu;
  if (!machine.mmu.translate(Number(q.va >> 32n), Number(q.va & 0xffff_ffffn), q.el, accesses.indexOf(q.access), flags)) {
    assertEquals(fault.toEl, q.el === 2 || fault.stage === 2 ? 2 : 1);
    return `status ${fault.status} stage ${fault.stage} s1ptw ${fault.s1ptw} ipa ${fault.ipa}`;
  }
  const shareability = (["non", "reserved", "outer", "inner"] as const)[result.shareability] as Attributes["shareability"];
  return `pa ${result.pa} ipa ${result.ipa} ${attributesText({ ...fromMair(BigInt(result.attributes), 0n), shareability })}`;
}

Deno.test("20,000 layouts: half of them both MPUs, half tables over the EL2 MPU", () => {
  const outcomes = new Map<string, number>();
  const count = (key: string) => outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
  const machine = new ProtectedMachine();
  for (let layout = 0; layout < LAYOUTS; layout++) {
    const random = new Random(`layout ${layout}`);
    if (layout % 50 === 0) fillTables(machine, random);
    prepare(machine, random);
    for (let n = 0; n < QUERIES; n++) {
      const q = query(machine, random);
      const context = () => `layout ${layout}, va 0x${q.va.toString(16)} ${JSON.stringify({ ...q, va: undefined })}`;
      const expected = modelTranslate(machine, q);
      const answer = engineText(machine, q);
      if (answer !== modelText(expected)) assertEquals(answer, modelText(expected), context());
      const world = q.el === 2 ? "EL2" : machine.msa ? "tables" : "MPU";
      count(`${world} ${expected.ok ? "ok" : `${expected.status} stage ${expected.stage}${expected.s1ptw ? " s1ptw" : ""}`}`);
      if (!expected.ok) continue;

      // What is said of the bytes around holds there too, and the rights are those of the other accesses.
      const { rights, sizeBits, from, to } = machine.mmu.result;
      const page = q.va - q.va % 4096n;
      const other = page + BigInt(sizeBits < 12 ? from + random.below(to - from) : random.below(4096));
      const there = modelTranslate(machine, { ...q, va: other });
      const moved = { ...expected, pa: expected.pa + other - q.va, ipa: expected.ipa + other - q.va };
      if (modelText(there) !== modelText(moved)) {
        assertEquals(modelText(there), modelText(moved), `${context()} at 0x${other.toString(16)}`);
      }
      if (q.access === "fetch" || q.unaligned) continue;
      count(`${world} ${sizeBits < 12 ? "divided" : "whole"}`);
      for (const access of ["read", "write"] as const) {
        const isAllowed = modelTranslate(machine, { ...q, access }).ok;
        assertEquals((rights & (access === "read" ? mmu.RIGHT_READ : mmu.RIGHT_WRITE)) !== 0, isAllowed, `${access}: ${context()}`);
      }
    }
  }
  if (Deno.env.get("MMU_OUTCOMES")) console.log([...outcomes].sort());
  const expected = [
    ...["EL2", "MPU", "tables"].flatMap((world) => ["ok", "33 stage 1", "whole"].map((what) => `${world} ${what}`)),
    ...["EL2", "MPU"].flatMap((world) => ["divided", "4 stage 1", "12 stage 1"].map((what) => `${world} ${what}`)),
    ...["MPU", "tables"].flatMap((world) => ["4 stage 2", "12 stage 2", "33 stage 2"].map((what) => `${world} ${what}`)),
    ...["4 stage 2 s1ptw", "12 stage 2 s1ptw", "divided", "15 stage 1", "11 stage 1"].map((what) => `tables ${what}`),
  ];
  for (const key of expected) assert((outcomes.get(key) ?? 0) >= 20, `${key}: ${outcomes.get(key)}`);
});

Deno.test("AT of both stages: PAR_EL1 says which stage refused, and where a walk's own access was refused", () => {
  const machine = new ProtectedMachine();
  const everything = (ap: number): ModelRegion => ({
    enabled: true,
    base: BigInt(RAM),
    last: BigInt(RAM + RAM_SIZE) - 1n,
    ap,
    xn: 0,
    sh: 3,
    attribute: 0,
  });
  const control = { m: true, br: false, wxn: false, i: false, mair: 0xffn };
  Object.assign(machine, { vm: true, el1: control, el2: control, regions1: [everything(1)], regions2: [everything(3)] });
  machine.apply();
  const ask = (op2: number, va: number) => machine.mmu.addressTranslate(mmu.decodeAt(4, 8, op2, false)!, 0, va, 2);
  const RES1 = 1n << 11n;
  const success = (va: number) => 0xffn << 56n | BigInt(va & ~4095) | RES1 | 3n << 7n;
  const failure = (status: number, stage: 1 | 2, s1ptw = false) =>
    RES1 | BigInt(status << 1) | 1n | (stage === 2 ? 1n << 9n : 0n) | (s1ptw ? 1n << 8n : 0n);
  const S12E1R = 4, S12E1W = 5, S12E0R = 6, S1E2R = 0, S1E2W = 1;
  assertEquals(ask(S12E1R, RAM + 0x1234), success(RAM + 0x1234));
  assertEquals(ask(S12E0R, RAM + 0x1234), success(RAM + 0x1234));
  assertEquals(ask(S12E1W, RAM + 0x1234), failure(0b001100, 2));
  assertEquals([ask(S1E2R, RAM + 8), ask(S1E2W, RAM + 8)], [success(RAM), failure(0b001100, 1)]);
  assertEquals(ask(S12E1R, RAM + RAM_SIZE), failure(0b000100, 1));
  machine.regions2[0].last = BigInt(RAM) + 63n;
  machine.apply();
  assertEquals([ask(S12E1R, RAM + 63), ask(S12E1R, RAM + 64)], [success(RAM), failure(0b000100, 2)]);
  machine.msa = true;
  machine.ttbr = BigInt(RAM + 0x1000);
  machine.apply();
  assertEquals(ask(S12E1R, RAM), failure(0b000100, 2, true));
});
