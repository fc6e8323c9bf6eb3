/**
 * The virtual CPU interface of GICv3: what EL1's ICC registers do when HCR_EL2.IMO or FMO is set. Arm IHI 0069, "Virtual interrupt
 * handling and prioritization", and the descriptions of the ICV and ICH registers. Priorities and preemption have five bits.
 *
 * Everything lives in ICH registers of the state block, as two 32-bit words each, so nothing here allocates on the way from an
 * interrupt to its end. A guest can acknowledge and end what list registers hold, and nothing else.
 */
import { EOI_INTID, Hcr, isSpecial, LR_HI, Misr, Signal, SPURIOUS, Vmcr } from "./gic_fields.ts";

const MAX_LIST_REGISTERS = 16;
/** Implemented bits of a priority: five. */
const PRIORITY_MASK = 0xf8;
/** Lowest binary points: what five bits of preemption need. */
const MIN_BPR0 = 2;
const MIN_BPR1 = 3;
/** Bits of ICH_HCR_EL2 that can be written: no TSEI, ICH_VTR_EL2.SEIS is 0. */
const HCR_MASK = 0xf800_5cff;
const VMCR_MASK = 0xf8fc_0213;
const IDLE_PRIORITY = 0xff;
const FIRST_LPI = 8192;

/** The virtual CPU interface of the vCPU whose state is in the block. */
export class GicCpuInterface {
  /** Called when a virtual interrupt with ICH_LR.HW is deactivated: the physical INTID. */
  onPhysicalDeactivate: ((intid: number) => void) | undefined;
  /** Indices in the words. */
  readonly #hcr: number;
  readonly #vmcr: number;
  readonly #vtr: number;
  readonly #active: readonly [number, number];
  readonly #listRegisters: readonly number[];

  /**
   * @param words The memory that holds the state block.
   * @param offsetOf Byte offset of a system register in that memory.
   * @param isLegacy The vCPU uses the memory-mapped interface: ICC_SRE_EL1.SRE is 0.
   */
  constructor(
    private readonly words: () => Uint32Array,
    offsetOf: (register: string) => number,
    private readonly isLegacy: () => boolean = () => false,
  ) {
    const index = (register: string) => offsetOf(register) >>> 2;
    this.#hcr = index("ICH_HCR_EL2");
    this.#vmcr = index("ICH_VMCR_EL2");
    this.#vtr = index("ICH_VTR_EL2");
    this.#active = [index("ICH_AP0R0_EL2"), index("ICH_AP1R0_EL2")];
    this.#listRegisters = Array.from({ length: MAX_LIST_REGISTERS }, (_, n) => index(`ICH_LR${n}_EL2`));
  }

