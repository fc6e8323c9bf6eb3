/**
 * Registers that GICD and the SGI frame of GICR have in common: one bit, two bits or a byte for each INTID, at the same offsets. Arm IHI
 * 0069, "The Distributor register map", "The Redistributor register map".
 */
import { PRIORITY_MASK } from "./vgic.ts";
import type { Vgic } from "./vgic.ts";
import { wordIndex } from "./state.ts";

/** A register with one bit per INTID, 32 words of 32. */
interface BitBank {
  read(gic: Vgic, v: number, word: number): number;
  write(gic: Vgic, v: number, word: number, value: number): void;
}

/** By offset / 0x80. */
const bitBanks: Readonly<Record<number, BitBank>> = {
  // IGROUPR
  0x1: {
    read: ({ state }, v, word) => state.group[wordIndex(state, v, word)],
    write(gic, v, word, value) {
      gic.state.group[wordIndex(gic.state, v, word)] = value;
      gic.refreshAll();
    },
  },
  // ISENABLER
  0x2: {
    read: ({ state }, v, word) => state.enable[wordIndex(state, v, word)],
    write(gic, v, word, value) {
      gic.state.enable[wordIndex(gic.state, v, word)] |= value;
      gic.refreshAll();
    },
  },
  // ICENABLER
  0x3: {
    read: ({ state }, v, word) => state.enable[wordIndex(state, v, word)],
    write(gic, v, word, value) {
      gic.state.enable[wordIndex(gic.state, v, word)] &= ~value;
      gic.refreshAll();
    },
  },
  // ISPENDR
  0x4: {
    read: (gic, v, word) => gic.pendingBits(v, word),
    write: (gic, v, word, value) => gic.setLatch(v, word, value, true),
  },
  // ICPENDR
  0x5: {
    read: (gic, v, word) => gic.pendingBits(v, word),
    write: (gic, v, word, value) => gic.setLatch(v, word, value, false),
  },
  // ISACTIVER
  0x6: {
    read: (gic, v, word) => gic.activeBits(v, word),
    write: (gic, v, word, value) => gic.setActive(v, word, value, true),
  },
  // ICACTIVER
  0x7: {
    read: (gic, v, word) => gic.activeBits(v, word),
    write: (gic, v, word, value) => gic.setActive(v, word, value, false),
  },
};

const PRIORITY = 0x400;
const PRIORITY_END = 0x800;
const CONFIGURATION = 0xc00;
const CONFIGURATION_END = 0xd00;

/** Which words of INTIDs a frame shows. */
export type Shown = (word: number) => boolean;

/** Reads 32 bits at an aligned offset; 0 for what the frame doesn't show. */
export function readBank(gic: Vgic, v: number, offset: number, shows: Shown): number {
  const bits = bitBanks[offset >>> 7];
  if (bits) {
    const word = offset >>> 2 & 31;
    return shows(word) ? bits.read(gic, v, word) >>> 0 : 0;
  }
  if (offset >= PRIORITY && offset < PRIORITY_END) {
    return (readPriority(gic, v, offset, shows) | readPriority(gic, v, offset + 1, shows) << 8 |
      readPriority(gic, v, offset + 2, shows) << 16 | readPriority(gic, v, offset + 3, shows) << 24) >>> 0;
  }
  if (offset >= CONFIGURATION && offset < CONFIGURATION_END) {
    const first = (offset - CONFIGURATION) * 4;
    if (!shows(first >>> 5)) return 0;
    const edges = gic.state.edge[wordIndex(gic.state, v, first >>> 5)] >>> (first & 16);
    let value = 0;
    for (let n = 0; n < 16; n++) if ((edges >>> n & 1) !== 0) value |= 2 << 2 * n;
    return value >>> 0;
  }
  return 0;
}

/** Writes 32 bits at an aligned offset; ignored where the frame shows nothing. */
export function writeBank(gic: Vgic, v: number, offset: number, value: number, shows: Shown): void {
  const bits = bitBanks[offset >>> 7];
  if (bits) {
    const word = offset >>> 2 & 31;
    if (shows(word)) bits.write(gic, v, word, value);
    return;
  }
  if (offset >= PRIORITY && offset < PRIORITY_END) {
    for (let n = 0; n < 4; n++) setPriority(gic, v, offset + n, value >>> 8 * n, shows);
    gic.refreshAll();
    return;
  }
  if (offset < CONFIGURATION || offset >= CONFIGURATION_END) return;
  const first = (offset - CONFIGURATION) * 4;
  // SGIs are edges and PPIs are levels, for ever.
  if (first < 32 || !shows(first >>> 5)) return;
  let edges = 0;
  for (let n = 0; n < 16; n++) if ((value >>> 2 * n & 2) !== 0) edges |= 1 << n;
  const w = wordIndex(gic.state, v, first >>> 5);
  gic.state.edge[w] = gic.state.edge[w] & ~(0xffff << (first & 16)) | edges << (first & 16);
  gic.refreshAll();
}

/** True for offsets that take bytes. */
export function takesBytes(offset: number): boolean {
  return offset >= PRIORITY && offset < PRIORITY_END;
}

/** One byte of IPRIORITYR. */
export function readPriority(gic: Vgic, v: number, offset: number, shows: Shown): number {
  const intid = offset - PRIORITY;
  return shows(intid >>> 5) ? gic.state.priority[wordIndex(gic.state, v, intid >>> 5) * 32 + (intid & 31)] : 0;
}

/** Writes one byte of IPRIORITYR. */
export function writePriority(gic: Vgic, v: number, offset: number, value: number, shows: Shown): void {
  setPriority(gic, v, offset, value, shows);
  gic.refreshAll();
}

function setPriority(gic: Vgic, v: number, offset: number, value: number, shows: Shown): void {
  const intid = offset - PRIORITY;
  if (shows(intid >>> 5)) gic.state.priority[wordIndex(gic.state, v, intid >>> 5) * 32 + (intid & 31)] = value & PRIORITY_MASK;
}
