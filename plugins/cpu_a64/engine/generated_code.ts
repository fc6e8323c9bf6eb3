/** Generated code that other CPUs of this process would generate again, as forks of a machine do: it is compiled once. */
import type { Declaration } from "../isa/dsl.ts";
import type { Slot } from "./place.ts";

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
  readonly handlers: Map<number, { readonly module: WebAssembly.Module; readonly slots: readonly Slot[] }>;
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
