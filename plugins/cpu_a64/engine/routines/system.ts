/**
 * System instructions that need no look at anything but the state block, as WebAssembly: SVC from EL0, ERET at EL1, PSTATE.DAIF, TTBR0_EL1,
 * TTBR1_EL1 and VBAR_EL1, CNTVCT_EL0, cache maintenance. What isn't this simple, or concerns EL2, interrupts or a debugger, goes on to TypeScript.
 */
import {
  call,
  type Callable,
  type FunctionBuilder,
  type I32,
  i32,
  type I64,
  i64,
  type Label,
  ModuleBuilder,
  select,
} from "../../wasm/mod.ts";
import type { SystemOp } from "../../isa/dsl.ts";
import * as at from "../../state.ts";
import { registerByName, registerOffset } from "../../sysregs/mod.ts";
import { Status } from "../layout.ts";
import { SPSR } from "../pstate.ts";
import { SPACE_BITS, SPACE_SHIFT, SPACE_VALID } from "../spaces.ts";
import { EC } from "../syndrome.ts";
import { BlockCode, type ExceptionRoutines } from "./exceptions.ts";
import { compiled } from "./compiled.ts";
import { writeVirtualCount } from "./virtual_count.ts";
import type { limitsOf } from "./limits.ts";

const TCR_EL1 = registerOffset("TCR_EL1"), TTBR = [registerOffset("TTBR0_EL1"), registerOffset("TTBR1_EL1")] as const;
const VBAR_EL1 = registerByName("VBAR_EL1"), VPIDR_EL2 = registerOffset("VPIDR_EL2");
const HCR_EL2 = registerOffset("HCR_EL2"), MDSCR_EL1 = registerOffset("MDSCR_EL1"), SCTLR_EL1 = registerOffset("SCTLR_EL1");
const SPSR_EL1 = registerOffset("SPSR_EL1"), DCZID_EL0 = registerOffset("DCZID_EL0");
const TPCP = 1 << 23, TPU = 1 << 24, TVM = 1 << 26, TGE = 1 << 27, TDZ = 1 << 28;
const STEP = 1, DZE = 1 << 14;
/** TCR_EL1.A1: TTBR1_EL1 has the ASID; in the upper word AS: of 16 bits. */
const A1 = 1 << 22, AS = 1 << 4;

/** Instruction words without Xt or immediate. */
const MRS_DAIF = 0xd53b_4220, MSR_DAIF = 0xd51b_4220, MRS_DCZID = 0xd53b_00e0, MRS_MIDR = 0xd538_0000, MRS_CNTVCT = 0xd53b_e040;
const MSR_TTBR = [0xd518_2000, 0xd518_2020] as const, MSR_VBAR = 0xd518_c000;
const DAIF_SET = 0xd503_40df, DAIF_CLEAR = 0xd503_40ff;
const IC_IVAU = 0xd50b_7520, DC_CVAC = 0xd50b_7a20, DC_CVAU = 0xd50b_7b20, DC_CIVAC = 0xd50b_7e20;

/** What the code calls. */
export interface SystemCallees {
  readonly exceptions: ExceptionRoutines;
  /** (operation, word) → a Status: whatever isn't done here. */
  readonly slow: (op: number, word: number) => number;
  /** Makes TLB banks and FP_ENABLED true. */
  readonly updateContext: () => void;
}

/** What else it has to know. */
export interface SystemSurroundings {
  /** Instruction caches may be stale on other threads. */
  readonly hasNeighbours: boolean;
  /** Address of the table of address spaces; without one the registers that change them are TypeScript's. */
  readonly spaces?: number;
  readonly counterFrequencyHz: number;
}

/** Makes the function: (operation, word) → a Status, `branch` included. `ops`: the operations by their numbers. */
export function systemRoutine(
  memory: WebAssembly.Memory,
  base: number,
  ops: readonly SystemOp[],
  { exceptions, slow, updateContext }: SystemCallees,
  surroundings: SystemSurroundings,
): (op: number, word: number) => number {
  const key = `system ${base} ${JSON.stringify(surroundings)} ${ops.join()}`;
  const module = compiled(key, memory, (limits) => write(limits, base, ops, surroundings));
  const { take1, returnTarget, exceptionReturn } = exceptions;
  const env = { memory, slow, update: updateContext, take1, returnTarget, exceptionReturn };
  return new WebAssembly.Instance(module, { env }).exports.system as (op: number, word: number) => number;
}

