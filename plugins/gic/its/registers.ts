/**
 * The ITS's frames, control and translation. Arm IHI 0069, "The ITS register map". 64-bit registers are written whole or by halves; other
 * widths read as zero and are ignored.
 */
import { IIDR, readIdentification } from "../vgic/frame.ts";
import { ENTRY_SIZE, ID_BITS } from "./tables.ts";
import { DEVICES, PAGE_64K, PAGE_SHIFT, TABLES } from "./state.ts";
import type { ItsState } from "./state.ts";

const CTLR = 0x0;
const IIDR_OFFSET = 0x4;
const TYPER = 0x8;
const CBASER = 0x80;
const CWRITER = 0x88;
const CREADR = 0x90;
const BASER = 0x100;
const BASER_END = BASER + 8 * TABLES;
const IDENTIFICATION = 0xffd0;

/** GITS_CTLR.Quiescent: with the ITS off nothing is under way. */
const QUIESCENT = 0x8000_0000;
/** GITS_TYPER: physical LPIs; entries of translation tables; bits of EventID and DeviceID; collections of 16 bits, in memory. */
const TYPER_LOW = 1 << 0 | (ENTRY_SIZE - 1) << 4 | (ID_BITS - 1) << 8 | (ID_BITS - 1) << 13;
/** GITS_CBASER: Valid, cacheability and address; address, shareability and size. */
const CBASER_HIGH = 0xb8ef_ffff;
const CBASER_LOW = 0xffff_fcff;
/** GITS_CWRITER: offset. Retry does nothing, because this ITS doesn't stall. */
const CWRITER_OFFSET = 0xf_ffe0;
/** GITS_BASER<n>: Valid, cacheability and address; Indirect besides for devices. */
const BASER_HIGH = 0xb8e0_ffff;
const BASER_INDIRECT = 1 << 30;
/** GITS_BASER<n>.Type: devices, collections. */
const TYPES: readonly number[] = [1, 4];

/** Control frame and translation frame, 64 KiB each. */
export const FRAMES_SIZE = 0x2_0000;
/** GITS_TRANSLATER, from the start of the control frame. */
export const TRANSLATER = 0x1_0040;

/** What registers cause. */
export interface ItsActions {
  /** There may be commands to execute. */
  run(): void;
  /** A write to GITS_TRANSLATER. */
  message(deviceId: number, eventId: number): void;
}

/**
 * DeviceID of a CPU that writes to GITS_TRANSLATER. Interconnects choose; a host bridge, which sends no messages, has this number in a PCI
 * segment.
 */
const CPU_DEVICE = 0;

/** Reads `size` bytes. */
export function readIts(state: ItsState, offset: number, size: number): bigint | number {
  if (offset % size !== 0) return 0;
  if (size === 4) return readWord(state, offset) >>> 0;
  if (size === 8) return BigInt(readWord(state, offset + 4) >>> 0) << 32n | BigInt(readWord(state, offset) >>> 0);
  return 0;
}

/** Writes `size` bytes. */
export function writeIts(state: ItsState, actions: ItsActions, offset: number, size: number, value: bigint): void {
  if (offset % size !== 0) return;
  const low = Number(value & 0xffff_ffffn);
  if (offset === TRANSLATER) {
    if (size === 2 || size === 4) actions.message(CPU_DEVICE, low);
    return;
  }
  if (size !== 4 && size !== 8) return;
  writeWord(state, actions, offset, low);
  if (size === 8) writeWord(state, actions, offset + 4, Number(value >> 32n & 0xffff_ffffn));
}

function readWord(state: ItsState, offset: number): number {
  switch (offset) {
    case CTLR:
      return state.enabled ? 1 : QUIESCENT;
    case IIDR_OFFSET:
      return IIDR;
    case TYPER:
      return TYPER_LOW;
    case CBASER:
      return state.queueLow;
    case CBASER + 4:
      return state.queueHigh;
    case CWRITER:
      return state.writeOffset;
    case CREADR:
      return state.readOffset;
  }
  if (offset >= BASER && offset < BASER_END) {
    const table = (offset - BASER) >>> 3;
    return (offset & 4) === 0 ? state.baserLow[table] : state.baserHigh[table] | TYPES[table] << 24 | (ENTRY_SIZE - 1) << 16;
  }
  return offset >= IDENTIFICATION && offset < FRAMES_SIZE / 2 ? readIdentification(offset, 0x94) : 0;
}

function writeWord(state: ItsState, actions: ItsActions, offset: number, value: number): void {
  switch (offset) {
    case CTLR:
      state.enabled = (value & 1) !== 0;
      return actions.run();
    case CWRITER:
      state.writeOffset = value & CWRITER_OFFSET;
      return actions.run();
  }
  // UNPREDICTABLE while the ITS is enabled: ignored.
  if (state.enabled) return;
  switch (offset) {
    case CBASER:
      state.queueLow = (value & CBASER_LOW) >>> 0;
      state.readOffset = 0;
      return;
    case CBASER + 4:
      state.queueHigh = (value & CBASER_HIGH) >>> 0;
      state.readOffset = 0;
      return;
  }
  if (offset < BASER || offset >= BASER_END) return;
  const table = (offset - BASER) >>> 3;
  if ((offset & 4) === 0) {
    // The reserved page size means the largest.
    state.baserLow[table] = (value >>> PAGE_SHIFT & 3) === 3 ? value & ~(3 << PAGE_SHIFT) | PAGE_64K << PAGE_SHIFT : value;
  } else {
    state.baserHigh[table] = value & (BASER_HIGH | (table === DEVICES ? BASER_INDIRECT : 0));
  }
}
