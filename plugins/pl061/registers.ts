/** Registers of the PrimeCell General Purpose Input/Output (PL061), Arm DDI 0190, "Summary of PrimeCell GPIO registers". Offsets in bytes. */
import { registers } from "../../core/mod.ts";
import type { RegisterSpec, RegisterState } from "../../core/mod.ts";
import { PRIMECELL_SIZE, primeCellRegisters } from "../device/contract.ts";

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
  ...primeCellRegisters(0x061, 0),
} as const;

/** The block without GPIODATA. Drivers access its registers as bytes and as words. */
export const block = registers(32, specs, { widths: [1, 2, 4], size: PRIMECELL_SIZE });

/** What the registers hold. */
export type Registers = RegisterState<typeof specs>;
