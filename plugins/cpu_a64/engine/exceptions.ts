/**
 * Taking exceptions to EL1 and EL2, and returning from them. The methods change
 * the state block only; what follows (look up the MMU context, check interrupts,
 * leave the run loop when EL is 2) is the caller's. Arm ARM DDI 0487, "The
 * AArch64 System Level Programmers' Model".
 */
import { DAIF, EL, PC, SS, STEPPED } from "../state.ts";
import { type Feature, getWord, registerOffset, setPair, setWord, trapIss, type Trapped } from "../sysregs/mod.ts";
import { FaultLoop } from "./fault_loop.ts";
import type { Block } from "./block.ts";
import { SPSR } from "./pstate.ts";
import { type ExceptionRoutines, exceptionRoutines } from "./routines/exceptions.ts";
import {
  type AbortFields,
  BREAKPOINT_ISS,
  dataAbortIss,
  EC,
  hpfarOf,
  instructionAbortIss,
  stepIss,
  Stepped,
  waitIss,
  watchpointIss,
} from "./syndrome.ts";

/** What an exception of the architecture consists of. */
export interface ExceptionRequest {
  /** Level that takes it: the present one or a higher one. */
  readonly toEl: 1 | 2;
  /** Exception class; without one the exception is an interrupt, which has no syndrome. */
  readonly ec?: number;
  /** 25 bits. */
  readonly iss?: number;
  /** FAR_ELx, as two words; left alone without. */
  readonly farLo?: number;
  readonly farHi?: number;
  /** The IPA that stage 2 refused, for HPFAR_EL2. */
  readonly ipa?: number;
  /** Preferred return address, relative to PC: 4 for SVC and HVC. */
  readonly returnOffset?: 0 | 4;
  /** Which of the four vectors of a group. */
  readonly vector?: Vector;
}

/** Kinds of vectors. */
export type Vector = "synchronous" | "irq" | "fiq" | "serror";
const VECTOR: Readonly<Record<Vector, number>> = { synchronous: 0, irq: 0x80, fiq: 0x100, serror: 0x180 };

/** Interrupt kinds: the HCR_EL2 bit that routes one to EL2, and its PSTATE mask in `state.DAIF`. */
const INTERRUPTS = { irq: { route: 1 << 4, mask: 2 }, fiq: { route: 1 << 3, mask: 1 }, serror: { route: 1 << 5, mask: 4 } } as const;
export type InterruptKind = keyof typeof INTERRUPTS;

/** Without EL3, what SMC does is the implementation's choice: HCR_EL2.TSC traps it, or it is always UNDEFINED. */
export type SmcPolicy = "trap" | "undefined";

/** HCR_EL2 bits. */
const TWI = 1 << 13, TWE = 1 << 14, TSC = 1 << 19, TGE = 1 << 27, HCD = 1 << 29;
/** SCTLR_EL1 bits. */
const NTWI = 1 << 16, NTWE = 1 << 18;
/** MDCR_EL2.TDE; MDSCR_EL1.SS and KDE; OSLSR_EL1.OSLK. */
const TDE = 1 << 8, STEP = 1, KDE = 1 << 13, OSLK = 2;

const HCR_EL2 = registerOffset("HCR_EL2"), MDCR_EL2 = registerOffset("MDCR_EL2"), HPFAR_EL2 = registerOffset("HPFAR_EL2");
const SCTLR_EL1 = registerOffset("SCTLR_EL1"), MDSCR_EL1 = registerOffset("MDSCR_EL1"), OSLSR_EL1 = registerOffset("OSLSR_EL1");
/** Slots by Exception level. */
const forLevels = (name: string): readonly number[] => [-1, registerOffset(`${name}_EL1`), registerOffset(`${name}_EL2`)];
const ELR = forLevels("ELR"), SPSR_SLOT = forLevels("SPSR"), ESR = forLevels("ESR"), FAR = forLevels("FAR");

/** ESR_ELx, IL set; 0 for an interrupt. */
function esrOf({ ec, iss = 0 }: ExceptionRequest): number {
  return ec === undefined ? 0 : ec << 26 | 1 << 25 | iss;
}

/** The exception model of one state block. */
export class ExceptionUnit {
  /** Watches for vectors that fault on themselves. Reset it when another vCPU moves into the block. */
  readonly loop: FaultLoop;
  /** What generated code calls too. */
  readonly routines: ExceptionRoutines;