  /** List registers that ICH_VTR_EL2 announces. */
  get listRegisters(): number {
    return Math.min((this.words()[this.#vtr] & 0x1f) + 1, MAX_LIST_REGISTERS);
  }

  /** What the CPU sees, see {@linkcode Signal}. */
  signals(): number {
    const group = this.#signalled();
    return group < 0 ? 0 : group === 1 || !this.#isGroup0Fiq() ? Signal.irq : Signal.fiq;
  }

  /** A virtual IRQ waits. */
  virtualIrqPending(): boolean {
    return this.signals() === Signal.irq;
  }

  /** A virtual FIQ waits. */
  virtualFiqPending(): boolean {
    return this.signals() === Signal.fiq;
  }

  /** ICH_VMCR_EL2. */
  get control(): number {
    return this.words()[this.#vmcr];
  }

  /** The group of the pending interrupt with the highest priority, or -1. `preempting`: only if it may be taken now. */
  waitingGroup(preempting: boolean): -1 | 0 | 1 {
    const n = this.#highestPending();
    return n < 0 || (preempting && !this.#preempts(n)) ? -1 : this.#groupOf(n);
  }

  /** The group whose priority runs; 0 when none does. */
  runningGroup(): 0 | 1 {
    const words = this.words();
    const group0 = words[this.#active[0]];
    const highest = lowestBit(group0 | words[this.#active[1]]);
    return highest < 0 || (group0 >>> highest & 1) !== 0 ? 0 : 1;
  }

  /** ICH_MISR_EL2, whatever ICH_HCR_EL2.En says. */
  maintenanceStatus(): number {
    const words = this.words();
    const hcr = words[this.#hcr];
    const vmcr = words[this.#vmcr];
    let valid = 0;
    let pending = 0;
    let ended = false;
    for (let n = this.listRegisters - 1; n >= 0; n--) {
      const hi = words[this.#listRegisters[n] + 1];
      if ((hi & LR_HI.STATE) !== 0) valid++;
      else if ((hi & LR_HI.HW) === 0 && (hi & LR_HI.EOI) !== 0) ended = true;
      if ((hi & LR_HI.PENDING) !== 0) pending++;
    }
    let misr = ended ? Misr.EOI : 0;
    if ((hcr & Hcr.UIE) !== 0 && valid <= 1) misr |= Misr.U;
    if ((hcr & Hcr.LRENPIE) !== 0 && hcr >>> Hcr.EOI_COUNT_SHIFT !== 0) misr |= Misr.LRENP;
    if ((hcr & Hcr.NPIE) !== 0 && pending === 0) misr |= Misr.NP;
    const [group0, group1] = [(vmcr & Vmcr.VENG0) !== 0, (vmcr & Vmcr.VENG1) !== 0];
    if ((hcr & Hcr.VGRP0_EIE) !== 0 && group0) misr |= Misr.VGRP0_E;
    if ((hcr & Hcr.VGRP0_DIE) !== 0 && !group0) misr |= Misr.VGRP0_D;
    if ((hcr & Hcr.VGRP1_EIE) !== 0 && group1) misr |= Misr.VGRP1_E;
    if ((hcr & Hcr.VGRP1_DIE) !== 0 && !group1) misr |= Misr.VGRP1_D;
    return misr;
  }

  /** The maintenance interrupt, PPI 25 of the physical CPU: an exit to EL2 is due. */
  maintenancePending(): boolean {
    return (this.words()[this.#hcr] & Hcr.EN) !== 0 && this.maintenanceStatus() !== 0;
  }

  /** ICC_IAR0_EL1, ICC_IAR1_EL1: the INTID, now active; 1023 when nothing of this group may be taken. */
  acknowledge(group: 0 | 1): number {
    const words = this.words();
    if ((words[this.#hcr] & Hcr.EN) === 0) return SPURIOUS;
    const n = this.#highestPending();
    if (n < 0 || this.#groupOf(n) !== group || !this.#preempts(n)) return SPURIOUS;
    const index = this.#listRegisters[n];
    words[this.#active[group]] |= 1 << (this.#groupPriority(this.#priorityOf(n), group) >>> 3);
    words[index + 1] = words[index + 1] & ~LR_HI.PENDING | LR_HI.ACTIVE;
    return words[index] & 0xff_ffff;
  }

  /** ICC_EOIR0_EL1, ICC_EOIR1_EL1: priority drop, and with EOImode 0 deactivation. */
  endOfInterrupt(group: 0 | 1, intid: number): void {
    if (isSpecial(intid)) return;
    const words = this.words();
    const [group0, group1] = [words[this.#active[0]], words[this.#active[1]]];
    const highest = lowestBit(group0 | group1);
    // Out of order between the groups is UNPREDICTABLE: ignored.
    if (highest < 0 || ((group === 0 ? group0 : group1) >>> highest & 1) === 0) return;
    words[this.#active[group]] &= ~(1 << highest);
    // LPIs have no deactivation of their own.
    if ((words[this.#vmcr] & Vmcr.VEOIM) === 0 || intid >= FIRST_LPI) this.#deactivate(intid, group);
  }

  /** ICC_DIR_EL1: deactivation; with EOImode 0 it is ignored. */
  deactivate(intid: number): void {
    if (isSpecial(intid) || (this.words()[this.#vmcr] & Vmcr.VEOIM) === 0) return;
    this.#deactivate(intid, undefined);
  }

  /** Whether {@linkcode readRegister} and {@linkcode writeRegister} know the name. */
  handles(name: string): boolean {
    return names.has(name);
  }

  /** MRS of an ICC or ICH register, traps aside. Throws a `RangeError` on a name that it doesn't own. */
  readRegister(name: string): bigint {
    const words = this.words();
    const vmcr = words[this.#vmcr];
    switch (name) {
      case "ICC_PMR_EL1":
        return BigInt(vmcr >>> Vmcr.VPMR_SHIFT & PRIORITY_MASK);
      case "ICC_IAR0_EL1":
        return BigInt(this.acknowledge(0));
      case "ICC_IAR1_EL1":
        return BigInt(this.acknowledge(1));
      case "ICC_HPPIR0_EL1":
        return BigInt(this.#pendingIntid(0));
      case "ICC_HPPIR1_EL1":
        return BigInt(this.#pendingIntid(1));
      case "ICC_RPR_EL1":
        return BigInt(this.#runningPriority());
      case "ICC_BPR0_EL1":
        return BigInt(this.#bpr0());
      case "ICC_BPR1_EL1":
        return BigInt((vmcr & Vmcr.VCBPR) !== 0 ? Math.min(this.#bpr0() + 1, 7) : this.#bpr1());
      case "ICC_CTLR_EL1":
        return BigInt(this.#ctlr());
      case "ICC_SRE_EL1":
        return 7n;
      case "ICC_IGRPEN0_EL1":
        return BigInt(vmcr & 1);
      case "ICC_IGRPEN1_EL1":
        return BigInt(vmcr >>> 1 & 1);
      case "ICC_AP0R0_EL1":
      case "ICH_AP0R0_EL2":
        return BigInt(words[this.#active[0]]);
      case "ICC_AP1R0_EL1":
      case "ICH_AP1R0_EL2":
        return BigInt(words[this.#active[1]]);
      case "ICH_HCR_EL2":
        return BigInt(words[this.#hcr]);
      case "ICH_VMCR_EL2":
        return BigInt(vmcr);
      case "ICH_VTR_EL2":
        return BigInt(words[this.#vtr]);
      case "ICH_MISR_EL2":
        return BigInt(this.maintenanceStatus());
      case "ICH_EISR_EL2":
        return this.#bitmap((hi) => (hi & (LR_HI.STATE | LR_HI.HW)) === 0 && (hi & LR_HI.EOI) !== 0);
      case "ICH_ELRSR_EL2":
        return this.#bitmap((hi) => (hi & LR_HI.STATE) === 0 && ((hi & LR_HI.HW) !== 0 || (hi & LR_HI.EOI) === 0));
    }
    const list = listNumbers.get(name);
    if (list !== undefined) return BigInt(words[this.#listRegisters[list] + 1]) << 32n | BigInt(words[this.#listRegisters[list]]);
    if (writeOnly.has(name)) return 0n;
    throw new RangeError(`${name} is not a register of the GIC's CPU interface`);
  }

  /** MSR to an ICC or ICH register, traps aside. Throws a `RangeError` on a name that it doesn't own. */
  writeRegister(name: string, value: bigint): void {
    const words = this.words();
    const low = Number(value & 0xffff_ffffn);
    switch (name) {
      case "ICC_PMR_EL1":
        return this.#setVmcr(Vmcr.VPMR, (low & PRIORITY_MASK) << Vmcr.VPMR_SHIFT);
      case "ICC_EOIR0_EL1":
        return this.endOfInterrupt(0, low & EOI_INTID);
      case "ICC_EOIR1_EL1":
        return this.endOfInterrupt(1, low & EOI_INTID);
      case "ICC_DIR_EL1":
        return this.deactivate(low & EOI_INTID);
      case "ICC_BPR0_EL1":
        return this.#setVmcr(Vmcr.VBPR0, Math.max(low & 7, MIN_BPR0) << Vmcr.VBPR0_SHIFT);
      case "ICC_BPR1_EL1":
        if ((words[this.#vmcr] & Vmcr.VCBPR) !== 0) return;
        return this.#setVmcr(Vmcr.VBPR1, Math.max(low & 7, MIN_BPR1) << Vmcr.VBPR1_SHIFT);
      case "ICC_CTLR_EL1":
        return this.#setVmcr(Vmcr.VCBPR | Vmcr.VEOIM, ((low & 1) !== 0 ? Vmcr.VCBPR : 0) | ((low & 2) !== 0 ? Vmcr.VEOIM : 0));
      case "ICC_IGRPEN0_EL1":
        return this.#setVmcr(Vmcr.VENG0, (low & 1) !== 0 ? Vmcr.VENG0 : 0);
      case "ICC_IGRPEN1_EL1":
        return this.#setVmcr(Vmcr.VENG1, (low & 1) !== 0 ? Vmcr.VENG1 : 0);
      case "ICC_AP0R0_EL1":
      case "ICH_AP0R0_EL2":
        words[this.#active[0]] = low;
        return;
      case "ICC_AP1R0_EL1":
      case "ICH_AP1R0_EL2":
        words[this.#active[1]] = low;
        return;
      case "ICH_HCR_EL2":
        words[this.#hcr] = low & HCR_MASK;
        return;
      case "ICH_VMCR_EL2":
        // With system registers VFIQEn is RES1, and there is no AckCtl.
        words[this.#vmcr] = this.isLegacy() ? low & (VMCR_MASK | Vmcr.VFIQEN | Vmcr.VACKCTL) : low & VMCR_MASK | Vmcr.VFIQEN;
        this.#setVmcr(Vmcr.VBPR0 | Vmcr.VBPR1, this.#bpr0() << Vmcr.VBPR0_SHIFT | this.#bpr1() << Vmcr.VBPR1_SHIFT);
        return;
    }
    const list = listNumbers.get(name);
    if (list !== undefined) {
      words[this.#listRegisters[list]] = low;
      words[this.#listRegisters[list] + 1] = Number(value >> 32n & 0xf0ff_1fffn);
      return;
    }
    if (readOnly.has(name)) return;
    throw new RangeError(`${name} is not a register of the GIC's CPU interface`);
  }

  /** The group whose interrupt the CPU is told of, or -1. */
  #signalled(): number {
    return (this.words()[this.#hcr] & Hcr.EN) === 0 ? -1 : this.waitingGroup(true);
  }

  #isGroup0Fiq(): boolean {
    return !this.isLegacy() || (this.control & Vmcr.VFIQEN) !== 0;
  }

  /** The list register with the highest-priority pending interrupt of an enabled group, or -1. An active one doesn't count. */
  #highestPending(): number {
    const words = this.words();
    const enables = words[this.#vmcr] & (Vmcr.VENG0 | Vmcr.VENG1);
    if (enables === 0) return -1;
    let found = -1;
    let best = 0x100;
    const count = this.listRegisters;
    for (let n = 0; n < count; n++) {
      const hi = words[this.#listRegisters[n] + 1];
      if ((hi & LR_HI.STATE) >>> 0 !== LR_HI.PENDING || (enables >>> (hi >>> LR_HI.GROUP_SHIFT & 1) & 1) === 0) continue;
      const priority = hi >>> LR_HI.PRIORITY_SHIFT & PRIORITY_MASK;
      if (priority < best) {
        best = priority;
        found = n;
      }
    }
    return found;
  }

  /** It passes the mask, and its group priority is above the running one. */
  #preempts(n: number): boolean {
    const priority = this.#priorityOf(n);
    const mask = this.words()[this.#vmcr] >>> Vmcr.VPMR_SHIFT & PRIORITY_MASK;
    return priority < mask && this.#groupPriority(priority, this.#groupOf(n)) < this.#runningPriority();
  }

  #pendingIntid(group: 0 | 1): number {
    const n = this.#highestPending();
    return n < 0 || this.#groupOf(n) !== group ? SPURIOUS : this.words()[this.#listRegisters[n]] & 0xff_ffff;
  }

  #priorityOf(n: number): number {
    return this.words()[this.#listRegisters[n] + 1] >>> LR_HI.PRIORITY_SHIFT & PRIORITY_MASK;
  }

  #groupOf(n: number): 0 | 1 {
    return (this.words()[this.#listRegisters[n] + 1] >>> LR_HI.GROUP_SHIFT & 1) as 0 | 1;
  }

  /** The part of a priority that preempts. */
  #groupPriority(priority: number, group: 0 | 1): number {
    const common = (this.words()[this.#vmcr] & Vmcr.VCBPR) !== 0;
    const subpriorityBits = group === 0 || common ? this.#bpr0() + 1 : this.#bpr1();
    return priority & (0xff << subpriorityBits) & 0xff;
  }

  #runningPriority(): number {
    const words = this.words();
    const highest = lowestBit(words[this.#active[0]] | words[this.#active[1]]);
    return highest < 0 ? IDLE_PRIORITY : highest << 3;
  }

  #bpr0(): number {
    return Math.max(this.words()[this.#vmcr] >>> Vmcr.VBPR0_SHIFT & 7, MIN_BPR0);
  }

  #bpr1(): number {
    return Math.max(this.words()[this.#vmcr] >>> Vmcr.VBPR1_SHIFT & 7, MIN_BPR1);
  }

  /** Fields of ICH_VTR_EL2 and ICH_VMCR_EL2, in ICC_CTLR_EL1's places. */
  #ctlr(): number {
    const words = this.words();
    const vtr = words[this.#vtr];
    const vmcr = words[this.#vmcr];
    return (vmcr & Vmcr.VCBPR) >>> 4 | (vmcr & Vmcr.VEOIM) >>> 8 | (vtr >>> 29) << 8 | (vtr >>> 23 & 7) << 11 | (vtr >>> 22 & 1) << 14 |
      (vtr >>> 21 & 1) << 15;
  }

  #setVmcr(field: number, value: number): void {
    const words = this.words();
    words[this.#vmcr] = words[this.#vmcr] & ~field | value & field;
  }

  #deactivate(intid: number, group: 0 | 1 | undefined): void {
    const words = this.words();
    const count = this.listRegisters;
    for (let n = 0; n < count; n++) {
      const index = this.#listRegisters[n];
      const hi = words[index + 1];
      if (words[index] !== intid || (hi & LR_HI.ACTIVE) === 0) continue;
      // The other group's: it is there, so it doesn't count as ended elsewhere.
      if (group !== undefined && this.#groupOf(n) !== group) return;
      words[index + 1] = hi & ~LR_HI.ACTIVE;
      if ((hi & LR_HI.HW) !== 0) this.onPhysicalDeactivate?.(hi & LR_HI.PHYSICAL_INTID);
      return;
    }
    if (intid >= FIRST_LPI) return;
    const hcr = words[this.#hcr];
    words[this.#hcr] = hcr + (1 << Hcr.EOI_COUNT_SHIFT); // wraps from 31 to 0: the carry falls out of the word
  }

  #bitmap(matches: (hi: number) => boolean): bigint {
    const words = this.words();
    let bits = 0;
    for (let n = this.listRegisters - 1; n >= 0; n--) if (matches(words[this.#listRegisters[n] + 1])) bits |= 1 << n;
    return BigInt(bits);
  }
}

/** Number of the lowest set bit, or -1. */
function lowestBit(word: number): number {
  return word === 0 ? -1 : 31 - Math.clz32(word & -word);
}

/** Numbers of the list registers, which EL2 reads at every exit. */
const listNumbers: ReadonlyMap<string, number> = new Map(Array.from({ length: MAX_LIST_REGISTERS }, (_, n) => [`ICH_LR${n}_EL2`, n]));

const writeOnly: ReadonlySet<string> = new Set(["ICC_EOIR0_EL1", "ICC_EOIR1_EL1", "ICC_DIR_EL1"]);
const readOnly: ReadonlySet<string> = new Set([
  ...["ICC_IAR0_EL1", "ICC_IAR1_EL1", "ICC_HPPIR0_EL1", "ICC_HPPIR1_EL1", "ICC_RPR_EL1", "ICC_SRE_EL1"],
  ...["ICH_VTR_EL2", "ICH_MISR_EL2", "ICH_EISR_EL2", "ICH_ELRSR_EL2"],
]);

/** Every register that is answered here. Those that send SGIs trap to EL2, and ICC_SRE_EL2 is plain storage. */
const names: ReadonlySet<string> = new Set([
  ...writeOnly,
  ...readOnly,
  ...["ICC_PMR_EL1", "ICC_BPR0_EL1", "ICC_BPR1_EL1", "ICC_CTLR_EL1", "ICC_IGRPEN0_EL1", "ICC_IGRPEN1_EL1"],
  ...["ICH_HCR_EL2", "ICH_VMCR_EL2"],
  // With five bits of preemption numbers 1 to 3 don't exist: UNDEFINED.
  ...["ICC_AP0R0_EL1", "ICC_AP1R0_EL1", "ICH_AP0R0_EL2", "ICH_AP1R0_EL2"],
  ...listNumbers.keys(),
]);
