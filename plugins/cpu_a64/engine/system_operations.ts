/** What instructions do beyond computation and memory: exceptions, waiting, PSTATE, system registers. */
import type { SystemOp } from "../isa/dsl.ts";
import * as at from "../state.ts";
import { instructionAccess, packedOfInstruction, registerByName, registerOffset, type SystemInstruction } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import type { TranslationContext } from "./context.ts";
import type { ExceptionUnit } from "./exceptions.ts";
import { Status } from "./layout.ts";
import type { Maintenance } from "./maintenance.ts";
import { switchSp } from "./pstate.ts";
import { Effect, type Registers } from "./registers.ts";
import { systemOps } from "./tier0.ts";
import { EC } from "./syndrome.ts";

/** SCTLR_EL1: stack alignment checks at EL1 and EL0, DAIF access from EL0. */
const SCTLR_EL1 = registerOffset("SCTLR_EL1");
const SA = 1 << 3, SA0 = 1 << 4, UMA = 1 << 9;
/** After writes with these much is computed anew, but for TTBR0_EL1 and TTBR1_EL1, which generated code mostly writes. */
const SLOW_EFFECTS = Effect.context | Effect.exit | Effect.stop;
const TTBR: ReadonlySet<number> = new Set(["TTBR0_EL1", "TTBR1_EL1"].map((name) => registerByName(name).packed));
/** ISS of an FP access trap: condition "always". */
const FP_TRAP_ISS = 0x1e0_0000;

/** The parts of a CPU that these operations act on. */
export interface SystemParts {
  readonly block: Block;
  readonly exceptions: ExceptionUnit;
  readonly registers: Registers;
  readonly context: TranslationContext;
  readonly maintenance: Maintenance;
  findInstruction(packed: number): SystemInstruction | undefined;
  syncPc(): void;
  /** An exception or a return changed PC. */
  redirect(): void;
  wait(instruction: "WFI" | "WFE"): void;
  /** The hypervisor wants to look (timers, interrupt controller). */
  exit(): void;
  /** The instruction takes a thousand times as long as others: whether it does is in the architecture's state, not in caches of ours. */
  tookLong(): void;
  sendEvent(): void;
  /** Whether an interrupt would be taken now. */
  interruptTaken(): boolean;
  /** Whether one is pending, masked or not. */
  interruptPending(): boolean;
  updateInterrupts(): void;
  /** True when another thread's SEV has set the event register since the last look. */
  takeEvent(): boolean;
  /** DSB, where barriers are watched: the instruction's CRm. */
  barrier(crm: number): void;
}

/** Executes `SystemOp`s. Results are `Status` values: next, leave (an exception), or stop (done, look anew). */
export class SystemOperations {
  readonly #handlers: ((word: number) => number)[];

  constructor(readonly parts: SystemParts) {
    const { block, exceptions } = parts;
    const p = parts;
    const take = (exception: (word: number) => void) => (word: number): number => {
      p.syncPc();
      exception(word);
      return this.#redirected();
    };
    const immediate = (word: number) => (word >>> 5) & 0xffff;
    const undefined_ = take(() => exceptions.undefined());
    const table: Record<SystemOp, (word: number) => number> = {
      svc: take((word) => exceptions.supervisorCall(immediate(word))),
      hvc: take((word) => exceptions.hypervisorCall(immediate(word))),
      smc: take((word) => exceptions.secureMonitorCall(immediate(word))),
      brk: take((word) => exceptions.breakpointInstruction(immediate(word))),
      hlt: undefined_,
      undefined: undefined_,
      fpTrap: take(() => exceptions.take({ toEl: p.context.fpTrapTarget(), ec: EC.floatingPoint, iss: FP_TRAP_ISS })),
      eret: (word) => {
        if (block.get(at.EL) === 0) return undefined_(word);
        p.syncPc();
        exceptions.exceptionReturn();
        return this.#redirected();
      },
      mrs: (word) => this.#mrs(word),
      msr: (word) => this.#msr(word),
      msrImmediate: (word) => this.#msrImmediate(word),
      sys: (word) => this.#sys(word),
      wfi: () => this.#wait("WFI"),
      wfe: () => this.#wait("WFE"),
      sev: () => {
        p.sendEvent();
        block.set(at.EVENT, 1);
        return Status.next;
      },
      sevl: () => {
        block.set(at.EVENT, 1);
        return Status.next;
      },
      dsb: (word) => {
        p.barrier(word >>> 8 & 15);
        return Status.next;
      },
      clrex: () => {
        block.set(at.EXCLUSIVE, 0);
        return Status.next;
      },
      spAlignment: () => {
        const el = block.get(at.EL);
        if (el < 2 && !(block.get(SCTLR_EL1) & (el === 0 ? SA0 : SA))) return Status.next;
        p.syncPc();
        exceptions.spAlignment();
        return this.#redirected();
      },
    };
    this.#handlers = systemOps.map((op) => table[op]);
  }

  /** @param op index in `systemOps`; @param word the instruction */
  execute(op: number, word: number): number {
    return this.#handlers[op](word);
  }

