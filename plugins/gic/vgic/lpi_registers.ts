/**
 * Registers of RD_base that are about LPIs. Arm IHI 0069, "GICR_CTLR", "GICR_PROPBASER", "GICR_PENDBASER", "GICR_SETLPIR", "GICR_CLRLPIR",
 * "GICR_INVLPIR", "GICR_INVALLR", "GICR_SYNCR".
 */
import { FIRST_LPI, LPIS } from "./lpi_state.ts";
import type { LpiState } from "./lpi_state.ts";

/** What the registers act on. */
export interface LpiControls {
  readonly state: LpiState;
  isEnabled(v: number): boolean;
  enable(v: number, enable: boolean): void;
  isBusy(v: number): boolean;
  requestLoad(v: number, pendingToo: boolean): void;
  pend(v: number, intid: number): void;
  clear(v: number, intid: number): void;
  invalidate(v: number, intid: number): void;
}

const CTLR = 0x0;
const SETLPIR = 0x40;
const CLRLPIR = 0x48;
const PROPBASER = 0x70;
const PENDBASER = 0x78;
const INVLPIR = 0xa0;
const INVALLR = 0xb0;
const SYNCR = 0xc0;

/** GICR_CTLR: EnableLPIs may be cleared (CES), and there are INVLPIR, INVALLR and SYNCR (IR). RWP is never seen set. */
const CTLR_FIXED = 1 << 1 | 1 << 2;
/** GICR_PROPBASER: addresses, cacheability, shareability, IDbits. */
const PROPBASER_LOW = 0xffff_ff9f;
const PROPBASER_HIGH = 0x070f_ffff;
/** GICR_PENDBASER: the same without IDbits, the address a multiple of 64 KiB, and PTZ, which reads as zero. */
const PENDBASER_LOW = 0xffff_0f80;
const PENDBASER_HIGH = 0x470f_ffff;
const PENDBASER_HIGH_READ = 0x070f_ffff;

/** GICR_TYPER: PLPIS, and DirectLPI. */
export const LPI_TYPER = 1 << 0 | 1 << 3;

/** Reads 32 bits. */
export function readLpiRegister(lpis: LpiControls, v: number, offset: number): number {
  const { properties, pendings } = lpis.state;
  switch (offset) {
    case CTLR:
      return CTLR_FIXED | (lpis.isEnabled(v) ? 1 : 0);
    case PROPBASER:
    case PROPBASER + 4:
      return properties[2 * v + (offset >>> 2 & 1)];
    case PENDBASER:
      return pendings[2 * v];
    case PENDBASER + 4:
      return pendings[2 * v + 1] & PENDBASER_HIGH_READ;
    case SYNCR:
      return lpis.isBusy(v) ? 1 : 0;
  }
  return 0;
}

/** Writes 32 bits. */
export function writeLpiRegister(lpis: LpiControls, v: number, offset: number, value: number): void {
  const { properties, pendings } = lpis.state;
  switch (offset) {
    case CTLR:
      return lpis.enable(v, (value & 1) !== 0);
    case SETLPIR:
      return lpis.pend(v, value);
    case CLRLPIR:
      return lpis.clear(v, value);
    case INVLPIR:
      return lpis.invalidate(v, value);
    case INVALLR:
      return lpis.requestLoad(v, false);
  }
  // UNPREDICTABLE while LPIs are enabled: ignored.
  if (lpis.isEnabled(v)) return;
  switch (offset) {
    case PROPBASER:
      properties[2 * v] = value & PROPBASER_LOW;
      break;
    case PROPBASER + 4:
      properties[2 * v + 1] = value & PROPBASER_HIGH;
      break;
    case PENDBASER:
      pendings[2 * v] = value & PENDBASER_LOW;
      break;
    case PENDBASER + 4:
      pendings[2 * v + 1] = value & PENDBASER_HIGH;
  }
}

/** GICD_TYPER: LPIS, and 16 bits of INTID. */
export const LPI_DISTRIBUTOR_TYPER = 1 << 17 | (Math.log2(FIRST_LPI + LPIS) - 1) << 19;
