/**
 * The EL2 MPU as second stage of EL1&0. Its answers have the shape of stage 2 descriptors, so that rights, attributes
 * and faults are decided where those of tables are. Arm DDI 0600, "EL2 MPU".
 */
import { decodeMair } from "./attributes.ts";
import type { MmuEnvironment, RegisterIndices } from "./environment.ts";
import { TRANSLATION } from "./faults.ts";
import type { Mpu } from "./mpu.ts";
import { alignedBits } from "./mpu_regions.ts";
import type { SecondStage } from "./stage2.ts";

const CACHE_SIZE = 1024;
/** Slot for pages that don't lie in one region, which are never remembered. */
const PARTIAL = CACHE_SIZE;
const NOTHING = -1;
/** VTCR_EL2.VS. */
const VS = 1 << 19;

/** Looks IPAs up in the EL2 MPU's regions, and remembers pages that lie in one region. */
export class MpuStage2 implements SecondStage {
  readonly frameHi: Int32Array = new Int32Array(CACHE_SIZE + 1);
  readonly frameLo: Int32Array = new Int32Array(CACHE_SIZE + 1);
  readonly host: Int32Array = new Int32Array(CACHE_SIZE + 1);
  readonly leafAddress: Float64Array = new Float64Array(CACHE_SIZE + 1);
  readonly leafLo: Int32Array = new Int32Array(CACHE_SIZE + 1);
  readonly leafHi: Int32Array = new Int32Array(CACHE_SIZE + 1);
  readonly level: Uint8Array = new Uint8Array(CACHE_SIZE + 1);
  readonly sizeBits: Uint8Array = new Uint8Array(CACHE_SIZE + 1);
  from = 0;
  to = 4096;

  readonly #pages = new Float64Array(CACHE_SIZE).fill(NOTHING);
  readonly #vsctlr: number;
  #generation = -1;

  constructor(private readonly env: MmuEnvironment, private readonly registers: RegisterIndices, private readonly mpu: Mpu) {
    this.#vsctlr = env.register("VSCTLR_EL2") / 4;
  }

  /** VSCTLR_EL2.VMID, 8 or 16 bits. */
  vmid(words: Uint32Array): number {
    const vmid = words[this.#vsctlr + 1] >>> 16;
    return words[this.registers.vtcrEl2] & VS ? vmid : vmid & 0xff;
  }

  /** Nothing to do: each change of a region is noticed by itself. */
  invalidate(): void {}

  translate(words: Uint32Array, hi: number, lo: number): number {
    if (this.#generation !== this.mpu.generation) {
      this.#generation = this.mpu.generation;
      this.#pages.fill(NOTHING);
    }
    const address = (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0);
    const page = address - address % 4096;
    const slot = ((lo >>> 12) ^ (lo >>> 22)) & (CACHE_SIZE - 1);
    if (this.#pages[slot] === page) return slot;

    const { el2 } = this.mpu;
    const region = el2.find(address);
    if (region < 0) return ~TRANSLATION;
    const bits = alignedBits(address, el2.start, el2.end);
    const isWhole = bits >= 12;
    const into = isWhole ? slot : PARTIAL;
    if (isWhole) this.#pages[slot] = page;
    this.from = Math.max(0, el2.start - page);
    this.to = Math.min(4096, el2.end - page);
    const at = el2.index(region);
    const bar = words[at], lar = words[at + 2];
    this.frameHi[into] = hi;
    this.frameLo[into] = lo & -4096;
    const host = this.env.ramOffset(page);
    this.host[into] = host < 0 ? -1 : host / 4096;
    this.leafLo[into] = stage2Low(bar, attributeOf(words, this.registers.mairEl2, lar));
    this.leafHi[into] = stage2High(bar);
    this.sizeBits[into] = bits;
    return into;
  }
}

/** The attribute that PRLAR.AttrIndx chooses from MAIR_ELx, decoded. */
export function attributeOf(words: Uint32Array, mair: number, lar: number): number {
  const index = (lar >>> 1) & 7;
  return decodeMair((words[mair + (index >>> 2)] >>> ((index & 3) * 8)) & 0xff);
}

/** S2AP, MemAttr and SH. AP[0] is what lets EL1 and EL0 in, AP[1] what keeps everybody from writing. */
function stage2Low(bar: number, attributes: number): number {
  const ap = (bar >>> 2) & 3;
  const rights = (ap & 1) === 0 ? 0 : (ap & 2) === 0 ? 3 : 1;
  return (rights << 6) | (memAttr(attributes) << 2) | (((bar >>> 4) & 3) << 8);
}

/** XN[1:0], which say never where EL1 and EL0 have no access. */
function stage2High(bar: number): number {
  return (bar & 4) === 0 ? 2 << 21 : (bar & 3) << 21;
}

/** A MAIR byte as MemAttr[3:0]: allocation hints are stage 1's. */
function memAttr(attributes: number): number {
  if (attributes < 0x10) return attributes >> 2;
  return (cacheability(attributes >> 4) << 2) | cacheability(attributes & 15);
}

/** 1 Non-cacheable, 2 Write-Through, 3 Write-Back. */
function cacheability(nibble: number): number {
  if (nibble === 4) return 1;
  return (nibble & 4) === 0 ? 2 : 3;
}