  #redirected(): number {
    this.parts.redirect();
    return Status.leave;
  }

  #mrs(word: number): number {
    const { block, registers } = this.parts;
    const count = registers.fastCount(word);
    if (count >= 0) {
      block.setX(word & 31, count >>> 0, Math.floor(count / 2 ** 32));
      return Status.next;
    }
    this.parts.syncPc();
    const value = registers.mrs(word);
    if (value === undefined) return this.#redirected();
    if ((word & 31) !== 31) block.set64(at.x(word & 31), value);
    return this.#isGicAcknowledge(word) ? this.#apply(registers.gicEffect()) : Status.next;
  }

  /** Reading ICC_IAR<n>_EL1 changes state: op0 3, op1 0, CRn 12, CRm 8 or 12, op2 0. */
  #isGicAcknowledge(word: number): boolean {
    const packed = packedOfInstruction(word);
    return packed === 0xc660 || packed === 0xc640;
  }

  #msr(word: number): number {
    const { block, registers } = this.parts;
    this.parts.syncPc();
    const n = word & 31;
    const effect = registers.msr(word, n === 31 ? 0n : block.get64(at.x(n)));
    if (effect === undefined) return this.#redirected();
    if (effect & SLOW_EFFECTS && !TTBR.has(packedOfInstruction(word))) this.parts.tookLong();
    return this.#apply(effect);
  }

  #apply(effect: number): number {
    const { parts } = this;
    if (effect === Effect.none) return Status.next;
    if (effect & Effect.context) parts.context.update();
    if (effect & Effect.exit) parts.exit();
    if (effect & Effect.interrupts) parts.updateInterrupts();
    if (effect & (Effect.exit | Effect.stop)) return Status.stop;
    // MSR DAIF may unmask an interrupt, or software step.
    if (effect & Effect.interrupts && (parts.interruptTaken() || parts.exceptions.stepState() !== "inactive")) return Status.stop;
    return effect & Effect.context ? this.#lookAnew() : Status.next;
  }

  /** In a new translation context, and after TLBI, the next instruction is looked up anew, or it would matter where a run is cut. */
  #lookAnew(): number {
    const { block } = this.parts;
    const lo = block.get(at.PC) + 4;
    block.branchAnew(lo, block.get(at.PC + 4) + (lo > 0xffff_ffff ? 1 : 0));
    return Status.branch;
  }

  #msrImmediate(word: number): number {
    const { block, registers, exceptions, context } = this.parts;
    const field = ((word >>> 13) & 0x38) | ((word >>> 5) & 7);
    const value = (word >>> 8) & 15;
    const el = block.get(at.EL);
    const has = (feature: "PAN" | "UAO") => registers.file.model.features.has(feature);
    switch (field) {
      case 0o36:
      case 0o37:
        if (el === 0 && !(block.get(SCTLR_EL1) & UMA)) break;
        block.set(at.DAIF, field === 0o36 ? block.get(at.DAIF) | value : block.get(at.DAIF) & ~value);
        return this.parts.interruptTaken() || exceptions.stepState() !== "inactive" ? Status.stop : Status.next;
      case 0o05:
        if (el === 0) break;
        switchSp(block, el, value & 1);
        return Status.next;
      case 0o04:
      case 0o03:
        if (el === 0 || !has(field === 0o04 ? "PAN" : "UAO")) break;
        block.set(field === 0o04 ? at.PAN : at.UAO, value & 1);
        context.update();
        return Status.next;
    }
    this.parts.syncPc();
    if (el === 0 && (field === 0o36 || field === 0o37)) exceptions.trapped({ trapTo: exceptions.route(), ec: EC.systemRegister }, word);
    else exceptions.undefined();
    return this.#redirected();
  }

  #sys(word: number): number {
    const { block, exceptions, maintenance } = this.parts;
    this.parts.syncPc();
    const instruction = this.parts.findInstruction(packedOfInstruction(word));
    const n = word & 31;
    const access = instruction && !(word & (1 << 21)) ? instructionAccess(instruction, block.get(at.EL), block) : "undefined";
    if (access !== "ok") {
      if (access === "undefined") exceptions.undefined();
      else exceptions.trapped(access, word);
      return this.#redirected();
    }
    const { kind } = instruction!.operation;
    if (kind === "tlbi" || kind === "at") this.parts.tookLong();
    if (!maintenance.execute(instruction!, block.xLo(n), block.xHi(n))) return Status.leave;
    return kind === "tlbi" ? this.#lookAnew() : Status.next;
  }

  #wait(instruction: "WFI" | "WFE"): number {
    const { parts } = this;
    const { block, exceptions } = parts;
    if (instruction === "WFE") {
      const isSent = parts.takeEvent();
      if (block.get(at.EVENT) || isSent) {
        block.set(at.EVENT, 0);
        return Status.next;
      }
    }
    parts.updateInterrupts();
    if (parts.interruptPending()) return Status.next;
    parts.syncPc();
    if (exceptions.waitTrapped(instruction === "WFE")) return this.#redirected();
    parts.wait(instruction);
    return Status.stop;
  }
}
