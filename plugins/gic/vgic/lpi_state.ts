/**
 * State of a domain's LPIs, plain data: INTIDs from 8192, 16 bits. `lpi` is an INTID less 8192. What is pending and enabled is kept by
 * priority as well, so that the first by priority are found without looking at the others.
 */

/** The first INTID. */
export const FIRST_LPI = 8192;
/** LPIs that 16 bits of INTID have room for. */
export const LPIS = 65536 - FIRST_LPI;
/** Words of a bitmap of all LPIs, and words of a bitmap of those words. */
export const WORDS = LPIS / 32;
const SUMMARY = WORDS / 32;
/** Priorities that the GIC tells apart: 5 bits. */
export const LEVELS = 32;
const LEVEL_SHIFT = 3;

/** What there is of LPIs. */
export interface LpiState {
  /** By vCPU: GICR_CTLR.EnableLPIs; GICR_PROPBASER and GICR_PENDBASER as written, two words each. */
  enabled: Uint8Array;
  properties: Uint32Array;
  pendings: Uint32Array;
  /** By vCPU: which of its tables are still to be read, at {@linkcode LpiState.loadAtNs}. */
  loading: Uint8Array;
  /** By vCPU: virtual time before which its tables aren't read again. */
  loadAtNs: number[];
  /** Configuration as read last, by LPI: priority in bits 7 to 2, enable in bit 0. All redistributors share one table. */
  config: Uint8Array;
  /** By vCPU × {@linkcode WORDS}: pending, and pending again while it ran. */
  pending: Uint32Array;
  late: Uint32Array;
  /** By vCPU: which bits of `late` are worth a look. */
  lateList: number[][];
  /** By vCPU × {@linkcode LEVELS}: bitmap of what is pending and enabled; absent while never needed. */
  ready: (Uint32Array | undefined)[];
  /** By vCPU × {@linkcode LEVELS} × SUMMARY: words of `ready` that aren't zero. */
  summary: Uint32Array;
  /** By vCPU: levels that aren't empty. */
  levels: Uint32Array;
}

/** Reset state for a number of vCPUs. */
export function createLpiState(vcpus: number): LpiState {
  return {
    enabled: new Uint8Array(vcpus),
    properties: new Uint32Array(2 * vcpus),
    pendings: new Uint32Array(2 * vcpus),
    loading: new Uint8Array(vcpus),
    loadAtNs: new Array<number>(vcpus).fill(0),
    config: new Uint8Array(LPIS),
    pending: new Uint32Array(vcpus * WORDS),
    late: new Uint32Array(vcpus * WORDS),
    lateList: Array.from({ length: vcpus }, () => []),
    ready: new Array<Uint32Array | undefined>(vcpus * LEVELS).fill(undefined),
    summary: new Uint32Array(vcpus * LEVELS * SUMMARY),
    levels: new Uint32Array(vcpus),
  };
}

/** Notes that an LPI with this configuration is pending for a vCPU. Nothing when it isn't enabled. */
export function addReady(state: LpiState, v: number, lpi: number, config: number): void {
  if ((config & 1) === 0) return;
  const level = config >>> LEVEL_SHIFT;
  const index = v * LEVELS + level;
  const words = state.ready[index] ??= new Uint32Array(WORDS);
  const word = lpi >>> 5;
  words[word] |= 1 << (lpi & 31);
  state.summary[index * SUMMARY + (word >>> 5)] |= 1 << (word & 31);
  state.levels[v] |= 1 << level;
}

/** Takes that back. */
export function removeReady(state: LpiState, v: number, lpi: number, config: number): void {
  const level = config >>> LEVEL_SHIFT;
  const index = v * LEVELS + level;
  const words = state.ready[index];
  if (words === undefined) return;
  const word = lpi >>> 5;
  words[word] &= ~(1 << (lpi & 31));
  if (words[word] !== 0) return;
  const first = index * SUMMARY;
  state.summary[first + (word >>> 5)] &= ~(1 << (word & 31));
  for (let n = 0; n < SUMMARY; n++) if (state.summary[first + n] !== 0) return;
  state.levels[v] &= ~(1 << level);
}

/** Forgets what is pending for a vCPU. */
export function clearPending(state: LpiState, v: number): void {
  state.pending.fill(0, v * WORDS, (v + 1) * WORDS);
  state.late.fill(0, v * WORDS, (v + 1) * WORDS);
  state.lateList[v].length = 0;
  for (let level = 0; level < LEVELS; level++) {
    if ((state.levels[v] >>> level & 1) !== 0) state.ready[v * LEVELS + level]?.fill(0);
  }
  state.summary.fill(0, v * LEVELS * SUMMARY, (v + 1) * LEVELS * SUMMARY);
  state.levels[v] = 0;
}

/** Visits what is pending and enabled for a vCPU, by priority and then by INTID, `most` of them. */
export function forEachReady(state: LpiState, v: number, most: number, visit: (lpi: number, priority: number) => void): void {
  let left = most;
  for (let levels = state.levels[v]; levels !== 0; levels &= levels - 1) {
    const level = lowestBit(levels);
    const index = v * LEVELS + level;
    const words = state.ready[index]!;
    for (let n = 0; n < SUMMARY; n++) {
      for (let rest = state.summary[index * SUMMARY + n]; rest !== 0; rest &= rest - 1) {
        const word = n << 5 | lowestBit(rest);
        for (let bits = words[word]; bits !== 0; bits &= bits - 1) {
          visit(word << 5 | lowestBit(bits), level << LEVEL_SHIFT);
          if (--left === 0) return;
        }
      }
    }
  }
}

/** Number of the lowest set bit of a word that isn't zero. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