  constructor(readonly block: Block, features: ReadonlySet<Feature>, private readonly smc: SmcPolicy = "trap") {
    this.loop = new FaultLoop(block);
    this.routines = exceptionRoutines(block.memory, block.address, features.has("PAN"));
  }

  /** Level that a synchronous exception of the present level goes to by default. */
  route(): 1 | 2 {
    const el = getWord(this.block, EL);
    return el === 2 || (el === 0 && (getWord(this.block, HCR_EL2) & TGE) !== 0) ? 2 : 1;
  }

  /** Takes an exception. */
  take(request: ExceptionRequest): void {
    const { block, routines } = this;
    const { toEl, returnOffset = 0, vector = "synchronous" } = request;
    const fromEl = getWord(block, EL);
    this.addresses(request);
    if (toEl === 1) routines.take1(esrOf(request), returnOffset, VECTOR[vector]);
    else routines.take2(esrOf(request), returnOffset, VECTOR[vector]);
    this.observe(request, fromEl, PC);
  }

  /**
   * EL2 makes EL1 take a synchronous exception in the context that it
   * interrupted: ELR_EL2 and SPSR_EL2 become those of the vector. At EL0 and
   * EL1 the same as {@linkcode take}.
   */
  inject(request: Omit<ExceptionRequest, "toEl" | "ipa">): void {
    const { block } = this;
    if (getWord(block, EL) < 2) return this.take({ ...request, toEl: 1 });
    const spsr = getWord(block, SPSR_SLOT[2]);
    // Into EL2's own code there is nothing to inject.
    if ((spsr >>> 2 & 3) >= 2) return;
    const taken: ExceptionRequest = { ...request, toEl: 1 };
    this.addresses(taken);
    const { returnOffset = 0, vector = "synchronous" } = request;
    setPair(block, SPSR_SLOT[2], this.routines.record1(spsr, ELR[2], esrOf(taken), returnOffset, VECTOR[vector]), 0);
    this.observe(taken, spsr >>> 2 & 3, ELR[2]);
  }

  /** EL2 answers a trapped instruction with "UNDEFINED". */
  injectUndefined(): void {
    this.inject({ ec: EC.unknown });
  }

  /** EL2 gives an abort to EL1. `status`: DFSC or IFSC, 0b010000 for a synchronous external abort. */
  injectAbort(access: "read" | "write" | "fetch", farLo: number, farHi: number, status: number): void {
    const el = getWord(this.block, EL) === 2 ? getWord(this.block, SPSR_SLOT[2]) >>> 2 & 3 : getWord(this.block, EL);
    const isFetch = access === "fetch";
    const lower = isFetch ? EC.instructionAbortLower : EC.dataAbortLower;
    const iss = isFetch ? instructionAbortIss({ status }) : dataAbortIss({ status, isWrite: access === "write" });
    this.inject({ ec: el === 0 ? lower : lower + 1, iss, farLo, farHi });
  }

  /** Writes FAR and HPFAR. */
  private addresses({ toEl, farLo, farHi = 0, ipa }: ExceptionRequest): void {
    if (farLo !== undefined) setPair(this.block, FAR[toEl], farLo, farHi);
    if (ipa === undefined) return;
    const hpfar = hpfarOf(ipa);
    setPair(this.block, HPFAR_EL2, hpfar[0], hpfar[1]);
  }

  /** Shows the watch an exception that EL1 took; what EL2 handles in between is no progress for EL1. `pcSlot`: where the vector is. */
  private observe({ toEl, ec }: ExceptionRequest, fromEl: number, pcSlot: number): void {
    if (toEl === 2) return;
    const { block } = this;
    const word = (offset: number) => getWord(block, offset);
    const esr = ec === undefined ? undefined : word(ESR[1]);
    this.loop.observe(fromEl === 1, word(ELR[1]), word(ELR[1] + 4), word(pcSlot), word(pcSlot + 4), esr, word(FAR[1]));
  }

  /** An UNDEFINED instruction. */
  undefined(): void {
    this.take({ toEl: this.route(), ec: EC.unknown });
  }

