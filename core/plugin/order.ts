/** The order in which plugins are set up and attached: providers before those who need them, else as the manifest has them. */
import type { Capability } from "./capability.ts";

/** What ordering looks at. */
export interface Orderable {
  readonly name: string;
  readonly needs?: readonly Capability<unknown>[];
  readonly provides?: readonly Capability<unknown>[];
}

/**
 * Sorts by the capabilities of one scope. `given`: names of capabilities that are there already.
 * Throws an `Error` that names who needs what nobody provides, or the plugins that need one another in a circle.
 */
export function orderByNeeds<T>(
  items: readonly T[],
  plugin: (item: T) => Orderable,
  scope: "board" | "domain",
  given: ReadonlySet<string>,
): T[] {
  const inScope = (list: readonly Capability<unknown>[] | undefined) => (list ?? []).filter((key) => key.scope === scope);
  const provided = new Set(given);
  for (const item of items) for (const key of inScope(plugin(item).provides)) provided.add(key.name);
  for (const item of items) {
    for (const key of inScope(plugin(item).needs)) {
      if (!provided.has(key.name)) throw new Error(`plugin ${plugin(item).name} needs ${key.name}, which nobody provides`);
    }
  }
  const waiting = [...items];
  const sorted: T[] = [];
  while (waiting.length > 0) {
    const missing = new Set(waiting.flatMap((item) => inScope(plugin(item).provides).map((key) => key.name)));
    const index = waiting.findIndex((item) => {
      const own = new Set(inScope(plugin(item).provides).map((key) => key.name));
      return inScope(plugin(item).needs).every((key) => own.has(key.name) || !missing.has(key.name));
    });
    if (index < 0) throw new Error(`plugins need one another in a circle: ${waiting.map((item) => plugin(item).name).join(", ")}`);
    sorted.push(...waiting.splice(index, 1));
  }
  return sorted;
}
