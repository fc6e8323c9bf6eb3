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
}

/** Reads `size` bytes. Widths that a register doesn't have read as zero. */
export function readFrame(gic: Vgic, frame: WordFrame, offset: number, size: number): bigint | number {
  if (offset % size !== 0) return 0;
  switch (size) {
    case 4:
      return frame.read(offset);
    case 8:
      return BigInt(frame.read(offset + 4)) << 32n | BigInt(frame.read(offset));
    default: {
      const first = offset - frame.banks;
      if (!takesBytes(first)) return 0;
      let value = 0;
      for (let n = 0; n < size; n++) value |= readPriority(gic, frame.vcpu, first + n, frame.shows) << 8 * n;
      return value;
    }
  }
}

/** Writes `size` bytes. Widths that a register doesn't have are ignored. */
export function writeFrame(gic: Vgic, frame: WordFrame, offset: number, size: number, value: bigint): void {
  if (offset % size !== 0) return;
  switch (size) {
    case 4:
      return frame.write(offset, Number(value & 0xffff_ffffn));
    case 8:
      frame.write(offset, Number(value & 0xffff_ffffn));
      return frame.write(offset + 4, Number(value >> 32n & 0xffff_ffffn));
    default: {
      const first = offset - frame.banks;
      if (!takesBytes(first)) return;
      for (let n = 0; n < size; n++) writePriority(gic, frame.vcpu, first + n, Number(value >> BigInt(8 * n) & 0xffn), frame.shows);
    }
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
