/**
 * Taking exceptions and returning from them, as WebAssembly: what TypeScript and generated code both call. All of it is changes of the state
 * block. Arm ARM DDI 0487, "The AArch64 System Level Programmers' Model", pseudocode "AArch64.TakeException" and "AArch64.ExceptionReturn".
 */
import { call, type Callable, type FunctionBuilder, type I32, i32, type I64, i64, ModuleBuilder, select } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { registerOffset } from "../../sysregs/mod.ts";
import { FAST_STACK, PSTATE_FIELDS, SPSR, stackPointerSlot } from "../pstate.ts";
import { ELSEWHERE } from "../layout.ts";
import { Stepped } from "../syndrome.ts";
import { compiled } from "./compiled.ts";
import type { limitsOf } from "./limits.ts";

/** What may be asked for. Offsets are from the start of the state block. */
export interface ExceptionRoutines {
  /**
   * Takes an exception to EL1 or EL2. `esr` 0: an interrupt, which has no syndrome. `returnOffset`: from PC to the preferred return address.
   * `vector`: offset within its group of four.
   */
  take1(esr: number, returnOffset: number, vector: number): void;
  take2(esr: number, returnOffset: number, vector: number): void;
  /** The same without its effect on PSTATE: `spsr` was interrupted at the address in `pcSlot`, where the vector's goes. Returns the handler's PSTATE. */
  record1(spsr: number, pcSlot: number, esr: number, returnOffset: number, vector: number): number;
  /** What ERET would do now: the level that it returns to, or -1 when it is illegal. */
  returnTarget(): number;
  /** What a branch to TARGET does to a tag. */
  dropTag(): void;
  /** ERET at EL1 or EL2. An illegal one sets PSTATE.IL and stays at its level. `steps`: PSTATE.SS afterwards. */
  exceptionReturn(steps: number): void;
}

const HCR_EL2 = registerOffset("HCR_EL2"), SCTLR_EL1 = registerOffset("SCTLR_EL1");
const TCR_EL1 = registerOffset("TCR_EL1"), TCR_EL2 = registerOffset("TCR_EL2");
const TGE = 1 << 27, SPAN = 1 << 23;
/** Slots by Exception level. */
const slot = (name: string, el: 1 | 2) => registerOffset(`${name}_EL${el}`);

/** Makes them for a state block. `hasPan`: the CPU has PSTATE.PAN. */
export function exceptionRoutines(memory: WebAssembly.Memory, base: number, hasPan: boolean): ExceptionRoutines {
  const module = compiled(`exceptions ${base} ${hasPan}`, memory, (limits) => write(limits, base, hasPan));
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as ExceptionRoutines;
}

function write(limits: ReturnType<typeof limitsOf>, base: number, hasPan: boolean): ModuleBuilder {
  const module = new ModuleBuilder(limits);
  const [record1, record2] = ([1, 2] as const).map((toEl) =>
    module.function(["i32", "i32", "i32", "i32", "i32"], "i32", (f) => record(new BlockCode(f, base), toEl, hasPan), `record${toEl}`)
  );
  for (const [toEl, recorded] of [[1, record1], [2, record2]] as const) {
    module.function(["i32", "i32", "i32"], undefined, (f) => {
      const block = new BlockCode(f, base);
      const spsr = f.local("i32");
      f.set(spsr, block.pstate());
      f.set(spsr, call("i32", recorded, spsr.value, i32.const(at.PC), ...f.params.map(({ value }) => value)));
      block.setPstate(spsr.value);
      block.set(at.SS, bit(spsr.value, SPSR.SS));
      block.set(at.IL, bit(spsr.value, SPSR.IL));
      block.switchSp(i32.const(toEl), i32.const(1));
      block.set(at.STEPPED, i32.const(Stepped.nothing));
    }, `take${toEl}`);
  }
  module.function([], undefined, (f) => {
    const block = new BlockCode(f, base);
    const to = f.let(block.get64(at.TARGET));
    f.if(
      i32.eq(block.get(at.EL), i32.const(2)),
      () => block.set64(at.TARGET, block.branchTarget(2, to)),
      () => block.set64(at.TARGET, block.branchTarget(1, to)),
    );
  }, "dropTag");
  const target = module.function([], "i32", (f) => returnTarget(new BlockCode(f, base)), "returnTarget");
  module.function(["i32"], undefined, (f) => {
    const block = new BlockCode(f, base);
    const el = f.local("i32"), spsr = f.local("i32"), to = f.local("i32"), pc = f.local("i64");
    f.set(el, block.get(at.EL));
    f.set(spsr, block.get(slot("SPSR", 2)));
    f.set(pc, block.get64(slot("ELR", 2)));
    f.if(i32.eq(el.value, i32.const(1)), () => {
      f.set(spsr, block.get(slot("SPSR", 1)));
      f.set(pc, block.get64(slot("ELR", 1)));
      block.gotOn();
    });
    f.set(to, call("i32", target));
    f.if(
      i32.lt_s(to.value, i32.const(0)),
      () => {
        f.set(to, el.value);
        block.set(at.IL, i32.const(1));
      },
      () => {
        block.switchSp(to.value, i32.and(spsr.value, i32.const(1)));
        block.set(at.IL, bit(spsr.value, SPSR.IL));
      },
    );
    block.setPstate(spsr.value);
    block.set(at.SS, f.params[0].value as I32);
    block.set(at.EVENT, i32.const(1));
    block.set(at.EXCLUSIVE, i32.const(0));
    block.set(at.STEPPED, i32.const(Stepped.nothing));
    f.if(
      i32.eq(to.value, i32.const(2)),
      () => block.set64(at.PC, block.branchTarget(2, pc.value)),
      () => block.set64(at.PC, block.branchTarget(1, pc.value)),
    );
  }, "exceptionReturn");
  return module;
}