function write(
  limits: ReturnType<typeof limitsOf>,
  base: number,
  ops: readonly SystemOp[],
  { hasNeighbours, spaces, counterFrequencyHz }: SystemSurroundings,
): ModuleBuilder {
  const module = new ModuleBuilder(limits);
  const imported = {
    slow: module.importFunction("env", "slow", ["i32", "i32"], "i32"),
    update: module.importFunction("env", "update", []),
    take: module.importFunction("env", "take1", ["i32", "i32", "i32"]),
    returnTarget: module.importFunction("env", "returnTarget", [], "i32"),
    exceptionReturn: module.importFunction("env", "exceptionReturn", ["i32"]),
  };
  module.function(["i32", "i32"], "i32", (f) => {
    const code = new SystemCode(f, base, imported);
    f.block((elsewhere) => {
      const bodies: Partial<Record<SystemOp, () => void>> = {
        svc: () => code.supervisorCall(elsewhere),
        eret: () => code.exceptionReturn(elsewhere),
        mrs: () => code.readRegister(elsewhere, counterFrequencyHz),
        msr: () => code.writeRegister(elsewhere, spaces),
        msrImmediate: () => code.writeImmediate(elsewhere),
        sys: () => code.maintain(elsewhere, hasNeighbours),
      };
      ops.forEach((op, number) => {
        const body = bodies[op];
        if (body) f.if(i32.eq(f.params[0].value as I32, i32.const(number)), body);
      });
    });
    f.return(call("i32", imported.slow, ...f.params.map(({ value }) => value)));
  }, "system");
  return module;
}

type Imported = Readonly<Record<"slow" | "update" | "take" | "returnTarget" | "exceptionReturn", Callable>>;

/** The bodies. Each returns a Status, or leaves for `elsewhere` before it has changed anything. */
class SystemCode extends BlockCode {
  constructor(f: FunctionBuilder, base: number, readonly imported: Imported) {
    super(f, base);
  }

  get word(): I32 {
    return this.f.params[1].value as I32;
  }

  supervisorCall(elsewhere: Label): void {
    const { f } = this;
    f.brIf(elsewhere, this.get(at.EL));
    f.brIf(elsewhere, i32.and(this.get(HCR_EL2), i32.const(TGE)));
    this.#unlessStepping(elsewhere);
    this.syncPc();
    this.set(at.SS, i32.const(0));
    const immediate = i32.and(i32.shr_u(this.word, i32.const(5)), i32.const(0xffff));
    const esr = f.let(i32.or(i32.const(EC.svc << 26 | 1 << 25), immediate));
    f.call(this.imported.take, esr, i32.const(4), i32.const(0));
    this.noteOrigin(esr);
    this.#goOn();
  }

  exceptionReturn(elsewhere: Label): void {
    const { f } = this;
    f.brIf(elsewhere, i32.ne(this.get(at.EL), i32.const(1)));
    this.#unlessStepping(elsewhere);
    const spsr = f.let(this.get(SPSR_EL1));
    f.brIf(elsewhere, i32.and(spsr, i32.const(SPSR.IL)));
    const masks = i32.const(SPSR.I | SPSR.F);
    f.brIf(elsewhere, i32.and(i32.ne(this.get(at.INTERRUPTS), i32.const(0)), i32.ne(i32.and(spsr, masks), masks)));
    f.brIf(elsewhere, i32.lt_s(call("i32", this.imported.returnTarget), i32.const(0)));
    f.call(this.imported.exceptionReturn, i32.const(0));
    this.#goOn();
  }

