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

/** What a vCPU's regions make of the address space, in order. */
class Parts {
  /** 0: to be built. */
  count = 0;
  /** Where each part starts, and whose it is; the last one has no end. */
  readonly starts: Float64Array;
  readonly owners: Int16Array;

  constructor(regions: number) {
    this.starts = new Float64Array(2 * regions + 1);
    this.owners = new Int16Array(2 * regions + 1);
  }
}

/** Regions in the shared memory, those of one vCPU at a time, and for each vCPU the parts that they make, built anew after a change. */
export class MpuRegions {
  /** The part of the address space that `find` found: [start, end). The same answer holds for all of it. */
  start = 0;
  end = 0;

  readonly #byVcpu = new Map<number, Parts>();
  #parts: Parts;

  /** @param first index in `words` of region 0's PRBAR; @param count at most 255 */
  constructor(private readonly words: () => Uint32Array, private readonly first: number, readonly count: number) {
    this.#parts = new Parts(count);
  }

  /** Index in the shared memory of a region's PRBAR; PRLAR follows. */
  index(region: number): number {
    return this.first + region * (REGION_BYTES / 4);
  }

  /** Where the regions are in the shared memory, in bytes. */
  get address(): number {
    return this.first * 4;
  }

  /** How many they take. */
  get bytes(): number {
    return this.count * REGION_BYTES;
  }

  /** Owed to every change of a region. */
  changed(): void {
    this.#parts.count = 0;
  }

  /** Another vCPU's regions are in the shared memory, as they were when it left. */
  select(vcpu: number): void {
    const found = this.#byVcpu.get(vcpu);
    if (found) this.#parts = found;
    else this.#byVcpu.set(vcpu, this.#parts = new Parts(this.count));
  }

  /** The region that holds an address of at most 48 bits; {@linkcode NO_REGION} or {@linkcode OVERLAP}. */
  find(address: number): number {
    if (this.#parts.count === 0) this.#build(this.#parts);
    const { starts, owners, count } = this.#parts;
    let low = 0, high = count;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (starts[middle] <= address) low = middle;
      else high = middle;
    }
    this.start = starts[low];
    this.end = low + 1 < count ? starts[low + 1] : Infinity;
    return owners[low];
  }

  #build(parts: Parts): void {
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
    const { starts, owners } = parts;
    let last = 0, depth = 0, sum = 0;
    starts[0] = 0;
    owners[0] = NO_REGION;
    for (const { at, step, region } of edges) {
      if (at > starts[last]) starts[++last] = at;
      depth += step;
      sum += step * region;
      owners[last] = depth === 0 ? NO_REGION : depth === 1 ? sum : OVERLAP;
    }
    parts.count = last + 1;
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
