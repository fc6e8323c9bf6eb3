/** The present translation context: which TLB banks the generated code uses, and whether FP traps. */
import * as at from "../state.ts";
import { registerOffset } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import type { Mmu } from "./mmu/mod.ts";
import type { Spaces } from "./spaces.ts";
import { MODE_EL0, MODE_EL1, MODE_EL1_PAN, MODE_EL2, type Tlb } from "./tlb.ts";

const CPACR_EL1 = registerOffset("CPACR_EL1");
const CPTR_EL2 = registerOffset("CPTR_EL2");
const HCR_EL2 = registerOffset("HCR_EL2");
const SCTLR_EL1 = registerOffset("SCTLR_EL1");
const SCTLR_EL2 = registerOffset("SCTLR_EL2");

/** Added to a bank's mode: the regime's stage 1 is off; SCTLR_EL1.A is set, and no data is in the bank, so that all accesses are looked at. */
const STAGE1_OFF = 8, ALIGNED = 4;
/** SCTLR_ELx. */
const M = 1, A = 2;

/** Keeps TLB pointers and FP_ENABLED true to PSTATE and the system registers. */
export class TranslationContext {
  #vcpu = 0;
  /** Whose address spaces the table has: vCPU, VMID, and what SCTLR says; -1: of nobody. */
  #owner = -1;
  #evictions = 0;

  constructor(readonly block: Block, readonly mmu: Mmu, readonly tlb: Tlb, readonly spaces: Spaces) {}

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
    const { block, mmu } = this;
    const el = block.get(at.EL);
    const sctlr = block.get(el === 2 ? SCTLR_EL2 : SCTLR_EL1);
    const rules = (sctlr & M ? 0 : STAGE1_OFF) | (el < 2 && sctlr & A ? ALIGNED : 0);
    // MPUs are looked at anew at each change.
    if (el === 2 || mmu.mpu) this.#select(el, rules);
    else this.#choose(el, rules, mmu.vmid(), mmu.asid());
    const fpAtEl0 = this.#fpEnabled(0) ? 1 : 0, fpAtEl1 = this.#fpEnabled(1) ? 1 : 0;
    block.set(at.FP_ENABLED_AT, fpAtEl0);
    block.set(at.FP_ENABLED_AT + 4, fpAtEl1);
    block.set(at.FP_ENABLED, el === 0 ? fpAtEl0 : el === 1 ? fpAtEl1 : this.#fpEnabled(2) ? 1 : 0);
  }

  /**
   * Call after a change of EL or PAN alone since the last {@linkcode update}, such as an exception makes: what that wrote down is enough,
   * as it is for generated code.
   */
  enterLevel(): void {
    const { block } = this;
    const el = block.get(at.EL);
    const bank = el === 2 ? 0 : block.get(at.BANKS + 4 * this.#mode(el)), user = block.get(at.BANKS);
    if (bank === 0 || user === 0) return this.update();
    block.set(at.TLB, bank);
    block.set(at.TLB_UNPRIVILEGED, this.#isPrivileged(el) ? bank : user);
    block.set(at.FP_ENABLED, block.get(at.FP_ENABLED_AT + 4 * el));
  }

  /** Banks that generated code doesn't find by itself. */
  #select(el: number, rules: number): void {
    this.settle();
    const { block, mmu, tlb } = this;
    const vmid = el === 2 ? 0 : mmu.vmid(), asid = el === 2 ? 0 : mmu.asid();
    const data = tlb.select(this.#vcpu, vmid, asid, (el === 2 ? MODE_EL2 : this.#mode(el)) | rules);
    block.set(at.TLB, data.address);
    block.set(at.TLB_UNPRIVILEGED, this.#isPrivileged(el) ? data.address : tlb.select(this.#vcpu, vmid, asid, MODE_EL0 | rules).address);
    for (let n = MODE_EL0; n <= MODE_EL1_PAN; n++) block.set(at.BANKS + 4 * n, 0);
  }

  /** Banks of EL0 and EL1, of which those of the present address space are noted in the block, and those of others in the table. */
  #choose(el: number, rules: number, vmid: number, asid: number): void {
    const { block, tlb, spaces } = this;
    const owner = (vmid * 256 + this.#vcpu) * 16 + rules;
    if (owner !== this.#owner || tlb.evictions !== this.#evictions) {
      spaces.clear();
      this.#owner = owner;
      this.#evictions = tlb.evictions;
    }
    const find = (mode: number): number => {
      const known = block.words[spaces.row(asid) + 1 + mode];
      if (known !== 0) return known;
      this.#touch();
      const { address } = tlb.select(this.#vcpu, vmid, asid, mode | rules);
      if (tlb.evictions !== this.#evictions) spaces.clear();
      this.#evictions = tlb.evictions;
      return block.words[spaces.row(asid) + 1 + mode] = address;
    };
    const data = find(this.#mode(el));
    // The latter may be the first of a row that another one has emptied: what isn't noted is asked for again.
    const user = this.#isPrivileged(el) ? data : find(MODE_EL0);
    block.set(at.TLB, data);
    block.set(at.TLB_UNPRIVILEGED, user);
    const row = spaces.row(asid) + 1;
    for (let n = MODE_EL0; n <= MODE_EL1_PAN; n++) block.set(at.BANKS + 4 * n, block.words[row + n]);
  }

  /** Those that generated code went to and fro between, unseen, are no older than the one that is selected next. */
  #touch(): void {
    for (let n = MODE_EL0; n <= MODE_EL1_PAN; n++) {
      const bank = this.tlb.at(this.block.get(at.BANKS + 4 * n));
      if (bank) this.tlb.select(bank.vcpu, bank.vmid, bank.asid, bank.mode);
    }
  }

  #mode(el: number): number {
    return el === 0 ? MODE_EL0 : this.block.get(at.PAN) ? MODE_EL1_PAN : MODE_EL1;
  }

  /** LDTR acts as EL0, unless UAO or EL2 say otherwise. */
  #isPrivileged(el: number): boolean {
    return el !== 1 || this.block.get(at.UAO) !== 0;
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