  /** SVC. PC is at the instruction; the return address is after it. */
  supervisorCall(immediate: number): void {
    this.endStep();
    this.take({ toEl: this.route(), ec: EC.svc, iss: immediate & 0xffff, returnOffset: 4 });
  }

  /** HVC: UNDEFINED at EL0, and where HCR_EL2.HCD disables it. */
  hypervisorCall(immediate: number): void {
    if (getWord(this.block, EL) === 0 || (getWord(this.block, HCR_EL2) & HCD) !== 0) return this.undefined();
    this.endStep();
    this.take({ toEl: 2, ec: EC.hvc, iss: immediate & 0xffff, returnOffset: 4 });
  }

  /** SMC without EL3: HCR_EL2.TSC traps it from EL1 (the return address is the instruction), else it is UNDEFINED. */
  secureMonitorCall(immediate: number): void {
    const isTrapped = this.smc === "trap" && getWord(this.block, EL) === 1 && (getWord(this.block, HCR_EL2) & TSC) !== 0;
    if (!isTrapped) return this.undefined();
    this.take({ toEl: 2, ec: EC.smc, iss: immediate & 0xffff });
  }

  /** BRK. */
  breakpointInstruction(immediate: number): void {
    this.take({ toEl: this.debugTarget(), ec: EC.brk, iss: immediate & 0xffff });
  }

  /** An instruction was to execute while PSTATE.IL is set. */
  illegalState(): void {
    this.take({ toEl: this.route(), ec: EC.illegalState });
  }

  /** PC isn't a multiple of 4. */
  pcAlignment(): void {
    const { block } = this;
    this.take({ toEl: this.route(), ec: EC.pcAlignment, farLo: getWord(block, PC), farHi: getWord(block, PC + 4) });
  }

  /** SP isn't a multiple of 16, and SCTLR_ELx.SA or SA0 checks. */
  spAlignment(): void {
    this.take({ toEl: this.route(), ec: EC.spAlignment });
  }

  /** An access that `access` or `instructionAccess` refused; `instruction` is the instruction word. */
  trapped(trap: Trapped, instruction: number): void {
    this.take({ toEl: trap.trapTo, ec: trap.ec, iss: trapIss(trap, instruction) });
  }

  /** Takes the trap of a WFI or WFE that is about to wait, if there is one; tells whether. */
  waitTrapped(isWfe: boolean): boolean {
    const { block } = this;
    const el = getWord(block, EL), hcr = getWord(block, HCR_EL2);
    if (el === 0 && (getWord(block, SCTLR_EL1) & (isWfe ? NTWE : NTWI)) === 0) {
      this.take({ toEl: this.route(), ec: EC.wfx, iss: waitIss(isWfe) });
      return true;
    }
    if (el === 2 || (hcr & (isWfe ? TWE : TWI)) === 0) return false;
    this.take({ toEl: 2, ec: EC.wfx, iss: waitIss(isWfe) });
    return true;
  }

  /** A data abort. With an `ipa` stage 2 refused and EL2 takes it; else the level whose stage 1 it was. */
  dataAbort(farLo: number, farHi: number, fields: AbortFields, ipa?: number): void {
    const toEl = ipa === undefined ? this.route() : 2;
    const ec = this.isFromLower(toEl) ? EC.dataAbortLower : EC.dataAbortSame;
    this.take({ toEl, ec, iss: dataAbortIss(fields), farLo, farHi, ipa });
  }

  /** An instruction abort, in the same way. */
  instructionAbort(farLo: number, farHi: number, fields: AbortFields, ipa?: number): void {
    const toEl = ipa === undefined ? this.route() : 2;
    const ec = this.isFromLower(toEl) ? EC.instructionAbortLower : EC.instructionAbortSame;
    this.take({ toEl, ec, iss: instructionAbortIss(fields), farLo, farHi, ipa });
  }

  /** The exception of software step; its syndrome says what was stepped. */
  softwareStep(): void {
    this.debugException(EC.stepLower, stepIss(getWord(this.block, STEPPED)));
  }

  /** A hardware breakpoint matched PC. */
  breakpoint(): void {
    this.debugException(EC.breakpointLower, BREAKPOINT_ISS);
  }

  /** A watchpoint matched an access. */
  watchpoint(farLo: number, farHi: number, isWrite: boolean, isMaintenance = false): void {
    this.debugException(EC.watchpointLower, watchpointIss(isWrite, isMaintenance), farLo, farHi);
  }

