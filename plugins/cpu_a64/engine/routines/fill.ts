/** How what a walk found goes into the TLB, as WebAssembly: see `Tlb.fillData`. */
import { call, type Callable, type FunctionBuilder, type I32, i32, type I64, i64, type Local, type ModuleBuilder } from "../../wasm/mod.ts";
import { select } from "../../wasm/mod.ts";
import * as l from "../layout.ts";
import { RIGHT_READ, RIGHT_WRITE } from "../mmu/mod.ts";
import { entryIn } from "../tier0_memory.ts";
import * as w from "../walk_area.ts";
import { copyEntry, emptyEntry, isValid, writeLog } from "./bank_entries.ts";
import { BlockCode } from "./exceptions.ts";
import type { Walk, WalkPlaces } from "./walk.ts";

const ENTRY_SIZE = 1 << l.DTLB_ENTRY_SHIFT;

/** Where things are. */
export interface FillPlaces extends WalkPlaces {
  /** One byte for each frame: it may hold something else than zeroes. */
  readonly touched: number;
}

/** Functions of a module that fill. */
export interface Fill {
  /** (bank, VA, answer of a walk): tells `Tlb.noted` what it doesn't know. */
  readonly note: Callable;
  /** (VA, rights that are needed, whose, bank) → where the byte is, its page being in the TLB then; 0: TypeScript must look. */
  readonly data: Callable;
}

/** Adds them. `noted`: (bank, VA in halves, answer). */
export function addFill(module: ModuleBuilder, places: FillPlaces, walk: Walk, noted: Callable): Fill {
  const make = (f: FunctionBuilder) => new FillCode(f, places, walk);
  const note = module.function(["i32", "i64", "i32"], undefined, (f) => make(f).note(noted));
  const data = module.function(["i64", "i32", "i32", "i32"], "i32", (f) => make(f).data(note));
  return { note, data };
}

/** The bodies. */
class FillCode extends BlockCode {
  constructor(f: FunctionBuilder, readonly places: FillPlaces, readonly calls: Walk) {
    super(f, places.base);
  }

  /**
   * (VA, rights that are needed, whose, bank) → where the byte is, its page being in the TLB then, and w.WALK_LOST true; 0: TypeScript must
   * look.
   */
  data(note: Callable): void {
    const { f } = this;
    const { area, touched } = this.places;
    const [va, needs, whose, bank] = f.params as [Local<"i64">, Local<"i32">, Local<"i32">, Local<"i32">];
    const found = f.let(call("i32", this.calls.walk, va.value, needs.value, whose.value));
    f.if(i32.eqz(found), () => f.return(i32.const(0)));
    const host = f.let(i32.load(i32.const(0), area + w.WALK_HOST));
    const isCode = f.let(i32.ge_s(i32.load16_s(codeOf(host), area + w.WALK_CODE), i32.const(0)));
    // Stores to decoded code are TypeScript's, each.
    f.if(isCode, () => f.if(i32.and(needs.value, i32.const(RIGHT_WRITE)), () => f.return(i32.const(0))));
    const page = f.let(i64.and(va.value, i64.const(-4096n)));
    const isReadable = f.let(i32.and(found, i32.const(RIGHT_READ)));
    const isWritable = f.let(i32.and(i32.ne(i32.and(found, i32.const(RIGHT_WRITE)), i32.const(0)), i32.eqz(isCode)));
    const addend = f.let(i32.sub(i32.and(host, i32.const(-4096)), i32.wrap(page)));
    this.#makeRoom(bank.value, va.value, page, addend, isReadable, isWritable);
    const entry = f.let(i32.add(bank.value, entryIn(f, va.value)));
    const frame = f.let(i32.shr_u(host, i32.const(12)));
    f.store("i64", entry, select(isReadable, page, i64.const(-1n)), l.DTLB_READ);
    // From here on writes go past everybody.
    f.if(isWritable, () => f.store("i32.8", frame, i32.const(1), touched));
    f.store("i64", entry, select(isWritable, page, i64.const(-1n)), l.DTLB_WRITE);
    f.store("i32", entry, addend, l.DTLB_ADDEND);
    f.store("i32", entry, frame, l.DTLB_FRAME);
    f.store("i32", entry, isGlobal(found), l.DTLB_FLAGS);
    f.call(note, bank.value, va.value, found);
    f.return(host);
  }

