/** Generated code that other CPUs of this process would generate again, as forks of a machine do: it is compiled once. */
import type { Declaration } from "../isa/dsl.ts";
import { ModuleBuilder } from "../wasm/mod.ts";
import { declareImports, type Slot } from "./place.ts";

/** One way to execute a declaration: its known fields have fixed values. */
export interface Variant {
  /** What a record's first 16 bits hold. */
  readonly id: number;
  readonly slots: readonly Slot[];
  readonly declaration: Declaration;
}

/** Of interpreters whose addresses, model and options are the same. */
export interface GeneratedCode {
  /** The loop, and the variants that have their place in it. */
  loop?: { readonly module: WebAssembly.Module; readonly variants: ReadonlyMap<number, Variant>; readonly next: number };
  /** Handlers beside the loop, by variant. */
  readonly handlers: Map<number, Handler>;
}

/** A handler beside the loop. */
export interface Handler {
  readonly module: WebAssembly.Module;
  readonly slots: readonly Slot[];
  /** Its function as bytes: it means the same in each module of handlers. */
  readonly body: Uint8Array;
}

/** Handlers beside the loop, for another interpreter of the same kind. */
export interface KeptHandlers {
  /** What variants are known by. */
  readonly keys: readonly number[];
  /** All of them, with their bodies at its end, in the same order. */
  readonly module: Uint8Array<ArrayBuffer>;
  readonly bodies: readonly Uint8Array[];
}

/** Most handlers that an interpreter takes over from another one. */
const MAX_HANDLERS = 2048;

/**
 * Handlers of another interpreter, and those of some variants; `undefined`: there are no others, or too many. They have the numbers from `last`
 * downwards.
 */
export function mergeHandlers(
  kept: KeptHandlers | undefined,
  variants: Iterable<number>,
  { handlers }: GeneratedCode,
  limits: ModuleBuilder["memory"],
  last: number,
): KeptHandlers | undefined {
  const all = new Map(kept?.keys.map((key, i) => [key, kept.bodies[i]]));
  for (const key of variants) {
    const made = handlers.get(key);
    if (made && !all.has(key)) all.set(key, made.body);
  }
  if (all.size === (kept?.keys.length ?? 0) || all.size > MAX_HANDLERS) return undefined;
  const bodies = [...all.values()];
  const module = new ModuleBuilder(limits);
  declareImports(module);
  module.importTable("env", "table");
  bodies.forEach((body, i) => module.element(0, last - i, module.finished(["i32"], "i32", body, [])));
  return { keys: [...all.keys()], bodies, module: module.finish() };
}

/** Kinds of CPU whose code is kept. */
const KEPT = 4;

const kept = new Map<string, GeneratedCode>();

/** What there is for a kind of CPU; `kind` names everything that generated code depends on. */
export function generatedCode(kind: string): GeneratedCode {
  const code = kept.get(kind) ?? { handlers: new Map() };
  kept.delete(kind);
  kept.set(kind, code);
  for (const oldest of kept.keys()) if (kept.size > KEPT) kept.delete(oldest);
  return code;
}
