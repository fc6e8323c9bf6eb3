/**
 * GICV: the virtual CPU interface as a frame in memory, for guests that know no system registers. Arm IHI 0048, "The GIC virtual CPU
 * interface register map". It is the same machine as the system registers', seen through another window: list registers, priorities and
 * active priorities are theirs.
 *
 * A hostile guest reaches the list registers of the vCPU that it runs on, as with system registers.
 */
import { SPURIOUS, Vmcr } from "./gic_fields.ts";
import type { GicCpuInterface } from "./gic_cpu_interface.ts";

const CTLR = 0x00;
const PMR = 0x04;
const BPR = 0x08;
const IAR = 0x0c;
const EOIR = 0x10;
const RPR = 0x14;
const HPPIR = 0x18;
const ABPR = 0x1c;
const AIAR = 0x20;
const AEOIR = 0x24;
const AHPPIR = 0x28;
const APR0 = 0xd0;
const IIDR = 0xfc;
const DIR = 0x1000;

/** Architecture version 2, of Arm. */
const IDENTIFICATION = 0x0202_043b;
/** EnableGrp0, EnableGrp1, AckCtl, FIQEn, CBPR and EOImode lie where ICH_VMCR_EL2 has them. */
const CTLR_MASK = 0x21f;
/** What GICV_IAR says instead of an interrupt of group 1, which only the aliased registers acknowledge. */
const OTHER_GROUP = 1022;

/** The frame of one physical CPU; it acts on the vCPU whose state is in the block. */
export class GicLegacyInterface {
  /**
   * @param isLegacy Otherwise the vCPU has the system registers, and the frame is RAZ/WI.
   * @param changed Called after an access that may change which interrupts wait.
   */
  constructor(
    private readonly gic: GicCpuInterface,
    private readonly isLegacy: () => boolean,
    private readonly changed: () => void,
  ) {}

  /** Registers are words; other widths and offsets read as zero. */
  read(offset: number, size: number): number {
    if (size !== 4 || (offset & 3) !== 0 || !this.isLegacy()) return 0;
    const { gic } = this;
    switch (offset) {
      case CTLR:
        return gic.control & CTLR_MASK;
      case PMR:
        return this.#register("ICC_PMR_EL1");
      case BPR:
        return this.#register("ICC_BPR0_EL1");
      case IAR:
        return this.#acknowledge(this.#either(gic.waitingGroup(true)));
      case RPR:
        return this.#register("ICC_RPR_EL1");
      case HPPIR:
        return this.#pending(this.#either(gic.waitingGroup(false)));
      case ABPR:
        return this.#register("ICC_BPR1_EL1");
      case AIAR:
        return this.#acknowledge(aliased(gic.waitingGroup(true)));
      case AHPPIR:
        return this.#pending(aliased(gic.waitingGroup(false)));
      case APR0:
        return (this.#register("ICH_AP0R0_EL2") | this.#register("ICH_AP1R0_EL2")) >>> 0;
      case IIDR:
        return IDENTIFICATION;
    }
    return 0;
  }

  /** Other widths and offsets are ignored. */
  write(offset: number, size: number, value: bigint): void {
    if (size !== 4 || (offset & 3) !== 0 || !this.isLegacy()) return;
    const { gic } = this;
    const word = Number(value);
    switch (offset) {
      case CTLR:
        gic.writeRegister("ICH_VMCR_EL2", BigInt((gic.control & ~CTLR_MASK | word & CTLR_MASK) >>> 0));
        break;
      case PMR:
        gic.writeRegister("ICC_PMR_EL1", value);
        break;
      case BPR:
        gic.writeRegister("ICC_BPR0_EL1", value);
        break;
      case ABPR:
        gic.writeRegister("ICC_BPR1_EL1", value);
        break;
      case EOIR:
        gic.endOfInterrupt((gic.control & Vmcr.VACKCTL) !== 0 ? gic.runningGroup() : 0, intidOf(word));
        break;
      case AEOIR:
        gic.endOfInterrupt(1, intidOf(word));
        break;
      case DIR:
        gic.deactivate(intidOf(word));
        break;
      case APR0: {
        // One set for both groups: what stays keeps its group, what comes is of group 0.
        const group1 = this.#register("ICH_AP1R0_EL2") & word;
        gic.writeRegister("ICH_AP1R0_EL2", BigInt(group1 >>> 0));
        gic.writeRegister("ICH_AP0R0_EL2", BigInt((word & ~group1) >>> 0));
        break;
      }
      default:
        return;
    }
    this.changed();
  }

  #register(name: string): number {
    return Number(this.gic.readRegister(name));
  }

  /** What the registers without alias say of a group: with AckCtl they serve both. */
  #either(group: -1 | 0 | 1): number {
    if (group === 1 && (this.gic.control & Vmcr.VACKCTL) === 0) return OTHER_GROUP;
    return group < 0 ? SPURIOUS : group;
  }

  #acknowledge(group: number): number {
    if (group > 1) return group;
    const intid = this.gic.acknowledge(group as 0 | 1);
    this.changed();
    return intid;
  }

  #pending(group: number): number {
    return group > 1 ? group : this.#register(group === 0 ? "ICC_HPPIR0_EL1" : "ICC_HPPIR1_EL1");
  }
}

/** The aliased registers serve group 1 alone. */
function aliased(group: -1 | 0 | 1): number {
  return group === 1 ? 1 : SPURIOUS;
}

/** An SGI comes with the CPU that sent it, as it was acknowledged. */
function intidOf(word: number): number {
  const intid = word & 0x3ff;
  return intid < 16 ? word & 0x1fff : intid;
}
