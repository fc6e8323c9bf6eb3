/** Keeps translations from one run of a guest to the next. */
import type { HostCache } from "../../../../../core/mod.ts";
import type { CodeCache } from "../../code_cache.ts";
import { DecodedWords } from "../../decoded_words.ts";
import type { KeptHandlers } from "../../generated_code.ts";
import type { Interpreter } from "../../interpreter.ts";
import { decodeHandlers, decodeTranslations, decodeWords, encodeHandlers, encodeTranslations, encodeWords, hash } from "./format.ts";
import type { Kept, KeptModule } from "./format.ts";
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
  #handlers: KeptHandlers | undefined;

  /** @param kind everything that code depends on beside the guest's instructions */
  constructor(readonly store: TranslationStore, readonly kind: string) {}

  /** False until {@linkcode open}. */
  get isOpen(): boolean {
    return this.#key !== undefined;
  }

  /** The guest is known by the words of its first page. */
  open(page: Uint32Array): void {
    this.#key = `${this.kind} ${hash(page).join(" ")}`;
  }

  /** Translations that were kept. */
  load(): KeptModule | undefined {
    return this.#read(this.#key!, decodeTranslations);
  }

  /** What it was kept for the interpreter, as {@linkcode saveDecoding} saved it. */
  loadDecoding(code: CodeCache, interpreter: Interpreter): void {
    const handlers = this.#handlers = this.#read(`${this.#key} handlers`, decodeHandlers);
    try {
      if (handlers) interpreter.adopt(handlers);
    } catch (error) {
      this.store.say(`the kept handlers are refused: ${(error as Error).message}`);
    }
    code.remembered = new DecodedWords(this.#read(`${this.#key} words`, decodeWords), (word) => code.handlerOf(word));
  }

  /** Keeps decoded words and the interpreter's handlers. */
  saveDecoding(code: CodeCache, interpreter: Interpreter): void {
    const words = `${this.#key} words`, handlers = `${this.#key} handlers`;
    if (code.remembered?.isNew) this.store.write(words, encodeWords(words, code.remembered.all));
    const kept = interpreter.keptHandlers(this.#handlers);
    if (kept) this.store.write(handlers, encodeHandlers(handlers, kept));
  }

  #read<T>(key: string, decode: (key: string, bytes: Uint8Array) => T | undefined): T | undefined {
    const bytes = this.store.read(key);
    const kept = bytes && decode(key, bytes);
    if (bytes && kept === undefined) this.store.say("what is kept of earlier runs is damaged or another engine's: ignored");
    return kept;
  }

  /** Keeps what is worth it, the latest first. `isNew`: something isn't as it was loaded. `moduleOf` makes a module, with their code at its end. */
  save(entries: readonly Entry[], isNew: boolean, moduleOf: (kept: readonly Kept[]) => Uint8Array<ArrayBuffer>): void {
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
    if (kept.length > 0 || entries.length > 0) this.store.write(this.#key, encodeTranslations(this.#key, { kept, module: moduleOf(kept) }));
  }
}
