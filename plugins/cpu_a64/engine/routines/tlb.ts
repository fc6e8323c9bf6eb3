/** What is done to many entries of the TLB at once, as WebAssembly. Addresses are offsets in the shared memory. */
import { type FunctionBuilder, type I32, i32, i64, type Local, ModuleBuilder } from "../../wasm/mod.ts";
import {
  BANK_CLEARED,
  BANK_LOG,
  BANK_NOTED,
  DTLB_ENTRY_SHIFT,
  DTLB_FLAGS,
  DTLB_FRAME,
  DTLB_SECOND,
  DTLB_WRITE,
  ITLB_ENTRY_SHIFT,
  ITLB_FLAGS,
  ITLB_RECORDS,
  ITLB_TAG,
  LOG_EMPTY,
} from "../layout.ts";
import { copyEntry, each, eachEntry, emptyEntry, writeLog } from "./bank_entries.ts";
import { compiled } from "./compiled.ts";
import type { limitsOf } from "./limits.ts";

/** Operations on banks. */
export interface TlbRoutines {
  /** Empties a bank. */
  clear(bank: number): void;
  /** Fills a bank with the global entries of another one, and nothing else. */
  inherit(bank: number, from: number): void;
  /** In banks from `first` to `end` (exclusive), `stride` bytes apart: no entry of a frame lets anybody write. */
  protectFrame(first: number, end: number, stride: number, frame: number): void;
  /** In the same banks: nothing is fetched from these records. */
  dropRecords(first: number, end: number, stride: number, records: number): void;
}

/** Makes them for a memory. */
export function tlbRoutines(memory: WebAssembly.Memory): TlbRoutines {
  return new WebAssembly.Instance(compiled("tlb", memory, write), { env: { memory } }).exports as unknown as TlbRoutines;
}

function write(limits: ReturnType<typeof limitsOf>): ModuleBuilder {
  const module = new ModuleBuilder(limits);
  const clear = module.function(["i32"], undefined, (f) => {
    const { value: bank } = parameters(f)[0];
    f.if(i32.load(bank, BANK_LOG), () => {
      const empty = (size: number) => (offset: I32) => emptyEntry(f, f.let(i32.add(bank, offset)), size);
      eachEntry(f, bank, { data: empty(1 << DTLB_ENTRY_SHIFT), fetch: empty(1 << ITLB_ENTRY_SHIFT) });
      f.fill(i32.add(bank, i32.const(BANK_NOTED)), i32.const(0xff), i32.const(BANK_CLEARED - BANK_NOTED));
    }, () => f.fill(bank, i32.const(0xff), i32.const(BANK_CLEARED)));
    f.store("i32", bank, i32.const(LOG_EMPTY), BANK_LOG);
  }, "clear");
  module.function(["i32", "i32"], undefined, (f) => {
    const [{ value: bank }, { value: from }] = parameters(f);
    f.call(clear, bank);
    const copy = (size: number, flags: number, place: (offset: I32) => I32) => (offset: I32) => {
      const source = f.let(i32.add(from, offset));
      f.if(i32.eq(i32.load(source, flags), i32.const(1)), () => {
        const entry = f.let(i32.add(bank, offset));
        copyEntry(f, entry, source, size);
        writeLog(f, bank, place(offset));
      });
    };
    // Of a data entry in the second place, the first one is logged.
    const data = copy(1 << DTLB_ENTRY_SHIFT, DTLB_FLAGS, (offset) => i32.and(offset, i32.const(DTLB_SECOND - 1)));
    eachEntry(f, from, { data, fetch: copy(1 << ITLB_ENTRY_SHIFT, ITLB_FLAGS, (offset) => offset) });
  }, "inherit");
  const search = (name: string, side: "data" | "fetch", field: number, tag: number) =>
    module.function(["i32", "i32", "i32", "i32"], undefined, (f) => {
      const [first, last, stride, wanted] = parameters(f);
      const bank = f.local("i32");
      each(f, bank, first.value, last.value, stride.value, () => {
        eachEntry(f, bank.value, {
          [side]: (offset: I32) => {
            const entry = f.let(i32.add(bank.value, offset));
            f.if(i32.eq(i32.load(entry, field), wanted.value), () => f.store("i64", entry, i64.const(-1n), tag));
          },
        });
      });
    }, name);
  search("protectFrame", "data", DTLB_FRAME, DTLB_WRITE);
  search("dropRecords", "fetch", ITLB_RECORDS, ITLB_TAG);
  return module;
}

function parameters(f: FunctionBuilder): Local<"i32">[] {
  return f.params as Local<"i32">[];
}
