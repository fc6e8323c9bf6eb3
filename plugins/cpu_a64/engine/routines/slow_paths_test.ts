/** Random tables, registers and accesses: generated slow paths leave what TypeScript's leave, or nothing. */
import { assert, assertEquals, fail } from "@std/assert";
import { Ram } from "../../../../core/memory/ram.ts";
import { modelByName, registerOffset } from "../../sysregs/mod.ts";
import * as at from "../../state.ts";
import { A64Engine } from "../engine.ts";
import { Atomic, BANK_CLEARED, BANK_NOTED, dataEntry, DTLB_SECOND, fetchEntry } from "../layout.ts";
import { PAN, READ, UNPRIVILEGED, WRITE } from "../mmu/mod.ts";
import { BANKS } from "../mmu/tests/bench_machine.ts";
import { fillTables, setRegisters, type TableMachine } from "../mmu/tests/random_tables.ts";
import { SLOW_PAGES_BYTES } from "../slow_pages.ts";
import { logValid, unlogged } from "../tests/bank_log.ts";
import { WALK_LAZY, WALK_SLOW } from "../walk_area.ts";
import { type SlowPaths, slowPaths } from "./slow_paths.ts";
import { Random } from "../../../../tests/support/random.ts";

const FILLS = 16, REGISTERS = 40, ACCESSES = 20;
const PATHS = ["slowLoad", "slowStore", "slowAtomic", "fill", "fetch"] as const;

/** A CPU, and both sides of its slow paths. */
function machine() {
  const ram = new Ram(BANKS.map(({ base, size }) => ({ at: base, size })));
  const bus = { claim() {}, find: () => undefined };
  const { cpu } = new A64Engine({ memory: ram, bus, model: modelByName("max"), counterFrequencyHz: 1e9, smc: "trap" });
  const { block, accesses, code, tlb } = cpu;
  let fell = false;
  const elsewhere = () => (fell = true, 0);
  const places = {
    base: block.address,
    area: accesses.walks.area,
    banks: ram.banks,
    touched: ram.touched.byteOffset,
    records: code.address,
  };
  const generated = slowPaths(ram.wasm, places, {
    slowLoad: elsewhere,
    slowStore: elsewhere,
    slowAtomic: elsewhere,
    fill: elsewhere,
    fetch: elsewhere,
    resume: elsewhere,
    updateContext: () => cpu.context.update(),
    take1: cpu.exceptions.routines.take1,
    noted: (bank, hi, lo, found) => tlb.noted(bank, hi, lo, found),
  });
  const own: SlowPaths = {
    slowLoad: (size, flags) => accesses.load(size, flags),
    slowStore: (size, flags) => accesses.store(size, flags),
    slowAtomic: (size, kind) => accesses.atomic(size, kind),
    fill: (size, flags) => accesses.fill(size, flags),
    fetch: () => accesses.arrive(),
    resume: () => 1,
  };
  const tables: TableMachine = {
    features: { paBits: modelByName("max").physicalAddressBits },
    words: block.words,
    offset: (pa) => accesses.ram.place(pa),
    set: (name, value) => block.set64(registerOffset(name), value),
  };
  return { ram, cpu, generated, own, tables, didFall: () => [fell, fell = false][0] };
}

type Machine = ReturnType<typeof machine>;

/** All that a slow path may change. */
class Kept {
  readonly #parts: [Uint8Array, Uint8Array][];
  readonly #sets: readonly [Set<number>, readonly number[]][];
  readonly #low: readonly boolean[];

