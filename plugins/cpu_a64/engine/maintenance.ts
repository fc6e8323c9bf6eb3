/** SYS: cache and TLB maintenance, address translation, DC ZVA. */
import * as at from "../state.ts";
import { registerOffset, type SystemInstruction, type TlbOperation } from "../sysregs/mod.ts";
import type { Accesses } from "./accesses.ts";
import type { Block } from "./block.ts";
import { invalidationOf } from "./break_before_make/mod.ts";
import { type Mmu, READ } from "./mmu/mod.ts";
import type { ExceptionUnit } from "./exceptions.ts";
import type { Neighbours } from "./neighbours.ts";
import type { Bank, Tlb } from "./tlb.ts";

const PAR_EL1 = registerOffset("PAR_EL1");
/** HCR_EL2.FB: maintenance of this CPU alone reaches all. */
const HCR_EL2 = registerOffset("HCR_EL2");
const FB = 1 << 9;
/** More pages than this in a range operation: drop the whole bank. */
const RANGE_LIMIT = 64;

/** Executes system instructions that passed their access checks. */
export class Maintenance {
  constructor(
    readonly block: Block,
    readonly mmu: Mmu,
    readonly tlb: Tlb,
    readonly accesses: Accesses,
    readonly exceptions: ExceptionUnit,
    readonly currentVcpu: () => number,
    readonly redirect: () => void,
    readonly neighbours?: Neighbours,
  ) {}

  /** False: an exception was taken. */
  execute(instruction: SystemInstruction, lo: number, hi: number): boolean {
    const { operation } = instruction;
    switch (operation.kind) {
      case "ic":
        // Decoded code follows every write of its own CPU: it is the others' that may be stale.
        if (this.neighbours) this.#invalidateCode(this.neighbours, operation.by === "va", lo, hi);
        return true;
      case "dc":
        // Caches aren't modelled.
        return true;
      case "dcZva":
        return this.accesses.zero(lo, hi);
      case "tlbi":
        this.invalidate(operation, lo, hi);
        // A vCPU may have left entries on CPUs that it ran on before, so that they hear of what concerns it alone as well.
        this.neighbours?.invalidated(instruction.packed, lo, hi, this.mmu.vmid(), this.#everywhere(operation) ? -1 : this.currentVcpu());
        return true;
      case "at": {
        const { el, isWrite, withPan, stages } = operation;
        const pan = withPan && this.block.get(at.PAN) === 1;
        const par = this.mmu.addressTranslate({ el, write: isWrite, pan, stage1Only: stages === 1 }, hi, lo, this.block.get(at.EL));
        if (par === undefined) {
          const { fault } = this.mmu;
          this.accesses.syncPc();
          this.exceptions.dataAbort(
            lo,
            hi,
            { status: fault.status, isWrite: true, isMaintenance: true, isTableWalk: fault.s1ptw },
            fault.stage === 2 ? fault.ipa : undefined,
          );
          this.redirect();
          return false;
        }
        this.block.set64(PAR_EL1, par);
        return true;
      }
    }
  }

  #invalidateCode(neighbours: Neighbours, byAddress: boolean, lo: number, hi: number): void {
    if (!byAddress) return neighbours.codeInvalidated(undefined);
    const { mmu, accesses, block } = this;
    if (!mmu.translate(hi, lo, block.get(at.EL), READ, 0)) return;
    const host = accesses.ram.offset(mmu.result.pa);
    if (host >= 0) neighbours.codeInvalidated(host >>> 12);
  }

  /** TLBI. Combined entries go with either stage: a bank caches VA to host address. */
  invalidate(operation: TlbOperation, lo: number, hi: number): void {
    const vmid = this.mmu.vmid();
    const vcpu = this.#everywhere(operation) ? -1 : this.currentVcpu();
    this.accesses.checker?.invalidate(invalidationOf(operation, lo, hi, vcpu < 0 ? undefined : vcpu, vmid));
    this.drop(operation, lo, hi, vmid, vcpu);
  }

  #everywhere({ shareability }: TlbOperation): boolean {
    return shareability !== "PE" || (this.block.get(HCR_EL2) & FB) !== 0;
  }

  /** What a TLBI with this VMID does to this CPU's TLB. `vcpu`: of whom alone; -1: of all. */
  drop(operation: TlbOperation, lo: number, hi: number, vmid: number, vcpu: number): void {
    const { tlb, mmu } = this;
    const isEl2 = (bank: Bank) => (bank.mode & 7) === 3;
    const reaches = (bank: Bank) =>
      (vcpu < 0 || bank.vcpu === vcpu) && isEl2(bank) === (operation.regime === "EL2") &&
      (operation.regime === "EL2" || operation.match === "all" || bank.vmid === vmid);
    if (operation.stages !== 1) mmu.invalidateStage2(operation.match === "all" ? undefined : vmid);
    switch (operation.match) {
      case "all":
      case "vmid":
      case "ipa":
        return tlb.invalidate(reaches);
      case "asid": {
        const asid = hi >>> 16;
        return tlb.invalidate((bank) => reaches(bank) && bank.asid === asid);
      }
    }
    const asid = operation.match === "vaAllAsid" || operation.regime === "EL2" ? undefined : hi >>> 16;
    if (operation.isRange) return this.#range(reaches, asid, lo, hi);
    // The argument is VA[55:12].
    const pageHi = ((hi & 0xfff) << 12 | lo >>> 20) >>> 0;
    const pageLo = (lo << 12) >>> 0;
    tlb.invalidateVa(reaches, signTop(pageHi), pageLo, asid);
  }

  /** TLBI R*: BaseADDR [36:0], NUM [43:39], SCALE [45:44], TG [47:46], ASID [63:48]. */
  #range(reaches: (bank: Bank) => boolean, asid: number | undefined, lo: number, hi: number): void {
    const pages = (((hi >>> 7) & 31) + 1) * 2 ** (5 * ((hi >>> 12) & 3) + 1);
    const granule = [12, 12, 14, 16][(hi >>> 14) & 3];
    const base = ((hi & 0x1f) * 2 ** 32 + lo) * 2 ** granule;
    const steps = pages * 2 ** (granule - 12);
    if (steps > RANGE_LIMIT) return this.tlb.invalidate(reaches);
    for (let i = 0; i < steps; i++) {
      const va = base + i * 4096;
      const top = Math.floor(va / 2 ** 32);
      // BaseADDR's sign is bit 36: VA bit 48 for 4 KiB pages.
      const signed = (hi & 0x10) ? top | ~(2 ** (granule + 37 - 32) - 1) : top;
      this.tlb.invalidateVa(reaches, signed >>> 0, va >>> 0, asid);
    }
  }
}

/** VA[55] extended over the top byte. */
function signTop(hi: number): number {
  return (hi & (1 << 23) ? hi | 0xff00_0000 : hi & 0x00ff_ffff) >>> 0;
}
