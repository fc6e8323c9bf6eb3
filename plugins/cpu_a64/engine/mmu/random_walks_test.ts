/** Random tables and registers, the engine's walker against the model of `tests/model.ts`. */
import { assert, assertEquals, fail } from "@std/assert";
import * as mmu from "./mod.ts";
import { BANKS, BenchMachine } from "./tests/bench_machine.ts";
import { fillTables, setRegisters } from "./tests/random_tables.ts";
import { type Access, type Fault, Model, type Query, type Success } from "./tests/model.ts";
import { type Attributes, type Cache, fromMair } from "./tests/model_attributes.ts";
import { Random } from "../../../../tests/support/random.ts";

const FILLS = 30;
const CASES_PER_FILL = 800;
const accesses: readonly Access[] = ["read", "write", "fetch", "update", "maintain"];
const statusBase = { "address-size": 0, "translation": 4, "access-flag": 8, "permission": 12, "external": 0x14, "alignment": 0x21 };

function query(machine: BenchMachine, random: Random): Query {
  const el = random.pick([0, 0, 0, 1, 1, 1, 1, 2] as const);
  const upper = el !== 2 && random.chance(0.4);
  const tsz = upper ? Number(machine.register("TCR_EL1") >> 16n) & 63 : Number(machine.register(el === 2 ? "TCR_EL2" : "TCR_EL1")) & 63;
  let va = random.u64();
  if (random.chance(0.98)) {
    const size = BigInt(64 - Math.min(48, Math.max(16, tsz)));
    va &= (1n << size) - 1n;
    if (upper) va |= BigInt.asUintN(64, -1n << size);
  }
  if (random.chance(0.05)) va = (va & 0x00ff_ffff_ffff_ffffn) | ((random.u64() & 0xffn) << 56n);
  if ((machine.register(el === 2 ? "SCTLR_EL2" : "SCTLR_EL1") & 1n) === 0n && random.chance(0.9)) {
    const bank = random.pick(BANKS);
    va = BigInt(bank.base + random.below(bank.size));
  }
  const access = random.pick(accesses);
  return {
    va,
    el,
    access,
    unprivileged: el === 1 && access !== "fetch" && access !== "maintain" && random.chance(0.2),
    pan: el === 1 && access !== "fetch" && access !== "maintain" && random.chance(0.4),
    unaligned: access !== "fetch" && random.chance(0.25),
  };
}

function ask(machine: BenchMachine, q: Query): boolean {
  const flags = (q.unprivileged ? mmu.UNPRIVILEGED : 0) | (q.pan ? mmu.PAN : 0) | (q.unaligned ? mmu.UNALIGNED : 0);
  return machine.mmu.translate(Number(q.va >> 32n), Number(q.va & 0xffff_ffffn), q.el, accesses.indexOf(q.access), flags);
}

/** Answers as text: quick to compare, readable when they differ. */
function engineAnswer(machine: BenchMachine, ok: boolean): string {
  if (!ok) {
    const f = machine.mmu.fault;
    return `fault ${f.status} stage ${f.stage} to EL${f.toEl} s1ptw ${f.s1ptw} write ${f.write} ipa ${f.ipa}`;
  }
  const t = machine.mmu.result;
  const shareability = (["non", "reserved", "outer", "inner"] as const)[t.shareability] as Attributes["shareability"];
  return success(t.pa, t.ipa, { ...fromMair(BigInt(t.attributes), 0n), shareability }, t.sizeBits, t.global, t.contiguous, t.stage1Device);
}

function modelAnswer(a: Fault | Success): string {
  if (!a.ok) {
    return `fault ${statusBase[a.kind] + a.level} stage ${a.stage} to EL${a.toEl} s1ptw ${a.s1ptw} write ${a.write} ipa ${a.ipa}`;
  }
  return success(a.pa, a.ipa, a.attributes, Math.min(a.size, 30), a.global, a.contiguous, a.s1Device);
}