  /** @param host of a store, which is to be undone; @param isWhole all of the TLB, and not the entries that an access may change */
  constructor(readonly machine: Machine, readonly host: number, isWhole: boolean) {
    const { ram, cpu: { block, tlb, accesses } } = machine;
    const bytes = (from: number, size: number) => block.bytes.subarray(from, from + size);
    const banks = [...tlb.banks()].filter(({ address }) => [at.TLB, at.TLB_UNPRIVILEGED].some((field) => block.get(field) === address));
    const data = dataEntry(block.get(at.ADDRESS)), code = fetchEntry(block.get(at.TARGET));
    const entries = [[data, 32], [data + DTLB_SECOND, 32], [code, 16], [BANK_NOTED, BANK_CLEARED - BANK_NOTED]];
    this.#parts = [
      bytes(block.address, at.STATE_SIZE),
      ram.touched,
      bytes(accesses.walks.area + WALK_SLOW, SLOW_PAGES_BYTES),
      ...host > 0 ? [bytes(host, 64)] : [],
      ...banks.flatMap(({ address }) => isWhole ? [bytes(address, BANK_CLEARED)] : entries.map(([at, size]) => bytes(address + at, size))),
    ].map((live) => [live, live.slice()]);
    this.#sets = banks.flatMap(({ blocks21, blocks30 }) => [blocks21, blocks30]).map((set) => [set, [...set].sort()]);
    this.#low = banks.map(({ hasLowGlobals }) => hasLowGlobals);
    this.banks = banks;
  }

  readonly banks: { readonly address: number; hasLowGlobals: boolean }[];

  restoreBlock(): void {
    const [live, kept] = this.#parts[0];
    live.set(kept);
  }

  /** `isAll` false: not what was touched, since a crossing access of TypeScript's left an entry for its second page. */
  restore(isAll: boolean): void {
    this.#parts.forEach(([live, kept], part) => (isAll || part !== 1) && live.set(kept));
    for (const { address } of this.banks) logValid(this.machine.cpu.block, address);
    for (const [set, kept] of this.#sets) {
      set.clear();
      for (const one of kept) set.add(one);
    }
    this.banks.forEach((bank, n) => bank.hasLowGlobals = this.#low[n]);
  }

  /** What another one has that this one hasn't, as text. What is noted is memory of generated code alone. */
  difference(other: Kept): string {
    const found: string[] = [];
    this.#parts.forEach(([, mine], part) => {
      const theirs = other.#parts[part][1];
      const end = mine.length === BANK_CLEARED ? BANK_NOTED : mine.length === BANK_CLEARED - BANK_NOTED ? 0 : mine.length;
      for (let i = 0; i < end; i++) if (mine[i] !== theirs[i]) return void found.push(`part ${part}, byte 0x${i.toString(16)}`);
    });
    const text = (one: Kept) => JSON.stringify([one.#sets.map(([, kept]) => kept), one.#low]);
    if (text(this) !== text(other)) found.push(`${text(this)} and ${text(other)}`);
    return found.join(", ");
  }
}

/** VAs of pages: the same bits decide where in a bank their entries go, others differ. Most can be read, and two are side by side. */
function addresses(random: Random, { cpu: { block, mmu } }: Machine): bigint[] {
  const tcr = block.get64(registerOffset("TCR_EL1"));
  const low = BigInt(random.u32() & 0x1fff_ffff);
  const some = Array.from({ length: 60 }, () => {
    const upper = random.chance(0.4);
    const size = 64n - (tcr >> (upper ? 16n : 0n) & 63n);
    let va = (random.u64() & ~0x1fff_ffffn | low + BigInt(random.below(3) << 12)) & (1n << size) - 1n;
    if (upper) va |= BigInt.asUintN(64, -1n << size);
    if (random.chance(0.05)) va = va & 0x00ff_ffff_ffff_ffffn | random.u64() & 0xffn << 56n;
    return va & ~0xfffn;
  });
  const el = block.get(at.EL);
  const good = some.filter((va) => mmu.translate(Number(va >> 32n), Number(va & 0xffff_ffffn), el, READ, 0));
  return [...good.slice(0, 5), some[0], some[1], ...good.slice(0, 1).flatMap((va) => [va, va + 0x1000n])];
}

function access(
  random: Random,
  m: Machine,
  va: bigint,
  path: typeof PATHS[number],
): { readonly args: [number, number]; readonly size: number } {
  const { block } = m.cpu;
  const log2 = random.below(5), size = 1 << log2;
  const within = random.chance(0.6) ? random.below(4096) & -size : random.chance(0.5) ? random.below(4096) : 4096 - size + random.below(3);
  // A store that crosses would change tables, and can't be undone.
  const address = va + BigInt(path === "slowStore" ? Math.min(within, 4096 - size) : within);
  block.set64(at.ADDRESS, address);
  block.set64(at.TARGET, random.chance(0.9) ? address & ~3n : address);
  const unprivileged = random.chance(0.3) ? 1 : 0;
  if (path === "fill") return { args: [size, unprivileged | random.below(3) << 1], size };
  if (path !== "slowAtomic") return { args: [size, unprivileged | size << 1], size };
  const kind = random.pick([Atomic.update, Atomic.write, Atomic.zero, Atomic.misaligned]);
  if (kind !== Atomic.zero) return { args: [size, kind], size };
  block.set64(at.ADDRESS, address & ~63n);
  return { args: [64, kind], size: 64 };
}

/** Where a store will go, so that it can be undone. */
function placeOf({ cpu: { block, mmu, accesses } }: Machine, path: string): number {
  if (path !== "slowStore") return 0;
  const lo = block.get(at.ADDRESS), hi = block.get(at.ADDRESS + 4), el = block.get(at.EL);
  const isAllowed = [0, PAN, UNPRIVILEGED].some((flags) => mmu.translate(hi, lo, el, WRITE, flags));
  return isAllowed ? accesses.ram.place(mmu.result.pa) & ~63 : 0;
}

