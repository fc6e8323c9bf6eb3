/** MRS and MSR beyond a plain slot, and the same for EL2's software by name. */
import * as at from "../state.ts";
import { FAST_ACCESS } from "../state.ts";
import {
  access,
  accessUnknown,
  controlledBy,
  fastAccess,
  packedOfInstruction,
  registerByName,
  type RegisterFile,
  registerOffset,
  registers,
  type SystemRegister,
} from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import type { ExceptionUnit } from "./exceptions.ts";
import type { GicCpuInterface } from "./gic_cpu_interface.ts";
import type { PerformanceMonitors } from "./performance_monitors.ts";
import { readPstateRegister, writePstateRegister } from "./pstate.ts";
import type { CounterAndTimers } from "./counter.ts";
import type { Mpu } from "./mmu/mod.ts";
import { MpuRegisters } from "./mpu_registers.ts";

/** What an access changed that the caller must see to. */
export const Effect = { none: 0, context: 1, interrupts: 2, exit: 4, stop: 8 } as const;

const offsets = {
  MIDR_EL1: registerOffset("MIDR_EL1"),
  VPIDR_EL2: registerOffset("VPIDR_EL2"),
  VMPIDR_EL2: registerOffset("VMPIDR_EL2"),
  CSSELR_EL1: registerOffset("CSSELR_EL1"),
  SCTLR_EL1: registerOffset("SCTLR_EL1"),
  HCR_EL2: registerOffset("HCR_EL2"),
  OSLSR_EL1: registerOffset("OSLSR_EL1"),
  ICC_SRE_EL1: registerOffset("ICC_SRE_EL1"),
  DBGCLAIMCLR_EL1: registerOffset("DBGCLAIMCLR_EL1"),
};

const CNTVCT = registerByName("CNTVCT_EL0");
const ICC_SRE = registerByName("ICC_SRE_EL1");
/** ID_AA64PFR0_EL1.GIC: the system register interface. */
const GIC_FIELD = 0xfn << 24n;

/** FPCR's bits without trapped exceptions; FZ16 with half precision. FPSR's QC and cumulative flags. */
export const FPCR_MASK = 0x07c0_0000;
const FZ16 = 1 << 19;
export const FPSR_MASK = 0x0800_009f;

/**
 * Bits outside the regions that an MPU's answers depend on. Tables have TLBI for that; on an Armv8-R CPU a change counts by itself.
 * SCTLR_ELx.M, BR, WXN, I; VTCR_EL2.MSA; HCR_EL2.VM, PTW, DC, TGE, CD, ID.
 */
const PROTECTION: ReadonlyMap<string, bigint> = new Map([
  ["SCTLR_EL1", 0x000a_1001n],
  ["SCTLR_EL2", 0x000a_1001n],
  ["MAIR_EL1", 2n ** 64n - 1n],
  ["MAIR_EL2", 2n ** 64n - 1n],
  ["VTCR_EL2", 1n << 31n],
  ["HCR_EL2", 0x3_0800_1005n],
]);

/** Register access of one physical CPU. */
export class Registers {
  readonly #mpu: MpuRegisters | undefined;

  constructor(
    readonly block: Block,
    readonly file: RegisterFile,
    readonly exceptions: ExceptionUnit,
    readonly gic: GicCpuInterface,
    readonly counter: CounterAndTimers,
    readonly monitors: PerformanceMonitors,
    /** Called after a change of what breaks, is watched or steps. */
    readonly debugChanged: () => void,
    /** The MPUs of an Armv8-R CPU. */
    readonly mpu?: Mpu,
  ) {
    this.#mpu = mpu && new MpuRegisters(block, mpu);
  }

  /** MRS. Undefined: an exception was taken. */
  mrs(word: number): bigint | undefined {
    const register = this.#allowed(word, false);
    return register && this.read(register, this.block.get(at.EL));
  }

  /** MRS of the virtual counter, which guests read in loops; -1: go the long way. */
  fastCount(word: number): number {
    const { block } = this;
    if (packedOfInstruction(word) !== CNTVCT.packed || access(CNTVCT, block.get(at.EL), false, block) !== "ok") return -1;
    return this.counter.fastVirtualCount();
  }

  /** MSR (register). Undefined: an exception was taken; else what changed. */
  msr(word: number, value: bigint): number | undefined {
    const register = this.#allowed(word, true);
    // EL2's choice, made by name.
    if (register === ICC_SRE) return Effect.none;
    return register && this.write(register, value);
  }

