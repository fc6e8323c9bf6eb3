/** Random regions and accesses of real code, cached by the TLB or not, against the model of `mmu/tests/`, asked for each byte. */
import { assert, assertEquals } from "@std/assert";
import { type ModelQuery, type ModelRegion, type ModelState, modelTranslate } from "./mmu/tests/mpu_model.ts";
import { MpuMachine } from "./tests/mpu_machine.ts";
import { Random } from "../../../tests/support/random.ts";

const CODE = MpuMachine.CODE, VECTORS = 0x4001_0000, DATA = 0x4002_0000, SIZE = 0x3000;
const LAYOUTS = 500, ACCESSES = 24, REGIONS = 4;
/** Normal, Device-nGnRE. */
const MAIR = 0x04ffn;

function region(random: Random): ModelRegion {
  const edge = () => random.chance(0.5) ? random.below(SIZE / 4096 + 1) * 4096 : random.below(SIZE / 64) * 64;
  const [one, other] = [edge(), edge()].sort((a, b) => a - b);
  return {
    enabled: random.chance(0.5),
    base: BigInt(DATA + one),
    last: BigInt(DATA + Math.max(one + 64, other)) - 1n,
    ap: random.chance(0.75) ? 1 : random.below(4),
    xn: 0,
    sh: 0,
    attribute: random.chance(0.8) ? 0 : 1,
  };
}

const fixed = (base: number): ModelRegion => ({
  enabled: true,
  base: BigInt(base),
  last: BigInt(base) + 4095n,
  ap: 3,
  xn: 0,
  sh: 0,
  attribute: 0,
});

/** Code and vectors; then random regions, or one that allows everything. */
function regions(random: Random, isOpen: boolean): ModelRegion[] {
  const changing = Array.from({ length: REGIONS }, () => region(random));
  const all = { base: BigInt(DATA), last: BigInt(DATA + SIZE) - 1n, ap: 1, attribute: 0 };
  if (isOpen) changing.forEach((one, n) => Object.assign(one, { ...all, enabled: n === 0 }));
  return [fixed(CODE), fixed(VECTORS), ...changing];
}

Deno.test("random regions of both MPUs that change under running programs: each byte of each access is allowed, or the first that isn't is told", () => {
  const machine = new MpuMachine();
  const outcomes = new Map<string, number>();
  machine.write("HCR_EL2", 1n << 31n | 1n);
  for (const el of [1, 2]) machine.write(`MAIR_EL${el}`, MAIR);
  for (let layout = 0; layout < LAYOUTS; layout++) {
    const random = new Random(`layout ${layout}`);
    const level = (m: boolean, br: boolean) => ({ m, br, wxn: false, i: false, mair: MAIR });
    const open = random.pick([0, 1, 2] as const);
    const state: ModelState = {
      msa: false,
      vm: true,
      ptw: false,
      el1: level(true, random.chance(0.5)),
      el2: level(true, false),
      regions1: regions(random, open === 1),
      regions2: regions(random, open === 2),
      ttbr: 0n,
      read64: () => undefined,
    };
    machine.write("SCTLR_EL1", 1n | (state.el1.br ? 1n << 17n : 0n));
    const apply = (el: 1 | 2) =>
      (el === 1 ? state.regions1 : state.regions2).forEach(({ enabled, base, last, ap, attribute }, n) => {
        machine.write(`PRSELR_EL${el}`, BigInt(n));
        machine.write(`PRBAR_EL${el}`, base | BigInt(ap << 2));
        machine.write(`PRLAR_EL${el}`, last & ~63n | BigInt(attribute << 1 | +enabled));
      });
    for (const el of [1, 2] as const) {
      machine.write(`PRENR_EL${el}`, 0n);
      machine.write(`PRSELR_EL${el}`, 200n);
      machine.write(`PRLAR_EL${el}`, 0n);
      apply(el);
    }
    for (let n = 0; n < ACCESSES; n++) {
      if (random.chance(0.2)) {
        const el = open === 0 ? random.pick([1, 2] as const) : open === 1 ? 2 : 1;
        (el === 1 ? state.regions1 : state.regions2)[2 + random.below(REGIONS)] = region(random);
        apply(el);
      }
      const size = random.pick([1, 2, 4, 8, 16, 32]), element = Math.min(size, 16);
      const edges = [...state.regions1, ...state.regions2].filter(({ enabled, base }) => enabled && base >= BigInt(DATA))
        .flatMap(({ base, last }) => [Number(base), Number(last) + 1]).filter((at) => at > DATA + 64);
      const isNear = edges.length > 0 && random.chance(0.6);
      const near = isNear ? random.pick(edges) - random.below(40) : DATA + random.below(SIZE - 64);
      const at = random.chance(0.5) ? near - near % element : near;
      const el = random.pick([0, 1] as const), access = random.pick(["read", "write"] as const);
      const q: ModelQuery = { va: 0n, el, access, unprivileged: false, pan: false, unaligned: at % element !== 0 };
      let expected = "done";
      for (let byte = at; byte < at + size && expected === "done"; byte++) {
        const answer = modelTranslate(state, { ...q, va: BigInt(byte) });
        if (!answer.ok) expected = `status ${answer.status} EL${answer.stage} at ${byte}`;
      }
      const seen = machine.access(access, at, el, size);
      const text = seen.done ? "done" : `status ${seen.iss & 0x3f} EL${seen.toEl} at ${seen.far}`;
      assertEquals(text, expected, `layout ${layout}, access ${n}: ${access} of ${size} bytes at 0x${at.toString(16)} from EL${el}`);
      const key = expected.replace(/ at .*/, seen.done || seen.far === at ? "" : ", not its first byte");
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
    }
  }
  if (Deno.env.get("MMU_OUTCOMES")) console.log([...outcomes].sort());
  for (const key of ["done", ...[4, 12, 33].flatMap((status) => [1, 2].map((el) => `status ${status} EL${el}`))]) {
    assert((outcomes.get(key) ?? 0) >= 20, `${key}: ${outcomes.get(key)}`);
  }
  const later = [...outcomes].filter(([key]) => key.endsWith("not its first byte")).reduce((sum, [, n]) => sum + n, 0);
  assert(later >= 100, `${later} refused at another byte than the first`);
});
