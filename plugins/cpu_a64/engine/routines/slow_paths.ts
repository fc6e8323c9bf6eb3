/**
 * What loads, stores, atomic operations and branches do when the TLB doesn't have their page, as WebAssembly: a look into its second places,
 * and the plain case of a walk, whose result goes into the TLB as `Tlb.fillData` and `Tlb.fillFetch` put it there. All else goes on to
 * `Accesses`, before anything has changed.
 */
import { call, type Callable, type FunctionBuilder, type I32, i32, type I64, i64, type Label, ModuleBuilder } from "../../wasm/mod.ts";
import { select } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { registerOffset } from "../../sysregs/mod.ts";
import { fetchEntryIn, recordOf } from "../dispatch.ts";
import * as l from "../layout.ts";
import { RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE } from "../mmu/mod.ts";
import { SLOW_PAGES } from "../slow_pages.ts";
import { EC } from "../syndrome.ts";
import { entryIn } from "../tier0_memory.ts";
import * as w from "../walk_area.ts";
import { compiled } from "./compiled.ts";
import { addFill, codeOf, type FillPlaces, isGlobal } from "./fill.ts";
import { isValid, writeLog } from "./bank_entries.ts";
import { BlockCode } from "./exceptions.ts";
import type { limitsOf } from "./limits.ts";
import { addWalk, AS_EL0, AS_EL1, AS_EL1_PAN, type Walk } from "./walk.ts";

/** The slow paths: see `Imports` and `EngineFunctions`. */
export interface SlowPaths {
  slowLoad(size: number, flags: number): number;
  slowStore(size: number, flags: number): number;
  slowAtomic(size: number, kind: number): number;
  fetch(): number;
  fill(size: number, flags: number): number;
  resume(): number;
}

const MDSCR_EL1 = registerOffset("MDSCR_EL1"), FAR_EL1 = registerOffset("FAR_EL1"), VBAR_EL1 = registerOffset("VBAR_EL1");
const STEP = 1;

/** What is TypeScript's. */
export interface SlowPathCallees extends SlowPaths {
  /** See `Tlb.noted`. */
  noted(bank: number, vaHi: number, vaLo: number, found: number): void;
  /** Makes TLB banks and FP_ENABLED true. */
  updateContext(): void;
  /** See `ExceptionRoutines`. */
  take1(esr: number, returnOffset: number, vector: number): void;
}

/** Where things are. */
export interface SlowPathPlaces extends FillPlaces {
  /** The first page of records. */
  readonly records: number;
}

/** Makes them. */
export function slowPaths(memory: WebAssembly.Memory, places: SlowPathPlaces, callees: SlowPathCallees): SlowPaths {
  const module = compiled(`slow paths ${JSON.stringify(places)}`, memory, (limits) => write(limits, places));
  return new WebAssembly.Instance(module, { env: { memory, ...callees } as never }).exports as unknown as SlowPaths;
}

function write(limits: ReturnType<typeof limitsOf>, places: SlowPathPlaces): ModuleBuilder {
  const module = new ModuleBuilder(limits);
  const pair = (name: string) => module.importFunction("env", name, ["i32", "i32"], "i32");
  const own = { slowLoad: pair("slowLoad"), slowStore: pair("slowStore"), slowAtomic: pair("slowAtomic"), fill: pair("fill") };
  const fetch = module.importFunction("env", "fetch", [], "i32");
  const noted = module.importFunction("env", "noted", ["i32", "i32", "i32", "i32"]);
  const resume = module.importFunction("env", "resume", [], "i32");
  const update = module.importFunction("env", "updateContext", []);
  const take = module.importFunction("env", "take1", ["i32", "i32", "i32"]);
  const walk = { ...addWalk(module, places), take };
  const make = (f: FunctionBuilder) => new SlowPathCode(f, places, walk);
  const { note, data } = addFill(module, places, walk, noted);
  const entry = (name: keyof typeof own, body: (code: SlowPathCode, elsewhere: Label) => void) =>
    module.function(["i32", "i32"], "i32", (f) => {
      f.block((elsewhere) => body(make(f), elsewhere));
      f.return(call("i32", own[name], ...f.params.map(({ value }) => value)));
    }, name);
  entry("slowLoad", (code, elsewhere) => code.load(elsewhere, data));
  entry("slowStore", (code, elsewhere) => code.store(elsewhere, data));
  entry("slowAtomic", (code, elsewhere) => code.atomic(elsewhere, data));
  entry("fill", (code, elsewhere) => code.fill(elsewhere, data));
  module.function([], "i32", (f) => {
    f.block((elsewhere) => make(f).fetch(elsewhere, note));
    f.return(call("i32", fetch));
  }, "fetch");
  module.function([], "i32", (f) => {
    f.block((elsewhere) => make(f).resume(elsewhere, update));
    f.return(call("i32", resume));
  }, "resume");
  return module;
}