  /** The classes for "same level" follow those for "lower level". */
  private debugException(lowerEc: number, iss: number, farLo?: number, farHi?: number): void {
    const toEl = this.debugTarget();
    this.take({ toEl, ec: this.isFromLower(toEl) ? lowerEc : lowerEc + 1, iss, farLo, farHi });
  }

  private isFromLower(toEl: number): boolean {
    return getWord(this.block, EL) < toEl;
  }

  /** Takes an interrupt to a level, as {@linkcode physicalTarget} or {@linkcode isVirtualTaken} say. */
  interrupt(kind: InterruptKind, toEl: 1 | 2): void {
    this.take({ toEl, vector: kind, ec: kind === "serror" ? EC.serror : undefined });
  }

  /** Level that takes a pending physical interrupt now; 0: it stays pending. */
  physicalTarget(kind: InterruptKind): 0 | 1 | 2 {
    const { route, mask } = INTERRUPTS[kind];
    const el = getWord(this.block, EL);
    const isMasked = (getWord(this.block, DAIF) & mask) !== 0;
    if ((getWord(this.block, HCR_EL2) & (route | TGE)) !== 0) return el < 2 || !isMasked ? 2 : 0;
    return el < 2 && !isMasked ? 1 : 0;
  }

  /** True when a pending virtual interrupt is taken now, which is to EL1 always. */
  isVirtualTaken(kind: InterruptKind): boolean {
    const { route, mask } = INTERRUPTS[kind];
    if (getWord(this.block, EL) === 2 || (getWord(this.block, DAIF) & mask) !== 0) return false;
    return (getWord(this.block, HCR_EL2) & (route | TGE)) === route;
  }

  /** Level that takes debug exceptions. */
  private debugTarget(): 1 | 2 {
    const { block } = this;
    const toEl2 = getWord(block, EL) === 2 || (getWord(block, HCR_EL2) & TGE) !== 0 || (getWord(block, MDCR_EL2) & TDE) !== 0;
    return toEl2 ? 2 : 1;
  }

  /** Breakpoints, watchpoints and steps are enabled at a level with this PSTATE.D. "AArch64.GenerateDebugExceptionsFrom". */
  isDebugEnabled(el: number = getWord(this.block, EL), isMasked: boolean = (getWord(this.block, DAIF) & 8) !== 0): boolean {
    const { block } = this;
    if ((getWord(block, OSLSR_EL1) & OSLK) !== 0) return false;
    const target = (getWord(block, HCR_EL2) & TGE) !== 0 || (getWord(block, MDCR_EL2) & TDE) !== 0 ? 2 : 1;
    if (el === target) return (getWord(block, MDSCR_EL1) & KDE) !== 0 && !isMasked;
    return el < target;
  }

  /** Software step: `notPending`: one instruction executes first; `pending`: the exception is due before the next one. */
  stepState(): "inactive" | "notPending" | "pending" {
    if ((getWord(this.block, MDSCR_EL1) & STEP) === 0 || !this.isDebugEnabled()) return "inactive";
    return getWord(this.block, SS) !== 0 ? "notPending" : "pending";
  }

  /** A stepped instruction has executed: PSTATE.SS advances. */
  endStep(stepped: number = Stepped.instruction): void {
    setWord(this.block, SS, 0);
    setWord(this.block, STEPPED, stepped);
  }

  /** ERET at EL1 or EL2. An illegal one sets PSTATE.IL and stays at its level; tells whether it was legal. */
  exceptionReturn(): boolean {
    const { block, routines } = this;
    const el = getWord(block, EL);
    if (el === 1) this.loop.reset();
    const target = routines.returnTarget();
    routines.exceptionReturn(this.stepAfterReturn(target < 0 ? el : target, getWord(block, SPSR_SLOT[el])));
    return target >= 0;
  }

  /** "DebugExceptionReturnSS": SPSR.SS counts when stepping is off here and on there. */
  private stepAfterReturn(target: number, spsr: number): number {
    if ((getWord(this.block, MDSCR_EL1) & STEP) === 0) return 0;
    if (this.isDebugEnabled() || !this.isDebugEnabled(target, (spsr & SPSR.D) !== 0)) return 0;
    return spsr >>> 21 & 1;
  }
}
