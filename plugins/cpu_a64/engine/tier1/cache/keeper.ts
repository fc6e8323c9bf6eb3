/** Keeps translations from one run of a guest to the next. */
import type { HostCache } from "../../../../../core/mod.ts";
import { decodeTranslations, encodeTranslations, hash, type Kept } from "./format.ts";
import type { Entry } from "./library.ts";

/** Runs in a row without a use for a translation, before it isn't kept. */
const MOST_RUNS = 8;
/** Most that are kept of a guest: half of the regions that there may be. */
const MOST = 4096;
/** Most bytes of their code. */
const MOST_BYTES = 16 << 20;

/** Where they are kept. */
export interface TranslationStore extends HostCache {
  /** Something that a reader of the log may want to know. */
  say(text: string): void;
}

/** Those of one guest, which is known by the first page that executes. */
export class Keeper {
  #key: string | undefined;

  /** @param kind everything that code depends on beside the guest's instructions */
  constructor(readonly store: TranslationStore, readonly kind: string) {}

  /** False until {@linkcode load}. */
  get isOpen(): boolean {
    return this.#key !== undefined;
  }

  /** What was kept; `page`: the words of the first page. */
  load(page: Uint32Array): readonly Kept[] {
    const key = this.#key = `${this.kind} ${hash(page).join(" ")}`;
    const bytes = this.store.read(key);
    if (bytes === undefined) return [];
    const kept = decodeTranslations(key, bytes);
    if (kept === undefined) this.store.say("the kept translations are damaged or another engine's: ignored");
    return kept?.slice(0, MOST) ?? [];
  }

  /** Keeps what is worth it, the latest first. `isNew`: something isn't as it was loaded. */
  save(entries: readonly Entry[], isNew: boolean): void {
    if (this.#key === undefined || !(isNew || entries.some(({ isUsed }) => !isUsed))) return;
    const kept: Kept[] = [];
    const known = new Set<string>();
    let room = MOST_BYTES;
    for (const { translation, age, isUsed } of entries.toSorted((a, b) => a.age - b.age || +b.isUsed - +a.isUsed)) {
      const runs = isUsed ? 0 : age + 1;
      const same = `${translation.head} ${hash(translation.words).join(" ")} ${translation.words.length}`;
      if (runs > MOST_RUNS || known.has(same) || kept.length >= MOST || translation.code.body.length > room) continue;
      known.add(same);
      room -= translation.code.body.length;
      kept.push({ translation, age: runs });
    }
    if (kept.length > 0 || entries.length > 0) this.store.write(this.#key, encodeTranslations(this.#key, kept));
  }
}
