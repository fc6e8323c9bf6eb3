/**
 * Capabilities: the typed keys by which plugins find one another. A plugin asks
 * for `Interrupts`, never for "gicv3".
 */

/** A typed key. Two capabilities are the same when their names are. */
export interface Capability<T> {
  /** Shown in errors: "nobody provides Interrupts". */
  readonly name: string;
  /** Where it lives: one per board, or one per domain. */
  readonly scope: "board" | "domain";
  /** Several plugins may provide it; whoever asks for it by `get` gets the first. */
  readonly many?: boolean;
  /** Carries the type only; never set. */
  readonly type?: T;
}

/** Makes a capability key. `many`: several plugins may provide it. */
export function capability<T>(name: string, scope: "board" | "domain" = "board", { many = false }: { many?: boolean } = {}): Capability<T> {
  return { name, scope, many };
}
