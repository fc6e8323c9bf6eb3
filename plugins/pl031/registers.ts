/** Registers of the PrimeCell Real Time Clock (PL031), Arm DDI 0224, "Summary of RTC registers". Offsets in bytes. */
import { registers } from "../../core/mod.ts";
import type { RegisterState } from "../../core/mod.ts";

/** Size of the register block in bytes. */
export const BLOCK_SIZE = 0x1000;

const specs = {
  /** Seconds. */
  RTCDR: { at: 0x000, access: "ro" },
  /** The second at which the interrupt is raised. */
  RTCMR: { at: 0x004, access: "rw" },
  /** Sets RTCDR; reads what was written last. */
  RTCLR: { at: 0x008, access: "rw" },
  /** Firmware has started the clock, and nothing but a reset stops it. */
  RTCCR: { at: 0x00c, access: "ro", reset: 1, fields: { RTCStart: 0 } },
  RTCIMSC: { at: 0x010, access: "rw", fields: { RTCIMSC: 0 } },
  RTCRIS: { at: 0x014, access: "ro", fields: { RTCRIS: 0 } },
  RTCMIS: { at: 0x018, access: "ro", fields: { RTCMIS: 0 } },
  RTCICR: { at: 0x01c, access: "wo", fields: { RTCICR: 0 } },
  // Part 0x031, designer 0x41, revision 1, PrimeCell class.
  RTCPeriphID0: { at: 0xfe0, access: "ro", reset: 0x31 },
  RTCPeriphID1: { at: 0xfe4, access: "ro", reset: 0x10 },
  RTCPeriphID2: { at: 0xfe8, access: "ro", reset: 0x14 },
  RTCPeriphID3: { at: 0xfec, access: "ro", reset: 0x00 },
  RTCPCellID0: { at: 0xff0, access: "ro", reset: 0x0d },
  RTCPCellID1: { at: 0xff4, access: "ro", reset: 0xf0 },
  RTCPCellID2: { at: 0xff8, access: "ro", reset: 0x05 },
  RTCPCellID3: { at: 0xffc, access: "ro", reset: 0xb1 },
} as const;

/** The block. Firmware reads bytes of the identification registers. */
export const block = registers(32, specs, { widths: [1, 2, 4], size: BLOCK_SIZE });

/** What the registers hold. */
export type Registers = RegisterState<typeof specs>;
