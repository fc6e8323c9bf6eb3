/** Seeds for the guest, derived from the board's: the same board gives the same tree, whether built to boot or to print. */

/** `count` bytes that depend on nothing but `label`. Not for secrets: a simulation repeats itself on purpose. */
export function seedBytes(label: string, count: number): Uint8Array {
  // FNV-1a over the label, then SplitMix64: public-domain constructions, 64 bits wide.
  let state = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(label)) state = BigInt.asUintN(64, (state ^ BigInt(byte)) * 0x100000001b3n);
  const bytes = new Uint8Array(Math.ceil(count / 8) * 8);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < count; at += 8) {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let mixed = BigInt.asUintN(64, (state ^ state >> 30n) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ mixed >> 27n) * 0x94d049bb133111ebn);
    view.setBigUint64(at, mixed ^ mixed >> 31n);
  }
  return bytes.slice(0, count);
}