/** Writes ELR, SPSR and ESR, and the vector's address to where PC was. Gives PSTATE in the handler, in SPSR format. */
function record(block: BlockCode, toEl: 1 | 2, hasPan: boolean): void {
  const { f } = block;
  const [spsr, pcSlot, esr, returnOffset, vector] = f.params.map(({ value }) => value) as I32[];
  const pc = f.let(i64.load(pcSlot, block.base));
  block.set64(slot("ELR", toEl), i64.add(pc, i64.extend_u(returnOffset)));
  block.set64(slot("SPSR", toEl), i64.extend_u(spsr));
  f.if(esr, () => block.set64(slot("ESR", toEl), i64.extend_u(esr)));
  const fromEl = i32.and(i32.shr_u(spsr, i32.const(2)), i32.const(3));
  const group = select(
    i32.lt_u(fromEl, i32.const(toEl)),
    i32.const(0x400),
    select(i32.and(spsr, i32.const(1)), i32.const(0x200), i32.const(0)),
  );
  // VBAR's low 11 bits are zero.
  const address = f.let(i64.or(block.get64(slot("VBAR", toEl)), i64.extend_u(i32.or(group, vector))));
  f.store("i64", pcSlot, block.branchTarget(toEl, address), block.base);
  const kept = i32.or(i32.and(spsr, i32.const(0xf000_0000 | SPSR.PAN)), i32.const(SPSR.DAIF | toEl << 2 | 1));
  const setsPan = hasPan && toEl === 1;
  const pan = select(i32.and(block.get(SCTLR_EL1), i32.const(SPAN)), i32.const(0), i32.const(SPSR.PAN));
  f.return(setsPan ? i32.or(kept, pan) : kept);
}

/** "IllegalExceptionReturn": AArch32, an unknown mode, a higher level, or EL1 while HCR_EL2.TGE is set. */
function returnTarget(block: BlockCode): void {
  const { f } = block;
  const spsr = f.let(select(i32.eq(block.get(at.EL), i32.const(1)), block.get(slot("SPSR", 1)), block.get(slot("SPSR", 2))));
  const target = f.let(i32.and(i32.shr_u(spsr, i32.const(2)), i32.const(3)));
  const illegal = () => f.return(i32.const(-1));
  f.if(i32.and(spsr, i32.const(0x12)), illegal);
  f.if(i32.gt_u(target, block.get(at.EL)), illegal);
  f.if(i32.eqz(target), () => f.if(i32.and(spsr, i32.const(1)), illegal));
  f.if(i32.eq(target, i32.const(1)), () => f.if(i32.and(block.get(HCR_EL2), i32.const(TGE)), illegal));
  f.return(target);
}

const bit = (spsr: I32, mask: number) => i32.and(i32.shr_u(spsr, i32.const(31 - Math.clz32(mask))), i32.const(1));

/** Code that works on the fields of the state block. */
export class BlockCode {
  constructor(readonly f: FunctionBuilder, readonly base: number) {}

  get(offset: number): I32 {
    return i32.load(i32.const(0), this.base + offset);
  }

  set(offset: number, value: I32): void {
    this.f.store("i32", i32.const(0), value, this.base + offset);
  }

  get64(offset: number): I64 {
    return i64.load(i32.const(0), this.base + offset);
  }

  set64(offset: number, value: I64): void {
    this.f.store("i64", i32.const(0), value, this.base + offset);
  }

  /** EL1 took an exception from EL0, or returned from one: no fault is in a row with those before. */
  gotOn(): void {
    this.set(at.LOOP_COUNT, i32.const(0));
    this.set(at.LOOP_ESR, i32.const(0));
  }

  /** PC, from the record of the present instruction. */
  syncPc(): void {
    const within = i32.shr_u(i32.sub(this.get(at.IP), this.get(at.RECORDS)), i32.const(2));
    this.set64(at.PC, i64.add(this.get64(at.PAGE_VA), i64.extend_u(within)));
  }

