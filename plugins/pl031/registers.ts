/** Registers of the PrimeCell Real Time Clock (PL031), Arm DDI 0224, "Summary of RTC registers". Offsets in bytes. */
import { registers } from "../../core/mod.ts";
import type { RegisterState } from "../../core/mod.ts";
import { PRIMECELL_SIZE, primeCellRegisters } from "../device/contract.ts";

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
  ...primeCellRegisters(0x031, 1),
} as const;

/** The block. Firmware reads bytes of the identification registers. */
export const block = registers(32, specs, { widths: [1, 2, 4], size: PRIMECELL_SIZE });

/** What the registers hold. */
export type Registers = RegisterState<typeof specs>;
