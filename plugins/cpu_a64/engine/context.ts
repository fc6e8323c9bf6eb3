/** The present translation context: which TLB banks the generated code uses, and whether FP traps. */
import * as at from "../state.ts";
import { registerOffset } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import type { Mmu } from "./mmu/mod.ts";
import type { Bank, Tlb } from "./tlb.ts";

const CPACR_EL1 = registerOffset("CPACR_EL1");
const CPTR_EL2 = registerOffset("CPTR_EL2");
const HCR_EL2 = registerOffset("HCR_EL2");
const SCTLR_EL1 = registerOffset("SCTLR_EL1");
const SCTLR_EL2 = registerOffset("SCTLR_EL2");

/** Modes of a bank: EL0, EL1, EL1 with PAN, EL2; plus 8 when the regime's stage 1 is off. */
const MODE_EL0 = 0, MODE_EL1 = 1, MODE_EL1_PAN = 2, MODE_EL2 = 3, STAGE1_OFF = 8;

/** True for a live bank for `mode` in another one's address space, with stage 1 on or off alike. */
function isSibling(bank: Bank | undefined, other: Bank, mode: number): boolean {
  return bank !== undefined && bank.vcpu === other.vcpu && bank.vmid === other.vmid && bank.asid === other.asid &&
    bank.mode === (mode | (other.mode & STAGE1_OFF));
}

/** Keeps TLB pointers and FP_ENABLED true to PSTATE and the system registers. */
export class TranslationContext {
  #vcpu = 0;

  constructor(readonly block: Block, readonly mmu: Mmu, readonly tlb: Tlb) {}

  /** Another vCPU is in the block. */
  enter(vcpu: number): void {
    this.#vcpu = vcpu;
    this.mmu.mpu?.select(vcpu);
  }

  /** Empties the present vCPU's banks if its MPUs changed since the last look. Owed before another vCPU enters. */
  settle(): void {
    if (this.mmu.mpu?.settle(this.#vcpu)) this.tlb.invalidate((bank) => bank.vcpu === this.#vcpu);
  }

  /** Call after any change of EL, PAN, ASID, VMID or the MMU's enable bits. */
  update(): void {
    this.settle();
    const { block, mmu, tlb } = this;
    const el = block.get(at.EL);
    const off = block.get(el === 2 ? SCTLR_EL2 : SCTLR_EL1) & 1 ? 0 : STAGE1_OFF;
    const asid = mmu.asid();
    const vmid = mmu.vmid();
    const mode = el === 0 ? MODE_EL0 : el === 2 ? MODE_EL2 : block.get(at.PAN) ? MODE_EL1_PAN : MODE_EL1;
    const data = tlb.select(this.#vcpu, el === 2 ? 0 : vmid, el === 2 ? 0 : asid, mode | off);
    // LDTR acts as EL0, unless UAO or EL2 say otherwise.
    const user = el !== 1 || block.get(at.UAO) ? data : tlb.select(this.#vcpu, vmid, asid, MODE_EL0 | off);
    block.set(at.TLB, data.address);
    block.set(at.TLB_UNPRIVILEGED, user.address);
    block.set(at.FP_ENABLED, this.#fpEnabled(el) ? 1 : 0);
    this.#note(el, mode, data, user);
  }

  /** Writes down what generated code needs to change between EL0 and EL1 by itself, in the address space of these banks alone. */
  #note(el: number, mode: number, data: Bank, user: Bank): void {
    const { block, mmu } = this;
    for (let n = MODE_EL0; n <= MODE_EL1_PAN; n++) {
      const known = n === mode ? data : n === MODE_EL0 && el === 1 && user !== data ? user : undefined;
      const noted = block.get(at.BANKS + 4 * n);
      const address = known?.address ?? (isSibling(this.tlb.at(noted), data, n) ? noted : 0);
      // MPUs are looked at anew at each change.
      block.set(at.BANKS + 4 * n, el === 2 || mmu.mpu ? 0 : address);
    }
    block.set(at.FP_ENABLED_AT, this.#fpEnabled(0) ? 1 : 0);
    block.set(at.FP_ENABLED_AT + 4, this.#fpEnabled(1) ? 1 : 0);
  }

  #fpEnabled(el: number): boolean {
    const { block } = this;
    const cptr = block.get(CPTR_EL2);
    if (el === 2 || !(block.get(HCR_EL2) & (1 << 27))) {
      if (cptr & (1 << 10)) return false;
    }
    if (el === 2) return true;
    const fpen = (block.get(CPACR_EL1) >>> 20) & 3;
    return fpen === 3 || (fpen === 1 && el === 1);
  }

  /** Level that takes the FP trap, when FP_ENABLED is 0. */
  fpTrapTarget(): 1 | 2 {
    const { block } = this;
    const el = block.get(at.EL);
    if (el === 2) return 2;
    const fpen = (block.get(CPACR_EL1) >>> 20) & 3;
    const el1 = !(fpen === 3 || (fpen === 1 && el === 1));
    if (el1) return el === 0 && block.get(HCR_EL2) & (1 << 27) ? 2 : 1;
    return 2;
  }
}
