/** Finds the declaration of a word. Derived from the bit pictures. */
import type { Declaration, Feature, Raw } from "./dsl.ts";

/** A decoded word. */
export interface Decoded {
  readonly declaration: Declaration;
  /** Position in the list that the decoder was made from. */
  readonly index: number;
  readonly fields: Raw<string>;
}

/** Bits 31:21 choose a bucket: they tell most encodings apart. */
const SHIFT = 21;

/** A power of two. */
const RECENT = 4096;

/** A decoder for a list of declarations and a set of features. */
export class Decoder {
  readonly #buckets: (readonly number[] | undefined)[];
  /** Words that were decoded last, by some of their bits. */
  readonly #recent: (Decoded | undefined)[] = new Array(RECENT).fill(undefined);

  constructor(readonly declarations: readonly Declaration[], readonly features: ReadonlySet<Feature>) {
    const buckets: number[][] = [];
    declarations.forEach((declaration, index) => {
      const free = ~declaration.mask >>> SHIFT;
      const base = declaration.value >>> SHIFT;
      // Counts through all subsets of the free bits.
      let subset = 0;
      do {
        (buckets[base | subset] ??= []).push(index);
        subset = (subset - free) & free;
      } while (subset !== 0);
    });
    this.#buckets = buckets;
  }

  /** The declaration that covers a word, or `undefined`: UNDEFINED on this CPU. */
  decode(word: number): Decoded | undefined {
    const place = (word ^ word >>> 12) & (RECENT - 1);
    const recent = this.#recent[place];
    if (recent?.fields.word === word >>> 0) return recent;
    return this.#recent[place] = this.#find(word);
  }

  #find(word: number): Decoded | undefined {
    for (const index of this.#buckets[word >>> SHIFT] ?? []) {
      const declaration = this.declarations[index];
      if (((word & declaration.mask) >>> 0) !== declaration.value) continue;
      const fields = declaration.fieldsOf(word);
      if (declaration.when && !declaration.when(fields)) continue;
      const { feature } = declaration;
      const needed = typeof feature === "function" ? feature(fields) : feature;
      if (needed !== undefined && !this.features.has(needed)) continue;
      return { declaration, index, fields };
    }
    return undefined;
  }

  /** Assembler text of a word; `.inst` for what isn't declared. With the address that it is at, what is relative to it is an address too. */
  disassemble(word: number, at?: bigint): string {
    const found = this.decode(word);
    return found ? found.declaration.asm(found.fields, at) : `.inst 0x${(word >>> 0).toString(16).padStart(8, "0")}`;
  }
}
