/** Frames of the Generic Watchdog, Arm Base System Architecture DEN 0094, "Generic Watchdog": "Register summary". Offsets in bytes. */
import { registers } from "../../core/mod.ts";
import type { BlockOptions, RegisterState } from "../../core/mod.ts";

/** Size of each frame in bytes. */
export const FRAME_SIZE = 0x1000;

/** Words, and pairs of them as doublewords. */
const rules: BlockOptions = { widths: [4, 8], size: FRAME_SIZE };

/** In both frames: who made the watchdog, and bits 19 to 16 the architecture's revision. */
const W_IIDR = { at: 0xfcc, access: "ro" } as const;

/** Arm. */
const IMPLEMENTER = 0x43b;

/** W_IIDR of a revision. */
export function identification(revision: number): number {
  return revision << 16 | IMPLEMENTER;
}

/** The refresh frame: any write to WRR is a refresh. */
export const refreshFrame = registers(32, { WRR: { at: 0x000, access: "wo" }, W_IIDR }, rules);

const control = {
  WCS: { at: 0x000, access: "rw", fields: { EN: 0 }, unimplemented: { WS0: 1, WS1: 2 } },
  WOR_LOW: { at: 0x008, access: "rw" },
  /** RES0 in revision 0. */
  WOR_HIGH: { at: 0x00c, access: "rw", fields: { offset: [15, 0] } },
  WCV_LOW: { at: 0x010, access: "rw" },
  WCV_HIGH: { at: 0x014, access: "rw" },
  W_IIDR,
} as const;

/** The control frame. */
export const controlFrame = registers(32, control, rules);

/** What the control frame's registers hold. */
export type ControlRegisters = RegisterState<typeof control>;