  #allowed(word: number, isWrite: boolean): SystemRegister | undefined {
    const { block, exceptions } = this;
    const packed = packedOfInstruction(word);
    const register = this.file.find(packed);
    const el = block.get(at.EL);
    const answer = register ? access(register, el, isWrite, block) : accessUnknown(packed, el, block);
    if (answer === "ok") return register;
    if (answer === "undefined") exceptions.undefined();
    else exceptions.trapped(answer, word);
    return undefined;
  }

  /** Reads without checks. `el` 1: as the guest sees it. */
  read(register: SystemRegister, el: number): bigint {
    const { block } = this;
    switch (register.hook) {
      case "pstate":
        return BigInt(readPstateRegister(block, register.name));
      case "fp":
        return BigInt(block.get(register.name === "FPCR" ? at.FPCR : at.FPSR));
      case "timer":
        return this.counter.read(register.name) ?? block.get64(register.offset);
      case "gic":
        return this.gic.handles(register.name) ? this.gic.readRegister(register.name) : block.get64(register.offset);
      case "pmu":
        return this.monitors.read(register.name);
      case "computed":
        return this.#computed(register, el);
      case "mpu":
        return this.#mpu?.read(register) ?? 0n;
      default:
        return block.get64(register.offset);
    }
  }

  #computed(register: SystemRegister, el: number): bigint {
    const { block } = this;
    switch (register.name) {
      case "MIDR_EL1":
        return block.get64(el === 1 ? offsets.VPIDR_EL2 : register.offset);
      case "MPIDR_EL1":
        return block.get64(el === 1 ? offsets.VMPIDR_EL2 : register.offset);
      case "ID_AA64PFR0_EL1":
        // EL2 would hide it by HCR_EL2.TID3.
        return block.get64(register.offset) & (el < 2 && !(block.get(offsets.ICC_SRE_EL1) & 1) ? ~GIC_FIELD : ~0n);
      case "CCSIDR_EL1": {
        const select = block.get(offsets.CSSELR_EL1) & 15;
        return this.file.model.caches.find((cache) => cache.select === select)?.ccsidr ?? 0n;
      }
      case "DCZID_EL0": {
        // DZP: DC ZVA is prohibited at EL0 by SCTLR_EL1.DZE, below EL2 by HCR_EL2.TDZ.
        const now = block.get(at.EL);
        const prohibited = (now === 0 && !(block.get(offsets.SCTLR_EL1) & (1 << 14))) ||
          (now < 2 && block.get(offsets.HCR_EL2) & (1 << 28));
        return block.get64(register.offset) | (prohibited ? 16n : 0n);
      }
      case "ISR_EL1":
        return (this.gic.virtualIrqPending() ? 0x80n : 0n) | (this.gic.virtualFiqPending() ? 0x40n : 0n);
      default:
        return block.get64(register.offset);
    }
  }

  /** Writes without checks. Returns a set of `Effect`. */
  write(register: SystemRegister, value: bigint): number {
    const { block, file } = this;
    const { name } = register;
    switch (register.hook) {
      case "pstate":
        writePstateRegister(block, name, Number(value & 0xffff_ffffn));
        return name === "PAN" || name === "UAO" ? Effect.context : Effect.interrupts;
      case "fp":
        if (name === "FPCR") block.set(at.FPCR, Number(value & 0xffff_ffffn) & (FPCR_MASK | (file.model.features.has("FP16") ? FZ16 : 0)));
        else block.set(at.FPSR, Number(value & 0xffff_ffffn) & FPSR_MASK);
        return Effect.none;
      case "timer":
        if (!this.counter.write(name, value)) file.storeLong(block, register, value);
        this.#controls(name);
        return Effect.exit;
      case "gic":
        if (this.gic.handles(name)) this.gic.writeRegister(name, value);
        else file.storeLong(block, register, value);
        return this.gicEffect();
      case "pmu":
        this.monitors.write(name, value);
        return Effect.none;
      case "debug":
        if (name === "DBGCLAIMSET_EL1" || name === "DBGCLAIMCLR_EL1") {
          const tags = Number(value & 0xffn), claimed = block.get(offsets.DBGCLAIMCLR_EL1);
          block.set(offsets.DBGCLAIMCLR_EL1, name === "DBGCLAIMSET_EL1" ? claimed | tags : claimed & ~tags);
          return Effect.none;
        }
        if (name === "OSLAR_EL1") block.set(offsets.OSLSR_EL1, (block.get(offsets.OSLSR_EL1) & ~2) | (Number(value & 1n) << 1));
        else file.storeLong(block, register, value);
        this.#controls(name);
        this.debugChanged();
        return Effect.stop;
      case "mpu":
        return this.#mpu?.write(register, value) ? Effect.context | Effect.stop : Effect.none;
      case "mmu": {
        const effect = this.#storeControl(register, value);
        this.#controls(name);
        return Effect.context | effect;
      }
      case "control": {
        const effect = this.#storeControl(register, value);
        this.#controls(name);
        return Effect.context | Effect.interrupts | effect;
      }
      default:
        file.storeLong(block, register, value);
        this.#controls(name);
        return Effect.none;
    }
  }

  /** Stores a control of translation or traps; an MPU's answers may change with it. */
  #storeControl(register: SystemRegister, value: bigint): number {
    const { block, file, mpu } = this;
    const bits = mpu && PROTECTION.get(register.name);
    const before = bits ? block.get64(register.offset) : 0n;
    file.storeLong(block, register, value);
    if (!mpu || !bits || ((block.get64(register.offset) ^ before) & bits) === 0n) return Effect.none;
    mpu.controlsChanged();
    return Effect.stop;
  }

  /** After an access to the virtual CPU interface: EL2 hears of it by a maintenance interrupt only. */
  gicEffect(): number {
    return Effect.interrupts | (this.gic.maintenancePending() ? Effect.exit : 0);
  }

  #controls(name: string): void {
    const controlled = controlledBy.get(name);
    if (controlled) this.updateFastAccess(controlled);
  }

  /** Recomputes which accesses may go straight to the slot. */
  updateFastAccess(of: readonly SystemRegister[] = registers): void {
    const { block, file } = this;
    for (const register of of) {
      const present = !register.feature || file.model.features.has(register.feature);
      block.bytes[block.address + FAST_ACCESS + register.index] = present
        ? fastAccess(register, file.storable[register.index] === 1, block)
        : 0;
    }
  }
}
