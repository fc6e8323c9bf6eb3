/** What Arm's PrimeCell components have in common: identification registers, a clock, the way they stand in a device tree. */
import type { DeviceTreeNode, DeviceTreeValue } from "../../core/mod.ts";
import { apbClock } from "../fdt/contract.ts";
import type { DevicePlaces } from "./model.ts";

/** Bytes of the register block. */
export const PRIMECELL_SIZE = 0x1000;

/** Designer: Arm. */
const DESIGNER = 0x41;
/** PCellID0 to 3, one byte each: the component class. */
const COMPONENT_CLASS = [0x0d, 0xf0, 0x05, 0xb1] as const;

/** The bytes of PeriphID0 to 3 and PCellID0 to 3, which lie in words from 0xfe0 on. `part` has 12 bits. */
export function primeCellBytes(part: number, revision: number): readonly number[] {
  const designer = { low: DESIGNER & 0xf, high: DESIGNER >> 4 };
  return [part & 0xff, designer.low << 4 | part >> 8, revision << 4 | designer.high, 0, ...COMPONENT_CLASS];
}

/** One identification register. */
export interface PrimeCellRegister {
  /** Byte offset in the block. */
  readonly at: number;
  /** Nothing writes it. */
  readonly access: "ro";
  /** What it reads as. */
  readonly reset: number;
}

/** The identification registers by name. */
export type PrimeCellRegisters = Readonly<Record<`${"PeriphID" | "PCellID"}${0 | 1 | 2 | 3}`, PrimeCellRegister>>;

/** The same as registers, for a block of 4 KiB. */
export function primeCellRegisters(part: number, revision: number): PrimeCellRegisters {
  const bytes = primeCellBytes(part, revision);
  const register = (index: number): PrimeCellRegister => ({ at: 0xfe0 + 4 * index, access: "ro", reset: bytes[index] });
  return {
    PeriphID0: register(0),
    PeriphID1: register(1),
    PeriphID2: register(2),
    PeriphID3: register(3),
    PCellID0: register(4),
    PCellID1: register(5),
    PCellID2: register(6),
    PCellID3: register(7),
  };
}

/**
 * The nodes of a component: the clock that all share, and its own, named `NAME@UNIT` and compatible with "arm,NAME" and "arm,primecell".
 * `more` adds properties, or replaces some: the one clock is "apb_pclk".
 */
export function primeCellNodes(
  name: string,
  { unit, reg, interrupts }: Pick<DevicePlaces, "unit" | "reg" | "interrupts">,
  more: Readonly<Record<string, DeviceTreeValue>> = {},
  label?: string,
): DeviceTreeNode[] {
  return [apbClock, {
    name: `${name}@${unit}`,
    ...label === undefined ? {} : { label },
    properties: {
      compatible: { text: [`arm,${name}`, "arm,primecell"] },
      reg,
      interrupts,
      clocks: { cells: [`&${apbClock.label}`] },
      "clock-names": { text: "apb_pclk" },
      ...more,
    },
  }];
}
