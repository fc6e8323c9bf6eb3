/** Deterministic random bytes: xoshiro128** with a seed that derives from the board's seed and the owner's name. Not for secrets. */

/** State of a generator: plain data. */
export interface RandomState {
  a: number;
  b: number;
  c: number;
  d: number;
}

/** SplitMix32: spreads a seed over a state. */
function splitMix(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/** A generator's first state. Two owners get unrelated sequences from one seed. */
export function randomState(seed: number, owner: string): RandomState {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(owner)) hash = Math.imul(hash ^ byte, 0x01000193);
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  const next = splitMix((seed >>> 0) ^ Math.imul(high, 0x85ebca6b) ^ hash);
  return { a: next() | 1, b: next(), c: next(), d: next() };
}

/** The next 32 bits. */
export function nextRandom(state: RandomState): number {
  const product = Math.imul(state.b, 5);
  const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
  const t = state.b << 9;
  state.c ^= state.a;
  state.d ^= state.b;
  state.b ^= state.c;
  state.a ^= state.d;
  state.c ^= t;
  state.d = (state.d << 11) | (state.d >>> 21);
  return result;
}

/** The next bytes. */
export function randomBytes(state: RandomState, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 4) {
    const word = nextRandom(state);
    for (let i = 0; i < 4 && at + i < count; i++) bytes[at + i] = word >>> (8 * i);
  }
  return bytes;
}