for (const granule of [12, 14]) {
  Deno.test(`random walks of generated code, ${2 ** (granule - 10)} KiB granule: the TLB and all else is as after TypeScript's, or as before`, () => {
    const counts = new Map<string, number>();
    const count = (key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);
    for (let seed = 0; seed < (granule === 12 ? FILLS : 2); seed++) {
      const random = new Random(`slow paths ${granule} ${seed}`);
      const m = machine();
      const { block, accesses, code, tlb, context, mmu } = m.cpu;
      const bigEndian = random.chance(0.05);
      fillTables(m.tables, random, granule, bigEndian);
      for (let n = 0; n < REGISTERS; n++) {
        setRegisters(m.tables, random, granule, bigEndian);
        for (const name of ["TTBR0_EL1", "TTBR1_EL1", "VTTBR_EL2"] as const) {
          const slot = registerOffset(name);
          block.set64(slot, block.get64(slot) & ~(0xfffen << 48n));
        }
        const hcr = registerOffset("HCR_EL2");
        if (random.chance(0.8)) block.set64(hcr, block.get64(hcr) & ~(1n << 12n | 1n << 27n) | 1n);
        if (random.chance(0.7)) block.set64(registerOffset("MAIR_EL1"), 0xffff_ffff_4444_bbbbn);
        mmu.invalidateStage2();
        tlb.invalidate(() => true);
        block.set(at.EL, random.below(2));
        block.set(at.PAN, random.chance(0.3) ? 1 : 0);
        block.set(at.UAO, random.chance(0.2) ? 1 : 0);
        if (random.chance(0.3)) code.records(accesses.ram.place(random.pick(BANKS).base + random.below(256) * 4096));
        context.update();
        const vas = addresses(random, m);
        block.set64(at.PAGE_VA, random.chance(0.9) ? vas[0] : 0n);
        // An access that crosses between the last two finds both.
        for (const va of vas.slice(-2)) {
          block.set64(at.ADDRESS, va);
          m.own.fill(1, 0);
        }
        for (let i = 0; i < ACCESSES; i++) {
          const path = random.pick(PATHS);
          const { args, size } = access(random, m, random.pick(vas), path);
          if (path === "slowLoad" && size > 1 && random.chance(0.3)) {
            block.set64(at.ADDRESS, vas.at(-1)! - BigInt(1 + random.below(size - 1)));
          }
          block.view.setBigUint64(block.address + at.SCRATCH, random.u64(), true);
          block.set(at.LOOP_COUNT, random.chance(0.2) ? 1 : 0);
          block.set(at.LOOP_ESR, random.chance(0.5) ? 1 : 0);
          block.set(at.LOOP_FAR, random.u32());
          if (random.chance(0.3)) mmu.invalidateStage2();
          if (random.chance(0.9)) { for (const va of vas) accesses.walks.slow.forget(Number(va >> 32n), Number(va & 0xffff_ffffn)); }
          accesses.isStepping = random.chance(0.05);
          const isLazy = random.chance(0.1);
          if (isLazy) block.words[(accesses.walks.area + WALK_LAZY) >>> 2] = 1;
          const place = placeOf(m, path);
          const isWhole = random.chance(0.05);
          const before = new Kept(m, place, isWhole);
          const answer = m.generated[path](...args);
          const fell = m.didFall();
          const after = new Kept(m, place, isWhole);
          const where = () =>
            `seed ${seed}, ${n}.${i}: ${path} ${args} VA 0x${block.get64(at.ADDRESS).toString(16)} at EL${block.get(at.EL)}, entry 0x${
              dataEntry(block.get(at.ADDRESS)).toString(16)
            }`;
          for (const { address } of after.banks) assertEquals(unlogged(block, address), [], where());
          if (fell) assertEquals(before.difference(after), "", `${where()} has changed something before it went to TypeScript`);
          before.restore(true);
          const own = m.own[path](...args);
          const kept = new Kept(m, place, isWhole);
          if (fell || (path === "fill" && answer === 0)) {
            count(`${path} ${fell ? "fell" : "0"}`);
            // What a walk of the plain case puts into the TLB, the generated one would have.
            if (path === "fill" && !fell && own !== 0) fail(`${where()}: TypeScript finds 0x${own.toString(16)}`);
          } else {
            count(`${path} done`);
            if (path === "slowLoad" && answer !== 0 && (block.get(at.ADDRESS) & 0xfff) + size > 0x1000) count("across done");
            assertEquals(answer, own, where());
            assertEquals(after.difference(kept), "", where());
          }
          block.words[(accesses.walks.area + WALK_LAZY) >>> 2] = 0;
          if (path === "slowStore" || random.chance(0.5)) before.restore(false);
          // No exception is followed.
          before.restoreBlock();
        }
      }
    }
    if (Deno.env.get("MMU_OUTCOMES")) console.log([...counts].sort());
    if (granule === 12) {
      for (const path of [...PATHS, "across"]) assert((counts.get(`${path} done`) ?? 0) >= 20, `${path}: ${JSON.stringify([...counts])}`);
    }
  });
}