  /** What has the entry goes to its second place; see `Tlb.fillData`. */
  #makeRoom(bank: I32, va: I64, page: I64, addend: I32, isReadable: I32, isWritable: I32): void {
    const { f } = this;
    const first = f.let(i32.add(bank, entryIn(f, va)));
    const second = f.let(i32.add(first, i32.const(l.DTLB_SECOND)));
    const holds = (entry: I32) => i32.or(i64.eq(i64.load(entry, l.DTLB_READ), page), i64.eq(i64.load(entry, l.DTLB_WRITE), page));
    const isUsed = (entry: I32) => i32.or(isValid(entry, l.DTLB_READ), isValid(entry, l.DTLB_WRITE));
    const isFirst = f.let(holds(first)), isSecond = f.let(holds(second));
    const lost = f.local("i32");
    const isFirstUsed = f.let(isUsed(first));
    f.if(i32.or(isFirst, isSecond), () => {
      const old = f.let(select(isFirst, first, second));
      const isElsewhere = i32.ne(i32.load(old, l.DTLB_ADDEND), addend);
      const losesRead = i32.and(i32.eqz(isReadable), isValid(old, l.DTLB_READ));
      const losesWrite = i32.and(i32.eqz(isWritable), isValid(old, l.DTLB_WRITE));
      f.set(lost, i32.or(isElsewhere, i32.or(losesRead, losesWrite)));
    }, () => f.set(lost, i32.and(isFirstUsed, isUsed(second))));
    f.store("i32", i32.const(0), lost.value, this.places.area + w.WALK_LOST);
    f.if(i32.eqz(isFirstUsed), () => writeLog(f, bank, i32.sub(first, bank)));
    f.if(isSecond, () => emptyEntry(f, second, ENTRY_SIZE));
    f.if(i32.and(isFirstUsed, i32.eqz(isFirst)), () => copyEntry(f, second, first, ENTRY_SIZE));
  }

  /** (bank, VA, answer of a walk): blocks, and what is global in the lower half, are known to the bank, without asking TypeScript each time. */
  note(noted: Callable): void {
    const { f } = this;
    const [bank, va, found] = f.params as [Local<"i32">, Local<"i64">, Local<"i32">];
    const bits = f.let(i32.shr_u(found.value, i32.const(w.WALK_SIZE_SHIFT)));
    const key = f.local("i32");
    const isLowGlobal = i32.and(isGlobal(found.value), i64.eqz(i64.and(va.value, i64.const(1n << 55n))));
    // Bits 1:0 are never 0b11, as they are where nothing is noted.
    f.set(key, i32.const(0));
    f.if(i32.gt_u(bits, i32.const(12)), () => {
      const number = f.let(i64.shr_u(va.value, i64.extend_u(bits)));
      f.set(key, i32.or(i32.shl(i32.wrap(number), i32.const(2)), select(i32.eq(bits, i32.const(30)), i32.const(1), i32.const(2))));
    });
    f.if(i32.eqz(i32.or(key.value, isLowGlobal)), () => f.return());
    const within = i32.and(key.value, i32.const((l.NOTED_SLOTS - 1) << 2));
    const slot = f.let(i32.add(bank.value, select(isLowGlobal, i32.const(0), i32.add(within, i32.const(4)))));
    f.if(i32.eq(i32.load(slot, l.BANK_NOTED), key.value), () => f.return());
    f.store("i32", slot, key.value, l.BANK_NOTED);
    f.call(noted, bank.value, i32.wrap(i64.shr_u(va.value, i64.const(32n))), i32.wrap(va.value), found.value);
  }
}

/** 1 when the translation holds for every ASID. */
export const isGlobal = (found: I32): I32 => i32.ne(i32.and(found, i32.const(w.WALK_GLOBAL)), i32.const(0));

/** Offset of a byte's frame among numbers of 16 bits. */
export const codeOf = (host: I32): I32 => i32.and(i32.shr_u(host, i32.const(11)), i32.const(-2));
