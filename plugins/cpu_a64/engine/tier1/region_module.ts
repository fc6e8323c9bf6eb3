/**
 * A module of regions, and what they share: the look-up of an address in the TLB, and the ways out, which are in a module once
 * and not at each access and in each region.
 */
import { call, type Callable, FunctionBuilder, type I32, i32, type I64, i64, type Local, ModuleBuilder, select } from "../../wasm/mod.ts";
import type { Signature, Type } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { fetchEntryIn, recordOf } from "../dispatch.ts";
import { isRegion, MAX_HANDLERS } from "../interpreter.ts";
import {
  DTLB_ADDEND,
  DTLB_READ,
  DTLB_SECOND,
  DTLB_SIZE,
  DTLB_WRITE,
  ITLB_RECORDS,
  ITLB_TAG,
  RECORD_SIZE,
  RECORDS_PER_PAGE,
  Status,
} from "../layout.ts";
import type { Imports } from "../place.ts";
import { INTERPRETED_SHARE_BITS } from "./hotness.ts";
import { entryIn } from "../tier0_memory.ts";
import { writePack } from "./flags.ts";
import { MAX_REGIONS, PAGE_TABLE_SHIFT, type SidePlaces } from "./side_table.ts";
import { READ_ACCESS, UPDATE_ACCESS, WINDOW_ADDEND, WRITE_ACCESS } from "./region_place.ts";

/** Where things are that do not change, and how fast the counter counts. */
export interface RegionAddresses extends SidePlaces {
  /** The state block. */
  readonly base: number;
  /** For each region the addresses of its pages' records, as its code numbers them. */
  readonly pageTable: number;
  /** Windows of loops. */
  readonly windows: number;
  /** A word that another thread makes other than zero when the run is not to go on without a look, if other threads there are. */
  readonly attention?: number;
  readonly counterFrequencyHz: number;
}

/** A function as bytes. A region's means the same in each module, since all declare the same before it. */
export interface RegionCode {
  readonly body: Uint8Array;
  /** Where its unlikely branches are. */
  readonly hints: readonly number[] | Int32Array;
}

/** What modules for the same addresses have in common. */
const common = new WeakMap<RegionAddresses, RegionCode[]>();

/** A module under construction. */
export class RegionModule {
  readonly #module: ModuleBuilder;
  readonly imports: Imports;
  readonly #fill: Callable;
  readonly #signature: Signature;
  readonly #looks: readonly Callable[];
  readonly #refills: readonly Callable[];
  readonly #pack: Callable;
  readonly #leave: Callable;
  /** (budget) → budget: where the slice's ends, what regions may take beyond it is added. */
  readonly extend: Callable;
  /** (budget, target, kind, a, b): goes on at a target, in the region that begins there or in the interpreter. */
  readonly goOn: Callable;
  /** (budget, record, kind, a, b): the interpreter goes on at a record of the page that the state block has. */
  readonly bail: Callable;

