/** Reproducible random numbers: the same seed gives the same cases on every machine. */

/** Another one makes other cases of every test that has random ones. */
export const SEED = Deno.env.get("PLUGBOARD_SEED") ?? "1";

/** A small fast generator (sfc32) over 32-bit integers. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Equal names give equal sequences where {@linkcode SEED} is the same. */
  constructor(name: string) {
    const seed = `${SEED} ${name}`;
    this.#a = hash(seed, 0x9e3779b9);
    this.#b = hash(seed, 0x243f6a88);
    this.#c = hash(seed, 0xb7e15162);
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** 32 random bits, unsigned. */
  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21 | this.#c >>> 11) + sum) | 0;
    return sum >>> 0;
  }

  u64(): bigint {
    return BigInt(this.u32()) << 32n | BigInt(this.u32());
  }

  /** 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.u32() / 2 ** 32 * limit);
  }

  /** True with the probability. */
  chance(probability: number): boolean {
    return this.u32() < probability * 2 ** 32;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }
}

/** Numbers from 0 to a limit, without it, as {@linkcode Random.below} gives them. */
export function randomBelow(name: string): (limit: number) => number {
  const random = new Random(name);
  return (limit) => random.below(limit);
}

/** FNV-1a with a final mix. */
function hash(text: string, basis: number): number {
  let h = basis | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