  /** Goes on at PC, at another Exception level or in another address space: the same page may not be executable there. */
  goOn(update: Callable): void {
    const { f } = this;
    const el = f.let(this.get(at.EL)), bank = f.local("i32"), user = f.local("i32");
    const bankOf = (n: I32) => i32.load(i32.shl(n, i32.const(2)), this.base + at.BANKS);
    f.set(bank, bankOf(i32.add(el, i32.and(el, this.get(at.PAN)))));
    f.set(user, bankOf(i32.const(0)));
    f.if(i32.and(el, this.get(at.UAO)), () => f.set(user, bank.value));
    f.if(
      i32.or(i32.eqz(bank.value), i32.eqz(user.value)),
      () => f.call(update),
      () => {
        this.set(at.TLB, bank.value);
        this.set(at.TLB_UNPRIVILEGED, user.value);
        this.set(at.FP_ENABLED, i32.load(i32.shl(el, i32.const(2)), this.base + at.FP_ENABLED_AT));
      },
    );
    this.set64(at.TARGET, this.get64(at.PC));
    this.set64(at.PAGE_VA, i64.xor(this.get64(at.PC), i64.const(BigInt(ELSEWHERE))));
  }

  /** After the first exception from EL0: what {@linkcode FaultLoop} would note of it. */
  noteOrigin(esr: I32): void {
    this.gotOn();
    this.set(at.LOOP_ESR, esr);
    this.set64(at.LOOP_ORIGIN, this.get64(slot("ELR", 1)));
  }

  /** After a fault of EL1, outside of vectors and the first since a return: the same. */
  noteNested(esr: I32, pc: I64, far: I64): void {
    this.f.if(i32.eqz(this.get(at.LOOP_ESR)), () => {
      this.set(at.LOOP_ESR, esr);
      this.set64(at.LOOP_ORIGIN, pc);
    });
    const low = this.f.let(i32.wrap(far));
    this.set(at.LOOP_STEP, i32.sub(low, this.get(at.LOOP_FAR)));
    this.set(at.LOOP_FAR, low);
    this.set64(at.LOOP_RETURN, pc);
    this.set(at.LOOP_LAST_ESR, esr);
    this.set(at.LOOP_COUNT, i32.const(1));
    this.set(at.LOOP_FLAGS, i32.const(0));
  }

  /** PSTATE in SPSR format. */
  pstate(): I32 {
    return PSTATE_FIELDS.map(({ offset, shift }) => i32.shl(this.get(offset), i32.const(shift))).reduce((all, field) => i32.or(all, field));
  }

  /** The part that every exception return restores: NZCV, DAIF, PAN and UAO. */
  setPstate(spsr: I32): void {
    for (const { offset, shift, mask, always } of PSTATE_FIELDS) {
      if (always) this.set(offset, i32.and(i32.shr_u(spsr, i32.const(shift)), i32.const(mask)));
    }
  }

  /** Changes the Exception level and SPSel, banking one stack pointer and loading the other. */
  switchSp(el: I32, spSel: I32): void {
    const { f } = this;
    const from = f.local("i32"), to = f.local("i32");
    f.set(from, bankOf(this.get(at.EL), this.get(at.SPSEL)));
    f.set(to, bankOf(el, spSel));
    this.set(at.EL, el);
    this.set(at.SPSEL, spSel);
    f.store("i32.8", i32.const(0), select(spSel, i32.const(FAST_STACK.open), i32.const(0)), this.base + FAST_STACK.offset);
    f.if(i32.ne(from.value, to.value), () => {
      f.store("i64", from.value, this.get64(at.SP), this.base);
      this.set64(at.SP, i64.load(to.value, this.base));
    });
  }

  /** Where a branch to an address goes at this level (1 stands for EL0 too): a tag, if the level ignores tags, becomes sign or zero. */
  branchTarget(el: 1 | 2, address: I64): I64 {
    const shifted = i64.shl(address, i64.const(8n));
    if (el === 2) {
      return select(i32.and(this.get(TCR_EL2), i32.const(1 << 20)), i64.shr_u(shifted, i64.const(8n)), address);
    }
    const isUpper = i32.wrap(i64.and(i64.shr_u(address, i64.const(55n)), i64.const(1n)));
    const ignored = i32.and(i32.shr_u(this.get(TCR_EL1 + 4), i32.add(isUpper, i32.const(5))), i32.const(1));
    return select(ignored, i64.shr_s(shifted, i64.const(8n)), address);
  }
}

/** Slot of the stack pointer that a level uses with this SPSel: `stackPointerSlot` of the running guest. */
function bankOf(el: I32, spSel: I32): I32 {
  const own = select(i32.eq(el, i32.const(1)), i32.const(stackPointerSlot(1, 1)), i32.const(stackPointerSlot(2, 1)));
  return select(i32.or(i32.eqz(spSel), i32.eqz(el)), i32.const(stackPointerSlot(0, 0)), own);
}
