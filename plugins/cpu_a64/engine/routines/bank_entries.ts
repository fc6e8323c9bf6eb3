/** Entries of a TLB bank, as WebAssembly, and which places have had one since the bank was emptied: see `BANK_LOG`. */
import { type FunctionBuilder, type I32, i32, type Local, v128 } from "../../wasm/mod.ts";
import {
  BANK_LOG,
  DTLB_ENTRY_SHIFT,
  DTLB_SECOND,
  DTLB_SIZE,
  ITLB_ENTRY_SHIFT,
  ITLB_SIZE,
  LOG_PLACES,
  LOG_SHIFT,
  LOG_UNKNOWN,
} from "../layout.ts";

const FIRST = BANK_LOG + 4;

/** A place has its first entry since the bank was emptied. @param offset in the bank */
export function writeLog(f: FunctionBuilder, bank: I32, offset: I32): void {
  const count = f.let(i32.load(bank, BANK_LOG));
  f.if(count, () => {
    f.if(i32.gt_u(count, i32.const(LOG_PLACES)), () => f.store("i32", bank, i32.const(LOG_UNKNOWN), BANK_LOG), () => {
      const at = i32.add(bank, i32.shl(count, i32.const(1)));
      f.store("i32.16", at, i32.shr_u(offset, i32.const(LOG_SHIFT)), FIRST - 2);
      f.store("i32", bank, i32.add(count, i32.const(1)), BANK_LOG);
    });
  });
}

/** The code of a data entry, or of one of the instruction side. `offset`: in the bank. */
export interface PlaceCode {
  data?(offset: I32): void;
  fetch?(offset: I32): void;
}

/** For each entry that a bank may have: those that the log knows of, or all. */
export function eachEntry(f: FunctionBuilder, bank: I32, { data, fetch }: PlaceCode): void {
  const count = f.let(i32.load(bank, BANK_LOG));
  const offset = f.local("i32");
  f.if(count, () => {
    const n = f.local("i32");
    each(f, n, i32.const(1), count, i32.const(1), () => {
      f.set(offset, i32.shl(i32.load16_u(i32.add(bank, i32.shl(n.value, i32.const(1))), FIRST - 2), i32.const(LOG_SHIFT)));
      f.if(i32.lt_u(offset.value, i32.const(DTLB_SIZE)), () => {
        data?.(offset.value);
        data?.(i32.add(offset.value, i32.const(DTLB_SECOND)));
      }, () => fetch?.(offset.value));
    });
  }, () => {
    if (data) each(f, offset, i32.const(0), i32.const(DTLB_SIZE), i32.const(1 << DTLB_ENTRY_SHIFT), () => data(offset.value));
    if (fetch) {
      const end = i32.const(DTLB_SIZE + ITLB_SIZE);
      each(f, offset, i32.const(DTLB_SIZE), end, i32.const(1 << ITLB_ENTRY_SHIFT), () => fetch(offset.value));
    }
  });
}

/** Whether a tag of an entry is that of a page. */
export function isValid(entry: I32, tag: number): I32 {
  return i32.eqz(i32.and(i32.load(entry, tag), i32.const(0xfff)));
}

/** Empties an entry of so many bytes. */
export function emptyEntry(f: FunctionBuilder, entry: I32, size: number): void {
  for (let i = 0; i < size; i += 16) f.store("v128", entry, v128.const(-1n, -1n), i);
}

/** Puts an entry of so many bytes where another one is. */
export function copyEntry(f: FunctionBuilder, to: I32, from: I32, size: number): void {
  for (let i = 0; i < size; i += 16) f.store("v128", to, v128.load(from, i), i);
}

/** `body` for each step from `first` to `end` (exclusive), if there is any. */
export function each(f: FunctionBuilder, at: Local<"i32">, first: I32, end: I32, step: I32, body: () => void): void {
  f.set(at, first);
  f.block((done) => {
    f.loop((again) => {
      f.brIf(done, i32.ge_u(at.value, end));
      body();
      f.set(at, i32.add(at.value, step));
      f.br(again);
    });
  });
}