function success(
  pa: number | bigint,
  ipa: number | bigint,
  a: Attributes,
  size: number,
  global: boolean,
  contiguous: boolean,
  device: boolean,
): string {
  const cache = (c?: Cache) => c === undefined ? "" : `${c.attrs}${c.hints}${c.transient ? "t" : ""}`;
  const attributes = `${a.type} ${a.device ?? ""}${cache(a.outer)} ${cache(a.inner)} ${a.shareability}`;
  return `pa ${pa} ipa ${ipa} ${attributes} size ${size} global ${global} contiguous ${contiguous} stage 1 device ${device}`;
}

/** The right bits must say what the model answers when asked with another kind of access. */
function checkRights(model: Model, q: Query, machine: BenchMachine, context: () => string): void {
  const { rights, userRights, privilegedRights } = machine.mmu.result;
  const views: [string, number, Partial<Query>][] = [["rights", rights, {}], ["privileged", privilegedRights, {
    el: q.el === 2 ? 2 : 1,
    pan: false,
    unprivileged: false,
  }]];
  if (q.el !== 2) views.push(["user", userRights, { el: 0, pan: false, unprivileged: false }]);
  for (const [name, mask, change] of views) {
    for (const [access, right] of [["read", 1], ["write", 2], ["fetch", 4]] as const) {
      // With TBID a tagged address is legal for data only; an EL1 fetch has no unprivileged form.
      if (access === "fetch" && (machine.features.tbid || q.unprivileged)) continue;
      if (name === "rights" && access === "fetch" && q.pan) continue;
      const answer = model.translate({ ...q, unaligned: false, access, ...change });
      if (((mask & right) !== 0) !== answer.ok) fail(`${name} ${access}: the model says ${answer.ok}: ${context()}`);
    }
  }
}

for (const granule of [12, 14, 16]) {
  Deno.test(`random walks, ${2 ** (granule - 10)} KiB granule`, () => {
    const outcomes = new Map<string, number>();
    let total = 0;
    for (let n = 0; n < FILLS; n++) {
      const seed = granule * 1000 + n;
      const random = new Random(`walks ${seed}`);
      const machine = new BenchMachine({
        paBits: random.pick([36, 40, 42, 44, 48, 48]),
        hpds: random.chance(0.5),
        xnx: random.chance(0.5),
        tbid: random.chance(0.3),
        asid16: true,
        vmid16: false,
      });
      const model = new Model(machine);
      const bigEndian = random.chance(0.1);
      fillTables(machine, random, granule, bigEndian);
      for (let i = 0; i < CASES_PER_FILL; i++) {
        if (i % 4 === 0) {
          setRegisters(machine, random, granule, bigEndian);
          machine.mmu.invalidateStage2();
        }
        const q = query(machine, random);
        const expected = model.translate(q);
        const context = () => `seed ${seed}, case ${i}, va 0x${q.va.toString(16)} ${JSON.stringify({ ...q, va: undefined })}`;
        const answer = engineAnswer(machine, ask(machine, q));
        if (answer !== modelAnswer(expected)) assertEquals(answer, modelAnswer(expected), context());
        if (expected.ok && i % 2 === 0) checkRights(model, q, machine, context);
        total++;
        const key = expected.ok
          ? `ok ${q.el}`
          : `${expected.kind} stage ${expected.stage}${expected.s1ptw ? " s1ptw" : ""} level ${expected.level}`;
        outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
      }
    }
    assert(total >= 20_000);
    if (Deno.env.get("MMU_OUTCOMES")) console.log([...outcomes].sort());
    // The cases must reach what they are meant to reach.
    for (const kind of ["translation", "access-flag", "permission", "address-size", "external", "alignment"]) {
      for (const stage of ["stage 1", "stage 2"]) {
        const hits = [...outcomes].filter(([key]) => key.startsWith(`${kind} ${stage}`)).reduce((sum, [, count]) => sum + count, 0);
        assert(hits >= 10, `${kind} ${stage}: only ${hits} cases`);
      }
    }
    assert([0, 1, 2].every((el) => (outcomes.get(`ok ${el}`) ?? 0) > 300), `${JSON.stringify([...outcomes])}`);
  });
}