  readRegister(elsewhere: Label, counterFrequencyHz: number): void {
    const { f, base } = this;
    f.if(this.#isWord(MRS_CNTVCT, 31), () => {
      this.#writeX(writeVirtualCount({ f, base, counterFrequencyHz }, this.get(at.BUDGET), (unlikely) => f.brIf(elsewhere, unlikely)));
      f.return(i32.const(Status.next));
    });
    f.if(this.#isWord(MRS_DAIF, 31), () => {
      f.brIf(elsewhere, i32.eqz(this.get(at.EL)));
      this.#writeX(i64.extend_u(i32.shl(this.get(at.DAIF), i32.const(6))));
      f.return(i32.const(Status.next));
    });
    f.if(this.#isWord(MRS_DCZID, 31), () => {
      f.brIf(elsewhere, i32.and(this.get(HCR_EL2), i32.const(TDZ)));
      f.brIf(elsewhere, i32.eqz(i32.and(this.get(SCTLR_EL1), i32.const(DZE))));
      this.#writeX(this.get64(DCZID_EL0));
      f.return(i32.const(Status.next));
    });
    f.if(this.#isWord(MRS_MIDR, 31), () => {
      f.brIf(elsewhere, i32.ne(this.get(at.EL), i32.const(1)));
      this.#writeX(this.get64(VPIDR_EL2));
      f.return(i32.const(Status.next));
    });
    f.br(elsewhere);
  }

  writeRegister(elsewhere: Label, spaces: number | undefined): void {
    const { f } = this;
    f.brIf(elsewhere, i32.eqz(this.get(at.EL)));
    f.if(
      this.#isWord(MSR_DAIF, 31),
      () => this.#setDaif(elsewhere, i32.and(i32.wrap(i64.shr_u(this.#readX(), i64.const(6n))), i32.const(15))),
    );
    f.brIf(elsewhere, i32.ne(this.get(at.EL), i32.const(1)));
    f.if(this.#isWord(MSR_VBAR, 31), () => {
      this.set64(VBAR_EL1.offset, i64.and(this.#readX(), i64.const(BigInt.asIntN(64, VBAR_EL1.mask!))));
      f.return(i32.const(Status.next));
    });
    if (spaces === undefined) return f.br(elsewhere);
    MSR_TTBR.forEach((word, n) => f.if(this.#isWord(word, 31), () => this.#setTable(elsewhere, TTBR[n], spaces)));
    f.br(elsewhere);
  }

  /** A base of EL1's tables, and what banks belong to the ASID then. The next instruction is looked up anew, as wherever a run is cut. */
  #setTable(elsewhere: Label, ttbr: number, spaces: number): void {
    const { f } = this;
    f.brIf(elsewhere, i32.and(this.get(HCR_EL2), i32.const(TVM)));
    this.#unlessStepping(elsewhere);
    this.set64(ttbr, i64.and(this.#readX(), i64.const(-2n)));
    const isSecond = i32.and(this.get(TCR_EL1), i32.const(A1));
    const upper = select(isSecond, this.get(TTBR[1] + 4), this.get(TTBR[0] + 4));
    const mask = select(i32.and(this.get(TCR_EL1 + 4), i32.const(AS)), i32.const(0xffff), i32.const(0xff));
    const asid = f.let(i32.and(i32.shr_u(upper, i32.const(16)), mask));
    const row = f.let(i32.shl(i32.and(asid, i32.const((1 << SPACE_BITS) - 1)), i32.const(SPACE_SHIFT)));
    const isKnown = f.let(i32.eq(i32.load(row, spaces), i32.or(asid, i32.const(SPACE_VALID))));
    for (const n of [0, 1, 2]) {
      this.set(at.BANKS + 4 * n, select(isKnown, i32.load(row, spaces + 4 + 4 * n), i32.const(0)));
    }
    this.syncPc();
    this.set64(at.PC, i64.add(this.get64(at.PC), i64.const(4n)));
    this.#goOn();
  }

  writeImmediate(elsewhere: Label): void {
    const { f } = this;
    f.brIf(elsewhere, i32.eqz(this.get(at.EL)));
    const value = f.let(i32.and(i32.shr_u(this.word, i32.const(8)), i32.const(15)));
    const daif = this.get(at.DAIF);
    f.if(this.#isWord(DAIF_SET, 0xf00), () => {
      this.set(at.DAIF, i32.or(daif, value));
      f.return(i32.const(Status.next));
    });
    f.if(this.#isWord(DAIF_CLEAR, 0xf00), () => this.#setDaif(elsewhere, i32.and(daif, i32.xor(value, i32.const(-1)))));
    f.br(elsewhere);
  }

  /** Caches aren't modelled. */
  maintain(elsewhere: Label, hasNeighbours: boolean): void {
    const { f } = this;
    f.brIf(elsewhere, i32.ne(this.get(at.EL), i32.const(1)));
    f.brIf(elsewhere, i32.and(this.get(HCR_EL2), i32.const(TPCP | TPU)));
    for (const word of [...hasNeighbours ? [] : [IC_IVAU], DC_CVAU, DC_CIVAC, DC_CVAC]) {
      f.if(this.#isWord(word, 31), () => f.return(i32.const(Status.next)));
    }
    f.br(elsewhere);
  }

  #isWord(word: number, operands: number): I32 {
    return i32.eq(i32.and(this.word, i32.const(~operands)), i32.const(word & ~operands));
  }

  #readX(): I64 {
    const { f } = this;
    const n = f.let(i32.and(this.word, i32.const(31)));
    return select(i32.eq(n, i32.const(31)), i64.const(0n), i64.load(placeOf(n), this.base + at.X));
  }

  #writeX(value: I64): void {
    const { f } = this;
    const n = f.let(i32.and(this.word, i32.const(31)));
    f.if(i32.ne(n, i32.const(31)), () => f.store("i64", placeOf(n), value, this.base + at.X));
  }

  /** What was masked may be taken: then somebody has to look. */
  #setDaif(elsewhere: Label, value: I32): void {
    const { f } = this;
    const next = f.let(value);
    const unmasked = i32.and(this.get(at.DAIF), i32.xor(next, i32.const(-1)));
    const waiting = i32.or(this.get(at.INTERRUPTS), i32.and(this.get(MDSCR_EL1), i32.const(STEP)));
    f.brIf(elsewhere, i32.and(i32.ne(unmasked, i32.const(0)), i32.ne(waiting, i32.const(0))));
    this.set(at.DAIF, next);
    f.return(i32.const(Status.next));
  }

  #unlessStepping(elsewhere: Label): void {
    this.f.brIf(elsewhere, i32.and(this.get(MDSCR_EL1), i32.const(STEP)));
  }

  #goOn(): void {
    this.goOn(this.imported.update);
    this.f.return(i32.const(Status.branch));
  }
}

/** See {@linkcode at.x}. */
function placeOf(n: I32): I32 {
  return i32.shl(i32.and(i32.add(n, i32.const(at.x(0) / 8)), i32.const(31)), i32.const(3));
}
