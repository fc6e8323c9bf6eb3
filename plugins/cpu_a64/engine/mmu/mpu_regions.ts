/** The regions of one memory protection unit, and which of them an address meets. Arm DDI 0600, "Protected Memory System Architecture". */

/** What {@linkcode MpuRegions.find} says beside a region's number. */
export const NO_REGION = -1;
export const OVERLAP = -2;

/** Bytes of a region: PRBAR and PRLAR, 64 bits each. */
export const REGION_BYTES = 16;
/** PRLAR.EN. */
export const ENABLED = 1;
/** log2 of the granule that regions consist of. */
export const GRANULE_BITS = 6;

const TWO_32 = 0x1_0000_0000;

/** Regions in the shared memory, and a sorted list of what they make of the address space, built anew after each change. */
export class MpuRegions {
  /** The part of the address space that `find` found: [start, end). The same answer holds for all of it. */
  start = 0;
  end = 0;

  /** Where each part starts, whose it is; the last one has no end. */
  readonly #starts: Float64Array;
  readonly #owners: Int16Array;
  #parts = 0;

  /** @param first index in `words` of region 0's PRBAR; @param count at most 255 */
  constructor(private readonly words: () => Uint32Array, private readonly first: number, readonly count: number) {
    this.#starts = new Float64Array(2 * count + 1);
    this.#owners = new Int16Array(2 * count + 1);
  }

  /** Index in the shared memory of a region's PRBAR; PRLAR follows. */
  index(region: number): number {
    return this.first + region * (REGION_BYTES / 4);
  }

  /** Owed to every change of a region. */
  changed(): void {
    this.#parts = 0;
  }

  /** The region that holds an address of at most 48 bits; {@linkcode NO_REGION} or {@linkcode OVERLAP}. */
  find(address: number): number {
    if (this.#parts === 0) this.#build();
    const starts = this.#starts;
    let low = 0, high = this.#parts;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (starts[middle] <= address) low = middle;
      else high = middle;
    }
    this.start = starts[low];
    this.end = low + 1 < this.#parts ? starts[low + 1] : Infinity;
    return this.#owners[low];
  }

  #build(): void {
    const words = this.words();
    const edges: { readonly at: number; readonly step: 1 | -1; readonly region: number }[] = [];
    for (let region = 0; region < this.count; region++) {
      const i = this.index(region);
      if ((words[i + 2] & ENABLED) === 0) continue;
      const base = (words[i + 1] & 0xffff) * TWO_32 + ((words[i] & -64) >>> 0);
      const end = (words[i + 3] & 0xffff) * TWO_32 + ((words[i + 2] & -64) >>> 0) + 64;
      if (base < end) edges.push({ at: base, step: 1, region }, { at: end, step: -1, region });
    }
    edges.sort((a, b) => a.at - b.at);
    let parts = 0, depth = 0, sum = 0;
    this.#starts[0] = 0;
    for (let i = 0; i < edges.length; i++) {
      const { at, step, region } = edges[i];
      if (at > this.#starts[parts]) this.#starts[++parts] = at;
      depth += step;
      sum += step * region;
      this.#owners[parts] = depth === 0 ? NO_REGION : depth === 1 ? sum : OVERLAP;
    }
    if (edges.length === 0 || edges[0].at > 0) this.#owners[0] = NO_REGION;
    this.#parts = parts + 1;
  }
}

/** log2 of the largest aligned block of 1 GiB, 2 MiB, 4 KiB or 64 bytes around an address that lies within [start, end). */
export function alignedBits(address: number, start: number, end: number): number {
  for (const bits of [30, 21, 12]) {
    const size = 2 ** bits;
    const base = address - address % size;
    if (base >= start && base + size <= end) return bits;
  }
  return GRANULE_BITS;
}
