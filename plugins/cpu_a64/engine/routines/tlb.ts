/** What is done to many entries of the TLB at once, as WebAssembly. Addresses are offsets in the shared memory. */
import { type FunctionBuilder, type I32, i32, type Local, ModuleBuilder, v128 } from "../../wasm/mod.ts";
import {
  BANK_CLEARED,
  DTLB_ENTRY_SHIFT,
  DTLB_FLAGS,
  DTLB_FRAME,
  DTLB_SIZE,
  DTLB_WRITE,
  ITLB_ENTRY_SHIFT,
  ITLB_FLAGS,
  ITLB_RECORDS,
  ITLB_SIZE,
  ITLB_TAG,
} from "../layout.ts";
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

const SIZE = DTLB_SIZE + ITLB_SIZE;

/** Makes them for a memory. */
export function tlbRoutines(memory: WebAssembly.Memory): TlbRoutines {
  return new WebAssembly.Instance(compiled("tlb", memory, write), { env: { memory } }).exports as unknown as TlbRoutines;
}

function write(limits: ReturnType<typeof limitsOf>): ModuleBuilder {
  const module = new ModuleBuilder(limits);
  module.function(["i32"], undefined, (f) => {
    const [bank] = parameters(f);
    f.fill(bank.value, i32.const(0xff), i32.const(BANK_CLEARED));
  }, "clear");
  module.function(["i32", "i32"], undefined, (f) => {
    const [bank, from] = parameters(f);
    f.fill(bank.value, i32.const(0xff), i32.const(BANK_CLEARED));
    const copy = (start: number, end: number, shift: number, flags: number) => {
      const at = f.local("i32"), source = f.local("i32");
      each(f, at, i32.add(bank.value, i32.const(start)), i32.add(bank.value, i32.const(end)), i32.const(1 << shift), () => {
        f.set(source, i32.add(i32.sub(at.value, bank.value), from.value));
        f.if(i32.eq(i32.load(source.value, flags), i32.const(1)), () => {
          for (let i = 0; i < 1 << shift; i += 16) f.store("v128", at.value, v128.load(source.value, i), i);
        });
      });
    };
    copy(0, DTLB_SIZE, DTLB_ENTRY_SHIFT, DTLB_FLAGS);
    copy(DTLB_SIZE, SIZE, ITLB_ENTRY_SHIFT, ITLB_FLAGS);
  }, "inherit");
  const search = (name: string, start: number, end: number, shift: number, field: number, tag: number) =>
    module.function(["i32", "i32", "i32", "i32"], undefined, (f) => {
      const [first, last, stride, wanted] = parameters(f);
      const bank = f.local("i32"), at = f.local("i32");
      each(f, bank, first.value, last.value, stride.value, () => {
        each(f, at, i32.add(bank.value, i32.const(start)), i32.add(bank.value, i32.const(end)), i32.const(1 << shift), () => {
          f.if(i32.eq(i32.load(at.value, field), wanted.value), () => {
            f.store("i32", at.value, i32.const(-1), tag);
            f.store("i32", at.value, i32.const(-1), tag + 4);
          });
        });
      });
    }, name);
  search("protectFrame", 0, DTLB_SIZE, DTLB_ENTRY_SHIFT, DTLB_FRAME, DTLB_WRITE);
  search("dropRecords", DTLB_SIZE, SIZE, ITLB_ENTRY_SHIFT, ITLB_RECORDS, ITLB_TAG);
  return module;
}

function parameters(f: FunctionBuilder): Local<"i32">[] {
  return f.params as Local<"i32">[];
}

/** `body` for each step from `first` to `end` (exclusive), if there is any. */
function each(f: FunctionBuilder, at: Local<"i32">, first: I32, end: I32, step: I32, body: () => void): void {
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
