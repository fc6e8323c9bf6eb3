/**
 * FPCR's controls, unpacked, and FPSR's cumulative flags: what every operation
 * reads and raises.
 *
 * Arm ARM DDI 0487, "FPCR, Floating-point Control Register", "FPSR, Floating-point Status Register".
 * Trapped exceptions (FPCR.IOE and so on) and FEAT_AFP are not implemented, so those bits are ignored.
 */

import { F16, type Format } from "./format.ts";

/** FPSR's cumulative exception bits. */
export const FpsrFlag = {
  /** Invalid operation. */
  IOC: 1 << 0,
  /** Division by zero. */
  DZC: 1 << 1,
  /** Overflow. */
  OFC: 1 << 2,
  /** Underflow. */
  UFC: 1 << 3,
  /** Inexact. */
  IXC: 1 << 4,
  /** Input denormal. */
  IDC: 1 << 7,
} as const;

/** Rounding modes. The first four are FPCR.RMode's encoding. */
export const Rounding = {
  /** To nearest, ties to even (RN). */
  TieEven: 0,
  /** Towards plus infinity (RP). */
  PlusInfinity: 1,
  /** Towards minus infinity (RM). */
  MinusInfinity: 2,
  /** Towards zero (RZ). */
  Zero: 3,
  /** To nearest, ties away from zero. */
  TieAway: 4,
  /** To odd: an inexact result gets its last bit set. */
  Odd: 5,
} as const;

/** FPCR's fields that matter here, by bit. */
export const FpcrBit = { FZ16: 1 << 19, RMode: 22, FZ: 1 << 24, DN: 1 << 25, AHP: 1 << 26 } as const;

/** One operation's view of FPCR, and the flags it raises. */
export class Environment {
  /** FPSR flags raised so far. */
  flags = 0;
  readonly fpcr: number;

  constructor(fpcr: number) {
    this.fpcr = fpcr;
  }

  /** FPCR.RMode, a {@linkcode Rounding}. */
  get rounding(): number {
    return this.fpcr >>> FpcrBit.RMode & 3;
  }

  /** FPCR.DN: every NaN result is the default NaN. */
  get defaultNan(): boolean {
    return (this.fpcr & FpcrBit.DN) !== 0;
  }

  /** FPCR.AHP: conversions use the alternative half-precision format. */
  get alternativeHalf(): boolean {
    return (this.fpcr & FpcrBit.AHP) !== 0;
  }

  /** Whether FPCR.FZ, or for half precision FPCR.FZ16, flushes denormals to zero. */
  flushes(format: Format): boolean {
    return (this.fpcr & (format === F16 ? FpcrBit.FZ16 : FpcrBit.FZ)) !== 0;
  }

  /** Accumulates a flag of {@linkcode FpsrFlag}. */
  raise(flag: number): void {
    this.flags |= flag;
  }
}
