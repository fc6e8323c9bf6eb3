/** A redistributor's two frames, RD_base and SGI_base. Arm IHI 0069, "The Redistributor register map". What is about LPIs is in vgic/lpi_registers.ts. */
import { readBank, writeBank } from "../vgic/banks.ts";
import { FRAME_SIZE, IIDR, readIdentification } from "../vgic/frame.ts";
import type { WordFrame } from "../vgic/frame.ts";
import { LPI_TYPER } from "../vgic/lpi_registers.ts";
import type { Vgic } from "../vgic/vgic.ts";

/** Size of both frames in bytes. */
export const REDISTRIBUTOR_SIZE = 2 * FRAME_SIZE;

const IIDR_OFFSET = 0x4;
const TYPER_LOW = 0x8;
const TYPER_HIGH = 0xc;
const WAKER = 0x14;
/** GICR_TYPER, and of those for LPIs: SETLPIR, CLRLPIR, PROPBASER, PENDBASER, INVLPIR, INVALLR. */
const wide: ReadonlySet<number> = new Set([TYPER_LOW, 0x40, 0x48, 0x70, 0x78, 0xa0, 0xb0]);
const IDENTIFICATION = 0xffd0;
const LAST = 1 << 4;
const PROCESSOR_SLEEP = 1 << 1;
const CHILDREN_ASLEEP = 1 << 2;

/** Makes the frames of one vCPU; offsets from RD_base. */
export function redistributor(gic: Vgic, v: number): WordFrame {
  const { state } = gic;
  const shows = (word: number): boolean => word === 0;
  return {
    banks: FRAME_SIZE,
    vcpu: v,
    shows,
    isWide: (offset) => wide.has(offset),
    read(offset) {
      if ((offset & 0xffff) >= IDENTIFICATION) return readIdentification(offset & 0xffff, 0x93);
      if (offset >= FRAME_SIZE) return readBank(gic, v, offset - FRAME_SIZE, shows);
      switch (offset) {
        case IIDR_OFFSET:
          return IIDR;
        case TYPER_LOW:
          return v << 8 | (v === state.vcpus - 1 ? LAST : 0) | (gic.lpis === undefined ? 0 : LPI_TYPER);
        case TYPER_HIGH:
          return gic.affinity(v);
        case WAKER:
          // The processor's children are as asleep as it is, at once.
          return state.asleep[v] !== 0 ? PROCESSOR_SLEEP | CHILDREN_ASLEEP : 0;
      }
      return gic.lpis?.readRegister(v, offset) ?? 0;
    },
    write(offset, value) {
      if (offset >= FRAME_SIZE) return writeBank(gic, v, offset - FRAME_SIZE, value, shows);
      if (offset !== WAKER) return gic.lpis?.writeRegister(v, offset, value);
      gic.setAsleep(v, (value & PROCESSOR_SLEEP) !== 0);
    },
  };
}
