/**
 * Memory attributes. Everywhere in the walker an attribute is a byte in MAIR_ELx's
 * format: 0b0000dd00 Device, otherwise outer cacheability in [7:4] and inner in [3:0].
 * Arm ARM DDI 0487, "MAIR_EL1" and "Combining stage 1 and stage 2 memory type attributes".
 */

export const NORMAL_NON_CACHEABLE = 0x44;
/** Read-allocate only: what instruction fetches get with stage 1 off and SCTLR_ELx.I set. */
export const NORMAL_WRITE_THROUGH = 0xaa;
export const NORMAL_WRITE_BACK = 0xff;
export const OUTER_SHAREABLE = 2;

/** True for the four Device types. */
export function isDevice(attributes: number): boolean {
  return attributes < 0x10;
}

/**
 * An attribute byte of MAIR_ELx. Reserved values act as an allocated one, which the
 * architecture leaves open: Device with its low bits dropped, or Normal Non-cacheable.
 */
export function decodeMair(attribute: number): number {
  if (attribute < 0x10) return attribute & 0x0c;
  return (attribute & 0x0f) === 0 ? NORMAL_NON_CACHEABLE : attribute;
}

/** Shareability of a descriptor: Device and Normal Non-cacheable are always outer shareable; 0b01 is reserved and acts as 0b00. */
export function effectiveShareability(attributes: number, sh: number): number {
  if (attributes < 0x10 || attributes === NORMAL_NON_CACHEABLE) return OUTER_SHAREABLE;
  return sh === 1 ? 0 : sh;
}

/** One cacheability of stage 2 as a MAIR nibble; 0 is reserved and acts as Non-cacheable. */
function stage2Nibble(cacheability: number): number {
  if (cacheability === 2) return 0xb;
  return cacheability === 3 ? 0xf : 0x4;
}

/** MemAttr[3:0] of a stage 2 descriptor without FEAT_S2FWB, as a MAIR byte. `nonCacheable`: HCR_EL2.CD or ID applies. */
export function decodeStage2(memAttr: number, nonCacheable: boolean): number {
  if (memAttr < 4) return memAttr << 2;
  if (nonCacheable) return NORMAL_NON_CACHEABLE;
  return (stage2Nibble(memAttr >> 2) << 4) | stage2Nibble(memAttr & 3);
}

/** Stage 2 alone makes the memory Device. */
export function stage2IsDevice(memAttr: number, forced: boolean): boolean {
  return forced ? (memAttr & 7) < 5 : memAttr < 4;
}

/** Non-cacheable beats Write-Through beats Write-Back; allocation hints and the transient bit are stage 1's. */
function combineNibble(stage1: number, stage2: number): number {
  if (stage1 === 4 || stage2 === 4) return 4;
  return stage2 === 0xb ? stage1 & ~4 : stage1;
}

/** Combines both stages, HCR_EL2.FWB clear. */
export function combine(stage1: number, stage2: number): number {
  if (stage1 < 0x10) return stage2 < 0x10 && stage2 < stage1 ? stage2 : stage1;
  if (stage2 < 0x10) return stage2;
  return (combineNibble(stage1 >> 4, stage2 >> 4) << 4) | combineNibble(stage1 & 15, stage2 & 15);
}

/** Write-Back with stage 1's hints, or Read- and Write-Allocate where stage 1 has none. */
function forceWriteBack(nibble: number): number {
  return nibble === 4 ? 0xf : nibble | 4;
}

/** Combines stage 1 with MemAttr[2:0], HCR_EL2.FWB set. Reserved values act as Device-nGnRnE. */
export function combineForced(stage1: number, memAttr: number): number {
  switch (memAttr & 7) {
    case 7:
      return stage1;
    case 6:
      return stage1 < 0x10 ? NORMAL_WRITE_BACK : (forceWriteBack(stage1 >> 4) << 4) | forceWriteBack(stage1 & 15);
    case 5:
      return stage1 < 0x10 ? stage1 : NORMAL_NON_CACHEABLE;
    case 4:
      return 0;
    default:
      return (memAttr & 3) << 2;
  }
}

/** Outer beats inner beats none; Device and Non-cacheable results are outer shareable. */
export function combineShareability(stage1: number, stage2: number, attributes: number): number {
  const sh2 = stage2 === 1 ? 0 : stage2;
  const combined = stage1 === 2 || sh2 === 2 ? 2 : stage1 | sh2;
  return effectiveShareability(attributes, combined);
}
