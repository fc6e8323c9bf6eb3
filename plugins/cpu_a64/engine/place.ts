/** Where generated code sits, and what it calls: what the interpreter's loop and a handler of its own have in common. */
import type { Raw } from "../isa/dsl.ts";
import type { Callable, FunctionBuilder, I32, I64, ModuleBuilder } from "../wasm/mod.ts";

/** Functions of the engine that generated code calls. Each returns 0 for "leave the instruction" unless said otherwise. */
export interface Imports {
  /** (size, flags) → host address of the data at ADDRESS (SCRATCH after a slow read). Flags: 1 unprivileged, plus the element size times 2. */
  readonly slowLoad: Callable;
  /** (size, flags): stores SCRATCH at ADDRESS. */
  readonly slowStore: Callable;
  /** (size) → host address for an atomic access at ADDRESS. */
  readonly slowAtomic: Callable;
  /** (operation, word) → a Status. */
  readonly system: Callable;
  /** (operation): SCRATCH in, SCRATCH out. */
  readonly softFloat: Callable;
}

/** Declares them, the first functions of a module. */
export function declareImports(module: ModuleBuilder): Imports {
  return {
    slowLoad: module.importFunction("env", "slowLoad", ["i32", "i32"], "i32"),
    slowStore: module.importFunction("env", "slowStore", ["i32", "i32"], "i32"),
    slowAtomic: module.importFunction("env", "slowAtomic", ["i32", "i32"], "i32"),
    system: module.importFunction("env", "system", ["i32", "i32"], "i32"),
    softFloat: module.importFunction("env", "softFloat", ["i32"]),
  };
}

/** Where generated code sits: what differs between the loop and a handler of its own. */
export interface Place {
  readonly f: FunctionBuilder;
  readonly imports: Imports;
  /** Base of the CPU's state block in the shared memory. */
  readonly base: number;
  /** Address of the record. */
  readonly ip: I32;
  /** Its first eight bytes: one load, and one check of the memory's bounds, for all operands in them. */
  readonly head: I64;
  /** Address of the first record of the page. */
  readonly records: I32;
  /** Makes IP and BUDGET in the state block true. */
  spill(): void;
  /** After a call into the engine, which may have changed BUDGET. */
  resume(): void;
  /** Leaves with `Status.leave`. */
  leave(): void;
  /** Leaves with `Status.stop`: the instruction is done. */
  stop(): void;
  /** Continues at a record of this page. */
  jump(record: I32): void;
  /** Continues at a VA. */
  branch(target: I64): void;
}

/** An operand in the record: where, and how it is computed from the fields. */
export interface Slot {
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly compute: (fields: Raw<string>) => number | bigint;
}

/** What the engine hands to generated code. Numbers are host addresses, sizes and `Status` values. */
export interface EngineFunctions {
  slowLoad(size: number, flags: number): number;
  slowStore(size: number, flags: number): number;
  slowAtomic(size: number, write: number): number;
  system(op: number, word: number): number;
  softFloat(op: number): void;
  /** Finds the records for TARGET; sets RECORDS and PAGE_VA. Returns the record's address, 0 to leave. */
  fetch(): number;
  /** Decodes at a record. Returns the record to go on with, 0 to leave. */
  decode(record: number): number;
  /** Before a run is left: 1 when it goes on at TARGET, in the handler of an exception that the present instruction took. */
  resume(): number;
}

/** What the loop calls. */
export interface LoopCallees {
  readonly imports: Imports;
  readonly fetch: Callable;
  readonly decode: Callable;
  readonly resume: Callable;
  readonly handler: (index: I32, ip: I32) => I32;
  readonly region: (number: I32, budget: I32) => I32;
}