/** The bodies. */
class SlowPathCode extends BlockCode {
  constructor(f: FunctionBuilder, readonly places: SlowPathPlaces, readonly calls: Walk & { readonly take: Callable }) {
    super(f, places.base);
  }

  get #size(): I32 {
    return this.f.params[0].value as I32;
  }

  get #flags(): I32 {
    return this.f.params[1].value as I32;
  }

  load(elsewhere: Label, data: Callable): void {
    const { f } = this;
    const va = this.#given(elsewhere);
    const { bank, whose } = this.#rights(i32.and(this.#flags, i32.const(1)));
    f.if(this.#crosses(va), () => this.#loadAcross(elsewhere, bank, va));
    this.#checkPage(elsewhere, va);
    this.#find(bank, va, l.DTLB_READ, (host) => f.return(host));
    this.#clearFault();
    const abort = () => this.#abort(elsewhere, va, false);
    this.#walked(elsewhere, data, va, i32.const(RIGHT_READ), whose, bank, (host) => f.return(host), abort);
  }

  /** From two pages that the TLB both has, by way of SCRATCH. Kernels have hot structures that lie so. */
  #loadAcross(elsewhere: Label, bank: I32, va: I64): void {
    const { f, base } = this;
    const first = f.let(i32.sub(i32.const(4096), i32.and(i32.wrap(va), i32.const(0xfff))));
    const [one, two] = [va, i64.add(va, i64.extend_u(first))].map((part) => {
      const host = f.local("i32");
      f.set(host, i32.const(0));
      this.#find(bank, f.let(part), l.DTLB_READ, (found) => f.set(host, found));
      f.brIf(elsewhere, i32.eqz(host.value));
      return host.value;
    });
    const done = f.local("i32");
    f.set(done, i32.const(0));
    f.loop((again) => {
      const isFirst = i32.lt_u(done.value, first);
      const from = i32.add(select(isFirst, one, i32.sub(two, first)), done.value);
      f.store("i32.8", done.value, i32.load8_u(from), base + at.SCRATCH);
      f.set(done, i32.add(done.value, i32.const(1)));
      f.brIf(again, i32.lt_u(done.value, this.#size));
    });
    f.return(i32.const(base + at.SCRATCH));
  }

  store(elsewhere: Label, data: Callable): void {
    // One, two, four, or a multiple of eight.
    this.f.if(i32.gt_u(i32.popcnt(this.#size), i32.const(1)), () => this.f.brIf(elsewhere, i32.and(this.#size, i32.const(7))));
    const va = this.#address(elsewhere);
    const { bank, whose } = this.#rights(i32.and(this.#flags, i32.const(1)));
    this.#find(bank, va, l.DTLB_WRITE, (host) => this.#put(host));
    this.#clearFault();
    const abort = () => this.#abort(elsewhere, va, true);
    this.#walked(elsewhere, data, va, i32.const(RIGHT_WRITE), whose, bank, (host) => this.#put(host), abort);
  }

  atomic(elsewhere: Label, data: Callable): void {
    const { f } = this;
    const size = this.#size, kind = f.let(this.#flags);
    f.brIf(elsewhere, i32.eqz(kind));
    f.brIf(elsewhere, i32.and(this.get(at.ADDRESS), i32.sub(size, i32.const(1))));
    const va = this.#address(elsewhere);
    const { bank, whose } = this.#rights(i32.const(0));
    const needs = select(i32.eq(kind, i32.const(l.Atomic.update)), i32.const(RIGHT_READ | RIGHT_WRITE), i32.const(RIGHT_WRITE));
    this.#find(bank, va, l.DTLB_WRITE, (host) => f.return(host));
    this.#walked(elsewhere, data, va, needs, whose, bank, (host) => f.return(host));
  }

  #clearFault(): void {
    this.f.store("i32", i32.const(0), i32.const(w.NO_FAULT), this.places.area + w.WALK_FAULT);
  }

  /** A load or store that stage 1 refuses goes to EL1 at once: what `Accesses` and `ExceptionUnit` do. */
  #abort(elsewhere: Label, va: I64, isWrite: boolean): void {
    const { f } = this;
    const { area } = this.places;
    const isNested = f.let(this.get(at.EL));
    // In a vector's entry, and where EL1 has come without a return in between, the watch over endless faults looks.
    const pc = f.let(
      i64.add(this.get64(at.PAGE_VA), i64.extend_u(i32.shr_u(i32.sub(this.get(at.IP), this.get(at.RECORDS)), i32.const(2)))),
    );
    const isInVectors = i64.lt_u(i64.sub(pc, this.get64(VBAR_EL1)), i64.const(0x800n));
    f.if(isNested, () => f.brIf(elsewhere, i32.or(this.get(at.LOOP_COUNT), isInVectors)));
    const status = f.let(i32.load(i32.const(0), area + w.WALK_FAULT));
    f.brIf(elsewhere, i32.eq(status, i32.const(w.NO_FAULT)));
    f.brIf(elsewhere, i32.and(this.get(MDSCR_EL1), i32.const(STEP)));
    this.syncPc();
    this.set64(FAR_EL1, va);
    const ec = i32.shl(i32.add(isNested, i32.const(EC.dataAbortLower)), i32.const(26));
    const esr = f.let(i32.or(i32.or(ec, i32.const(1 << 25 | (isWrite ? 1 << 6 : 0))), status));
    f.call(this.calls.take, esr, i32.const(0), i32.const(0));
    f.if(isNested, () => this.noteNested(esr, pc, va), () => this.noteOrigin(esr));
    f.store("i32", i32.const(0), i32.const(1), area + w.WALK_TAKEN);
    f.return(i32.const(0));
  }

  /** After an exception: 1 when the run goes on at TARGET. */
  resume(elsewhere: Label, update: Callable): void {
    const { f } = this;
    const { area } = this.places;
    f.brIf(elsewhere, i32.eqz(i32.load(i32.const(0), area + w.WALK_TAKEN)));
    f.store("i32", i32.const(0), i32.const(0), area + w.WALK_TAKEN);
    this.goOn(update);
    f.return(i32.const(1));
  }

  /** For compiled code, which leaves by itself when it gets 0. */
  fill(elsewhere: Label, data: Callable): void {
    const { f } = this;
    const va = this.#given(elsewhere);
    f.block((nothing) => {
      this.#checkPage(nothing, va);
      const { bank, whose } = this.#rights(i32.and(this.#flags, i32.const(1)));
      // 0: a read, 1: a write, 2: both.
      const needs = i32.add(i32.shr_u(this.#flags, i32.const(1)), i32.const(1));
      const { area } = this.places;
      f.store("i32", i32.const(0), i32.const(0), area + w.WALK_UNUSUAL);
      this.#walked(nothing, data, va, needs, whose, bank, (host) => {
        f.return(select(i32.load(i32.const(0), area + w.WALK_LOST), i32.const(0), host));
      }, () => f.brIf(elsewhere, i32.load(i32.const(0), area + w.WALK_UNUSUAL)));
    });
    f.return(i32.const(0));
  }

  fetch(elsewhere: Label, note: Callable): void {
    const { f } = this;
    const { area, records: first } = this.places;
    f.brIf(elsewhere, i32.eqz(call("i32", this.calls.ready)));
    const va = f.let(this.get64(at.TARGET));
    // Misaligned, or with a tag.
    f.brIf(elsewhere, i32.and(i32.wrap(va), i32.const(3)));
    f.brIf(elsewhere, i64.ne(va, i64.shr_s(i64.shl(va, i64.const(8n)), i64.const(8n))));
    const page = f.let(i64.and(va, i64.const(-4096n)));
    const bank = f.let(this.get(at.TLB));
    const entry = f.let(i32.add(fetchEntryIn(bank, va), i32.const(l.DTLB_SIZE)));
    const records = f.local("i32");
    f.set(records, i32.load(entry, l.ITLB_RECORDS));
    f.if(i64.ne(i64.load(entry, l.ITLB_TAG), page), () => {
      const whose = i32.eqz(this.get(at.EL));
      const found = f.let(call("i32", this.calls.walk, va, i32.const(RIGHT_EXECUTE), whose));
      f.brIf(elsewhere, i32.eqz(found));
      const slot = f.let(i32.load16_s(codeOf(i32.load(i32.const(0), area + w.WALK_HOST)), area + w.WALK_CODE));
      f.brIf(elsewhere, i32.lt_s(slot, i32.const(0)));
      f.set(records, i32.add(i32.mul(slot, i32.const(l.RECORD_PAGE_STRIDE)), i32.const(first)));
      f.if(i32.eqz(isValid(entry, l.ITLB_TAG)), () => writeLog(f, bank, i32.sub(entry, bank)));
      f.store("i64", entry, page, l.ITLB_TAG);
      f.store("i32", entry, records.value, l.ITLB_RECORDS);
      f.store("i32", entry, isGlobal(found), l.ITLB_FLAGS);
      f.call(note, bank, va, found);
    });
    this.set(at.RECORDS, records.value);
    this.set64(at.PAGE_VA, page);
    f.return(recordOf(records.value, va));
  }

  /** The address of an access that is within a page, and nothing special. */
  #address(elsewhere: Label): I64 {
    const va = this.#given(elsewhere);
    this.#checkPage(elsewhere, va);
    return va;
  }

  /** The address of any access, where accesses are nothing special. */
  #given(elsewhere: Label): I64 {
    const { f } = this;
    f.brIf(elsewhere, i32.eqz(call("i32", this.calls.ready)));
    return f.let(this.get64(at.ADDRESS));
  }

  /** Crosses into another page, or is one that never comes from the TLB. */
  #checkPage(elsewhere: Label, va: I64): void {
    const { f } = this;
    f.brIf(elsewhere, this.#crosses(va));
    const slot = i32.shl(i32.and(i32.shr_u(i32.wrap(va), i32.const(12)), i32.const(SLOW_PAGES - 1)), i32.const(3));
    f.brIf(elsewhere, i64.eq(i64.load(slot, this.places.area + w.WALK_SLOW), i64.and(va, i64.const(-4096n))));
  }

  #crosses(va: I64): I32 {
    return i32.gt_u(i32.add(i32.and(i32.wrap(va), i32.const(0xfff)), this.#size), i32.const(4096));
  }

  /** Whose access it is, and in which bank to look. */
  #rights(unprivileged: I32): { readonly bank: I32; readonly whose: I32 } {
    const { f } = this;
    const el = f.let(this.get(at.EL));
    const asUser = f.let(i32.and(i32.and(unprivileged, el), i32.eqz(this.get(at.UAO))));
    const bank = f.let(select(asUser, this.get(at.TLB_UNPRIVILEGED), this.get(at.TLB)));
    const privileged = select(this.get(at.PAN), i32.const(AS_EL1_PAN), i32.const(AS_EL1));
    return { bank, whose: f.let(select(i32.or(asUser, i32.eqz(el)), i32.const(AS_EL0), privileged)) };
  }

  /** `then` with where an address is, if one of its two entries knows. */
  #find(bank: I32, va: I64, tag: number, then: (host: I32) => void): void {
    const { f } = this;
    const entry = f.let(i32.add(bank, entryIn(f, va)));
    const page = f.let(i64.and(va, i64.const(-4096n)));
    for (const offset of [0, l.DTLB_SECOND]) {
      f.if(i64.eq(i64.load(entry, offset + tag), page), () => then(f.let(i32.add(i32.load(entry, offset + l.DTLB_ADDEND), i32.wrap(va)))));
    }
  }

  /** `then` with where an address is, after a walk; else `unless`. */
  #walked(
    elsewhere: Label,
    data: Callable,
    va: I64,
    needs: I32,
    whose: I32,
    bank: I32,
    then: (host: I32) => void,
    unless: () => void = () => {},
  ): void {
    const { f } = this;
    const host = f.let(call("i32", data, va, needs, whose, bank));
    f.if(i32.eqz(host), () => {
      unless();
      f.br(elsewhere);
    });
    then(host);
  }

  /** Stores SCRATCH, and returns. */
  #put(host: I32): void {
    const { f, base } = this;
    const is = (size: number) => i32.eq(this.#size, i32.const(size));
    const from = base + at.SCRATCH, zero = i32.const(0);
    f.if(
      is(8),
      () => f.store("i64", host, i64.load(zero, from)),
      () =>
        f.if(
          is(4),
          () => f.store("i32", host, i32.load(zero, from)),
          () =>
            f.if(is(1), () =>
              f.store("i32.8", host, i32.load8_u(zero, from)), () =>
              f.if(is(2), () => f.store("i32.16", host, i32.load16_u(zero, from)), () => this.#copy(host, from))),
        ),
    );
    f.return(i32.const(1));
  }

  /** Eight bytes at a time. */
  #copy(host: I32, from: number): void {
    const { f } = this;
    const done = f.local("i32");
    f.set(done, i32.const(0));
    f.loop((again) => {
      f.store("i64", i32.add(host, done.value), i64.load(done.value, from));
      f.set(done, i32.add(done.value, i32.const(8)));
      f.brIf(again, i32.lt_u(done.value, this.#size));
    });
  }
}
