/** Registers of the PrimeCell General Purpose Input/Output (PL061), Arm DDI 0190, "Summary of PrimeCell GPIO registers". Offsets in bytes. */
import { registers } from "../../core/mod.ts";
import type { RegisterSpec, RegisterState } from "../../core/mod.ts";

/** Size of the register block in bytes. */
export const BLOCK_SIZE = 0x1000;

/** Pins. */
export const PINS = 8;

/** GPIODATA takes a quarter of the block: bits 9 to 2 of the address say which pins an access is about. */
export const DATA_SIZE = 0x400;

const pins = (at: number, access: RegisterSpec["access"]) => ({ at, access, fields: { pins: [7, 0] } } as const);

const specs = {
  GPIODIR: pins(0x400, "rw"),
  GPIOIS: pins(0x404, "rw"),
  GPIOIBE: pins(0x408, "rw"),
  GPIOIEV: pins(0x40c, "rw"),
  GPIOIE: pins(0x410, "rw"),
  GPIORIS: pins(0x414, "ro"),
  GPIOMIS: pins(0x418, "ro"),
  GPIOIC: pins(0x41c, "wo"),
  GPIOAFSEL: pins(0x420, "rw"),
  // Part 0x061, designer 0x41, PrimeCell class.
  GPIOPeriphID0: { at: 0xfe0, access: "ro", reset: 0x61 },
  GPIOPeriphID1: { at: 0xfe4, access: "ro", reset: 0x10 },
  GPIOPeriphID2: { at: 0xfe8, access: "ro", reset: 0x04 },
  GPIOPeriphID3: { at: 0xfec, access: "ro", reset: 0x00 },
  GPIOPCellID0: { at: 0xff0, access: "ro", reset: 0x0d },
  GPIOPCellID1: { at: 0xff4, access: "ro", reset: 0xf0 },
  GPIOPCellID2: { at: 0xff8, access: "ro", reset: 0x05 },
  GPIOPCellID3: { at: 0xffc, access: "ro", reset: 0xb1 },
} as const;

/** The block without GPIODATA. Drivers access its registers as bytes and as words. */
export const block = registers(32, specs, { widths: [1, 2, 4], size: BLOCK_SIZE });

/** What the registers hold. */
export type Registers = RegisterState<typeof specs>;
