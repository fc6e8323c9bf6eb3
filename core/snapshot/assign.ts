/**
 * Puts saved data into live data, in place: handlers close over the objects of a plugin's state, so those that are there stay,
 * with new content. What isn't of the same kind is refused: a snapshot is a file, and a file may say anything.
 */

/** The data don't fit. Says where. */
export class ShapeError extends Error {
  /** For whoever compares names. */
  override readonly name = "ShapeError";
}

/** Makes `live` equal to `saved`, both plain data of one kind. Takes parts of `saved` as they are. Throws a {@linkcode ShapeError}. */
export function assign(live: object, saved: unknown, place: string): void {
  new Assignment().into(live, saved, place);
}

/** What decides whether one may stand for the other. */
function kindOf(value: unknown): string {
  if (value === null || typeof value !== "object") return typeof value;
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "Map";
  if (value instanceof Set) return "Set";
  return ArrayBuffer.isView(value) ? value.constructor.name : "object";
}

class Assignment {
  /** Saved objects that have a live counterpart already. */
  readonly #done = new Map<object, object>();

  into(live: object, saved: unknown, place: string): void {
    const kind = kindOf(live);
    if (kind !== kindOf(saved)) throw new ShapeError(`${place} is a ${kindOf(saved)}; want a ${kind}`);
    this.#done.set(saved as object, live);
    if (kind === "list") this.#list(live as unknown[], saved as unknown[], place);
    else if (kind === "Map") this.#map(live as Map<unknown, unknown>, saved as Map<unknown, unknown>, place);
    else if (kind === "Set") this.#set(live as Set<unknown>, saved as Set<unknown>);
    else if (kind === "object") this.#object(live as Record<string, unknown>, saved as Record<string, unknown>, place);
    else this.#typed(live as Uint8Array, saved as Uint8Array, place);
  }

  /** What comes to stand where `live` was. */
  #value(live: unknown, saved: unknown, place: string): unknown {
    const known = typeof saved === "object" && saved !== null ? this.#done.get(saved) : undefined;
    if (known !== undefined) return known;
    // What is absent at one of the two times may be anything at the other.
    if (live === undefined || live === null || saved === undefined || saved === null) return saved;
    const [from, to] = [kindOf(saved), kindOf(live)];
    if (typeof live !== "object") {
      if (from !== to) throw new ShapeError(`${place} is a ${from}; want a ${to}`);
      return saved;
    }
    // An array that grows is a new one.
    if (from === to && ArrayBuffer.isView(live) && live.byteLength !== (saved as ArrayBufferView).byteLength) return saved;
    this.into(live, saved, place);
    return live;
  }

  #object(live: Record<string, unknown>, saved: Record<string, unknown>, place: string): void {
    for (const key of Object.keys(live)) {
      if (!Object.hasOwn(saved, key)) delete live[key];
    }
    for (const [key, value] of Object.entries(saved)) {
      const now = this.#value(Object.hasOwn(live, key) ? live[key] : undefined, value, `${place}.${key}`);
      if (live[key] !== now || !Object.hasOwn(live, key)) live[key] = now;
    }
  }

  #list(live: unknown[], saved: unknown[], place: string): void {
    const had = live.length;
    live.length = saved.length;
    for (let index = 0; index < saved.length; index++) {
      live[index] = index < had ? this.#value(live[index], saved[index], `${place}.${index}`) : this.#value(undefined, saved[index], place);
    }
  }

  #map(live: Map<unknown, unknown>, saved: Map<unknown, unknown>, place: string): void {
    const before = new Map(live);
    live.clear();
    // The order is part of it.
    for (const [key, value] of saved) {
      live.set(this.#value(undefined, key, place), this.#value(before.get(key), value, `${place}.${String(key)}`));
    }
  }

  #set(live: Set<unknown>, saved: Set<unknown>): void {
    live.clear();
    for (const item of saved) live.add(item);
  }

  #typed(live: Uint8Array, saved: Uint8Array, place: string): void {
    if (live.length !== saved.length) throw new ShapeError(`${place} has ${saved.length} items; want ${live.length}`);
    live.set(saved);
  }
}
