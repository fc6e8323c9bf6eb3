/** A 64 KiB register frame: 32-bit registers, some of them halves of 64-bit ones, and bytes where the architecture has them. */
import { readPriority, takesBytes, writePriority } from "./banks.ts";
import type { Shown } from "./banks.ts";
import type { Vgic } from "./vgic.ts";

/** Size of a frame in bytes. */
export const FRAME_SIZE = 0x1_0000;

/** A frame, addressed in aligned words. */
export interface WordFrame {
  read(offset: number): number;
  write(offset: number, value: number): void;
  /** Where IGROUPR, IPRIORITYR and their like are counted from. */
  readonly banks: number;
  /** The vCPU whose private INTIDs it shows, and which words of INTIDs. */
  readonly vcpu: number;
  readonly shows: Shown;
  /** Offsets of 64-bit registers. */
  isWide?(offset: number): boolean;
  /** Offsets of registers that take 16 bits too. */
  isHalf?(offset: number): boolean;
}

/**
 * Reads `size` bytes. Arm IHI 0069, "GIC memory-mapped register access": words everywhere, bytes of the priorities, 64 bits where a register
 * has them. Other widths read as zero.
 */
export function readFrame(gic: Vgic, frame: WordFrame, offset: number, size: number): bigint | number {
  if (offset % size !== 0) return 0;
  switch (size) {
    case 4:
      return frame.read(offset);
    case 8:
      return frame.isWide?.(offset) ? BigInt(frame.read(offset + 4)) << 32n | BigInt(frame.read(offset)) : 0;
    case 1:
      return takesBytes(offset - frame.banks) ? readPriority(gic, frame.vcpu, offset - frame.banks, frame.shows) : 0;
    default:
      return frame.isHalf?.(offset) ? frame.read(offset) & 0xffff : 0;
  }
}

/** Writes `size` bytes. Widths that a register doesn't have are ignored. */
export function writeFrame(gic: Vgic, frame: WordFrame, offset: number, size: number, value: bigint): void {
  if (offset % size !== 0) return;
  switch (size) {
    case 4:
      return frame.write(offset, Number(value & 0xffff_ffffn));
    case 8:
      if (!frame.isWide?.(offset)) return;
      frame.write(offset, Number(value & 0xffff_ffffn));
      return frame.write(offset + 4, Number(value >> 32n & 0xffff_ffffn));
    case 1:
      if (takesBytes(offset - frame.banks)) writePriority(gic, frame.vcpu, offset - frame.banks, Number(value & 0xffn), frame.shows);
      return;
    default:
      if (frame.isHalf?.(offset)) frame.write(offset, Number(value & 0xffffn));
  }
}

/** Implementer Arm; the product is ours. GICD_IIDR and GICR_IIDR. */
export const IIDR = 0x5000_043b;

const IDENTIFICATION = 0xffd0;

/** Identification registers at the end of a frame, PIDR4 first: a GICv3 of Arm's. `part` is PIDR0. 0 at other offsets. */
export function readIdentification(offset: number, part: number): number {
  const n = (offset - IDENTIFICATION) >> 2;
  return [0x44, 0, 0, 0, part, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1][n] ?? 0;
}
