/** The physical CPU as the checker sees it: the present vCPU in the block, the others in their copies. */
import type { PhysicalMemory } from "../../../../core/mod.ts";
import * as at from "../../state.ts";
import { type CpuModel, registerOffset } from "../../sysregs/mod.ts";
import type { Block } from "../block.ts";
import type { Mmu } from "../mmu/mod.ts";
import type { Tlb } from "../tlb.ts";
import { BreakBeforeMake } from "./checker.ts";
import type { CheckedMachine, CheckedRegister } from "./machine.ts";
import { EL2, type RegimeNumber, STAGE2 } from "./remembered.ts";

const names: readonly CheckedRegister[] = [
  "SCTLR_EL1",
  "TCR_EL1",
  "TTBR0_EL1",
  "TTBR1_EL1",
  "MAIR_EL1",
  "SCTLR_EL2",
  "TCR_EL2",
  "TTBR0_EL2",
  "MAIR_EL2",
  "VTCR_EL2",
  "VTTBR_EL2",
  "HCR_EL2",
];

/** Parts of a CPU. */
export interface CpuParts {
  readonly block: Block;
  readonly mmu: Mmu;
  readonly tlb: Tlb;
  readonly model: CpuModel;
  readonly memory: PhysicalMemory;
  readonly ramOffset: (pa: number) => number;
  readonly syncPc: () => void;
  /** The vCPU in the block; -1: none. */
  readonly current: () => number;
  readonly report: (text: () => string) => void;
}

/** Puts a CPU under the checker: what EL2 writes with `write64` is seen as well. */
export function checkCpu(parts: CpuParts): BreakBeforeMake {
  const checker = new BreakBeforeMake(new CpuMachine(parts));
  const { memory } = parts;
  memory.onWrite64 = (pa) => {
    const host = parts.ramOffset(pa);
    if (host >= 0 && checker.frames.watches(host)) checker.writtenByEl2(host, 8, memory.ownerOf(pa)?.owner);
  };
  return checker;
}

/** A CPU as the checker sees it. */
class CpuMachine implements CheckedMachine {
  readonly bbmLevel: number;
  readonly #offsets = new Map<CheckedRegister, number>(names.map((name) => [name, registerOffset(name)]));
  readonly #saved = new Map<number, Uint32Array>();

  constructor(readonly parts: CpuParts) {
    this.bbmLevel = Number((parts.model.registers.ID_AA64MMFR2_EL1 ?? 0n) >> 52n & 15n);
  }

  entered(vcpu: number, saved: Uint8Array): void {
    if (this.#saved.get(vcpu)?.buffer !== saved.buffer) this.#saved.set(vcpu, new Uint32Array(saved.buffer, saved.byteOffset));
  }

  left(vcpu: number): void {
    this.#saved.delete(vcpu);
  }

  get hasStage2Tables(): boolean {
    return this.parts.mmu.mpu === undefined;
  }

  words(): Uint32Array {
    return this.parts.block.words;
  }

  ramOffset(pa: number): number {
    return this.parts.ramOffset(pa);
  }

  protect(frame: number): void {
    this.parts.tlb.protectFrame(frame);
  }

  vcpu(): number {
    return this.parts.current();
  }

  vcpus(): number[] {
    return [...this.#saved.keys()];
  }

  register(vcpu: number, name: CheckedRegister, half: 0 | 1): number {
    const offset = this.#offsets.get(name)! + half * 4;
    if (vcpu === this.parts.current()) return this.parts.block.get(offset);
    return this.#saved.get(vcpu)?.[offset >>> 2] ?? 0;
  }

  isOn(vcpu: number, regime: RegimeNumber): boolean {
    if (regime === STAGE2) return (this.register(vcpu, "HCR_EL2", 0) & 1) !== 0;
    return (this.register(vcpu, regime === EL2 ? "SCTLR_EL2" : "SCTLR_EL1", 0) & 1) !== 0;
  }

  asid(vcpu?: number): number {
    if (vcpu === undefined || vcpu === this.parts.current()) return this.parts.mmu.asid();
    const isUpper = (this.register(vcpu, "TCR_EL1", 0) & (1 << 22)) !== 0;
    const asid = this.register(vcpu, isUpper ? "TTBR1_EL1" : "TTBR0_EL1", 1) >>> 16;
    return this.register(vcpu, "TCR_EL1", 1) & (1 << 4) ? asid : asid & 0xff;
  }

  vmid(vcpu?: number): number {
    if (vcpu === undefined || vcpu === this.parts.current()) return this.parts.mmu.vmid();
    // HCR_EL2.VM or DC; VMIDs have 8 bits.
    return this.register(vcpu, "HCR_EL2", 0) & 0x1001 ? this.register(vcpu, "VTTBR_EL2", 1) >>> 16 & 0xff : 0;
  }

  pc(): { readonly pcLo: number; readonly pcHi: number } {
    const { block, syncPc } = this.parts;
    syncPc();
    return { pcLo: block.get(at.PC), pcHi: block.get(at.PC + 4) };
  }

  report(text: () => string): void {
    this.parts.report(text);
  }
}