  /** @param limits of the memory */
  constructor(limits: { readonly minimum: number; readonly maximum: number }, readonly addresses: RegionAddresses) {
    const module = this.#module = new ModuleBuilder(limits);
    const none = { index: -1, params: [], result: undefined };
    this.imports = {
      slowLoad: none,
      slowStore: none,
      slowAtomic: none,
      system: none,
      softFloat: module.importFunction("env", "softFloat", ["i32"]),
    };
    this.#fill = module.importFunction("env", "fill", ["i32", "i32"], "i32");
    module.importTable("env", "table");
    this.#signature = module.signature(["i32"], "i32");
    // All that regions may call, in each module: their code means the same in all, so the first one writes it.
    const written = common.get(addresses) ?? [];
    common.set(addresses, written);
    let next = 0;
    const shared = (params: readonly Type[], build: (f: FunctionBuilder) => void): Callable => {
      const { body, hints } = written[next++] ??= write(params, build);
      return module.finished(params, "i32", body, hints);
    };
    this.#pack = shared(["i32", "i64", "i64"], (f) => writePack(f, addresses.base));
    this.extend = shared(["i32"], (f) => this.#writeExtend(f));
    this.#leave = shared(["i32", "i32", "i32", "i64", "i64"], (f) => this.#writeLeave(f));
    this.goOn = shared(["i32", "i64", "i32", "i64", "i64"], (f) => this.#writeGoOn(f));
    this.bail = shared(["i32", "i32", "i32", "i64", "i64"], (f) => this.#writeBail(f));
    const kinds = [READ_ACCESS, WRITE_ACCESS, UPDATE_ACCESS].flatMap((access): [number, boolean][] => [[access, false], [access, true]]);
    this.#looks = kinds.map((kind) => shared(["i64", "i32"], (f) => this.#writeLook(f, ...kind)));
    this.#refills = kinds.map((kind) => shared(["i64", "i32", "i32"], (f) => writeRefill(f, this.look(...kind))));
  }

  /** Adds a region, whose function `build` writes: budget in, `Status` out. `number`: of the region. */
  region(number: number, build: (f: FunctionBuilder) => void): RegionCode {
    const code = write(["i32"], build);
    this.add(number, code);
    return code;
  }

  /** Adds a region that another module's {@linkcode region} wrote, for the same addresses. */
  add(number: number, { body, hints }: RegionCode): void {
    this.#module.element(0, MAX_HANDLERS + number, this.#module.finished(["i32"], "i32", body, hints));
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#module.finish();
  }

  /** (VA, size - 1) → host address minus VA for an access, an odd number: the interpreter must look. */
  look(access: number, unprivileged: boolean): Callable {
    return this.#looks[access * 2 + +unprivileged];
  }

  /** See {@linkcode RegionPlace}. */
  refill(access: number, unprivileged: boolean): Callable {
    return this.#refills[access * 2 + +unprivileged];
  }

  /** (kind, a, b) → NZCV as a number. */
  pack(): Callable {
    return this.#pack;
  }

  /**
   * Address of the records of a page of the region that runs, before it says that it is in another page than the head's.
   * @param head number of the instruction that it begins with
   * @param page as its code numbers it
   */
  recordsOf(head: number, page: number): I32 {
    if (page === 0) return this.#word(at.RECORDS);
    // Its lower bits, which number a region whatever the record has.
    const number = i32.and(i32.load16_u(this.#word(at.RECORDS), head * RECORD_SIZE), i32.const(MAX_REGIONS - 1));
    return i32.load(i32.shl(number, i32.const(PAGE_TABLE_SHIFT)), this.addresses.pageTable + 4 * page);
  }

  /** See {@linkcode fetchEntryIn}, in the present bank. */
  fetchEntry(va: I64): I32 {
    return fetchEntryIn(this.#word(at.TLB), va);
  }

  #word(offset: number): I32 {
    return i32.load(i32.const(0), this.addresses.base + offset);
  }

  #writeLook(f: FunctionBuilder, access: number, unprivileged: boolean): void {
    const [va, least] = f.params as [Local<"i64">, Local<"i32">];
    const { base } = this.addresses;
    const last = f.let(i64.and(i64.add(va.value, i64.extend_u(least.value)), i64.const(-4096n)));
    const tag = access === READ_ACCESS ? DTLB_READ : DTLB_WRITE;
    const entry = f.let(i32.add(this.#word(unprivileged ? at.TLB_UNPRIVILEGED : at.TLB), entryIn(f, va.value)));
    f.ifUnlikely(i64.ne(last, i64.load(entry, tag)), () => {
      f.if(i64.eq(last, i64.load(entry, tag + DTLB_SECOND)), () => f.return(i32.load(entry, DTLB_ADDEND + DTLB_SECOND)));
      f.store("i64", i32.const(0), va.value, base + at.ADDRESS);
      const size = i32.add(least.value, i32.const(1));
      f.if(i32.eqz(call("i32", this.#fill, size, i32.const(+unprivileged | (access << 1)))), () => f.return(i32.const(1)));
    });
    f.return(i32.load(entry, DTLB_ADDEND));
  }

  /** A sample is due. It is in a region, so it counts only if the interpreter executed much of what came before: then the slice ends. */
  #writeExtend(f: FunctionBuilder): void {
    const { base, attention } = this.addresses;
    const store = (offset: number, value: I32) => f.store("i32", i32.const(0), value, base + offset);
    const budget = f.params[0].value as I32;
    const period = f.let(this.#word(at.PERIOD)), beyond = f.let(this.#word(at.BEYOND));
    const counts = i32.gt_u(i32.shl(this.#word(at.INTERPRETED), i32.const(INTERPRETED_SHARE_BITS)), period);
    const stays = attention === undefined ? counts : i32.or(counts, i32.load(i32.const(0), attention));
    f.if(i32.or(stays, i32.eqz(beyond)), () => f.return(budget));
    const more = f.let(select(i32.lt_u(period, beyond), period, beyond));
    store(at.BEYOND, i32.sub(beyond, more));
    store(at.INTERPRETED_EARLIER, i32.add(this.#word(at.INTERPRETED_EARLIER), this.#word(at.INTERPRETED)));
    store(at.INTERPRETED, i32.const(0));
    f.return(i32.add(budget, more));
  }

  /** (budget, status, kind, a, b): back to the interpreter. */
  #writeLeave(f: FunctionBuilder): void {
    const [budget, status, kind, a, b] = f.params as [Local<"i32">, Local<"i32">, Local<"i32">, Local<"i64">, Local<"i64">];
    const store = (offset: number, value: I32) => f.store("i32", i32.const(0), value, this.addresses.base + offset);
    store(at.NZCV, call("i32", this.#pack, kind.value, a.value, b.value));
    store(at.FLAGS_KIND, i32.const(0));
    store(at.BUDGET, budget.value);
    store(at.REGION_BUDGET, budget.value);
    f.return(status.value);
  }

  #return(f: FunctionBuilder, status: number): void {
    const [budget, , ...flags] = f.params as [Local<"i32">, Local, ...Local[]];
    f.returnCall(this.#leave, budget.value, i32.const(status), ...flags.map(({ value }) => value));
  }

  #writeBail(f: FunctionBuilder): void {
    f.store("i32", i32.const(0), f.params[1].value, this.addresses.base + at.IP);
    this.#return(f, Status.bail);
  }

  #writeGoOn(f: FunctionBuilder): void {
    const { base } = this.addresses;
    const [budget, { value: target }, kind, a, b] = f.params as [Local<"i32">, Local<"i64">, Local<"i32">, Local<"i64">, Local<"i64">];
    const records = f.local("i32"), record = f.local("i32");
    f.set(records, this.#word(at.RECORDS));
    const within = i64.rotr(i64.xor(target, i64.load(i32.const(0), base + at.PAGE_VA)), i64.const(2n));
    f.if(i64.ge_u(within, i64.const(BigInt(RECORDS_PER_PAGE))), () => {
      const entry = f.let(this.fetchEntry(target));
      f.ifUnlikely(i64.ne(i64.and(target, i64.const(-4093n)), i64.load(entry, DTLB_SIZE + ITLB_TAG)), () => {
        f.store("i64", i32.const(0), target, base + at.TARGET);
        this.#return(f, Status.branch);
      });
      f.set(records, i32.load(entry, DTLB_SIZE + ITLB_RECORDS));
      f.store("i32", i32.const(0), records.value, base + at.RECORDS);
      f.store("i64", i32.const(0), i64.and(target, i64.const(-4096n)), base + at.PAGE_VA);
    });
    f.set(record, recordOf(records.value, target));
    const handler = f.let(i32.load16_u(record.value));
    f.if(isRegion(handler), () => {
      // Hardly any region asks for the flags of another one.
      f.if(kind.value, () => {
        f.store("i32", i32.const(0), kind.value, base + at.FLAGS_KIND);
        f.store("i64", i32.const(0), a.value, base + at.FLAGS_A);
        f.store("i64", i32.const(0), b.value, base + at.FLAGS_B);
      });
      f.returnCallIndirect(this.#signature, 0, handler, budget.value);
    });
    f.store("i32", i32.const(0), record.value, base + at.IP);
    this.#return(f, Status.next);
  }
}

function write(params: readonly Type[], build: (f: FunctionBuilder) => void): RegionCode {
  const f = new FunctionBuilder(params, "i32");
  build(f);
  return { body: f.finish(), hints: f.hints };
}

/** (VA, size - 1, address of a window): fills the window. */
function writeRefill(f: FunctionBuilder, look: Callable): void {
  const [va, least, window] = f.params as [Local<"i64">, Local<"i32">, Local<"i32">];
  const addend = f.let(call("i32", look, va.value, least.value));
  f.if(i32.and(addend, i32.const(1)), () => f.return(i32.const(1)));
  f.store("i64", window.value, i64.and(va.value, i64.const(-4096n)));
  f.store("i32", window.value, addend, WINDOW_ADDEND);
  f.return(i32.const(0));
}
