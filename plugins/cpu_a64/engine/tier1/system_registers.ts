/** PSTATE.DAIF, FPCR, FPSR and CNTVCT_EL0 in a region: what needs no look at interrupts, traps or software step is done at once. */
import { i32, type I64, i64 } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { registerOffset } from "../../sysregs/mod.ts";
import { FPCR_MASK, FPSR_MASK } from "../registers.ts";
import { writeVirtualCount } from "../routines/virtual_count.ts";
import type { RegionPlace } from "./region_place.ts";

const MDSCR_EL1 = registerOffset("MDSCR_EL1");

/** MRS of a register, in the code of a region. */
export class InlineRegisters {
  constructor(readonly place: RegionPlace) {}

  /** The value; `undefined`: not ours. */
  read(name: string): I64 | undefined {
    switch (name) {
      case "DAIF":
        this.#notAtEl0();
        return i64.extend_u(i32.shl(this.#word(at.DAIF), i32.const(6)));
      case "FPCR":
      case "FPSR":
        this.#withFp();
        return i64.extend_u(this.#word(name === "FPCR" ? at.FPCR : at.FPSR));
      case "CNTVCT_EL0":
        return writeVirtualCount(this.place, this.place.left(), (unlikely) => this.place.bail(unlikely));
    }
    return undefined;
  }

  /** False: not ours. FPCR takes only values that have none of the bits that a model may lack. */
  write(name: string, value: I64): boolean {
    const { f, base } = this.place;
    const low = f.let(i32.wrap(value));
    switch (name) {
      case "DAIF":
        this.#notAtEl0();
        this.#setDaif(i32.and(i32.shr_u(low, i32.const(6)), i32.const(15)));
        return true;
      case "FPCR":
        this.#withFp();
        this.place.bail(i32.and(low, i32.const(~FPCR_MASK)));
        f.store("i32", i32.const(0), low, base + at.FPCR);
        return true;
      case "FPSR":
        this.#withFp();
        f.store("i32", i32.const(0), i32.and(low, i32.const(FPSR_MASK)), base + at.FPSR);
        return true;
    }
    return false;
  }

  /** MSR (immediate) of DAIFSet and DAIFClr; false: not ours. */
  writeImmediate(word: number): boolean {
    const field = ((word >>> 13) & 0x38) | ((word >>> 5) & 7), mask = (word >>> 8) & 15;
    if (field !== 0o36 && field !== 0o37) return false;
    this.#notAtEl0();
    const daif = this.#word(at.DAIF);
    this.#setDaif(field === 0o36 ? i32.or(daif, i32.const(mask)) : i32.and(daif, i32.const(~mask)));
    return true;
  }

  /** What was masked may be taken: then the interpreter looks. */
  #setDaif(value: ReturnType<typeof i32.const>): void {
    const { f, base } = this.place;
    const next = f.let(value);
    const unmasked = i32.and(this.#word(at.DAIF), i32.xor(next, i32.const(-1)));
    const waiting = i32.or(this.#word(at.INTERRUPTS), i32.and(this.#word(MDSCR_EL1), i32.const(1)));
    this.place.bail(i32.and(i32.ne(unmasked, i32.const(0)), i32.ne(waiting, i32.const(0))));
    f.store("i32", i32.const(0), next, base + at.DAIF);
  }

  #notAtEl0(): void {
    this.place.bail(i32.eqz(this.#word(at.EL)));
  }

  #withFp(): void {
    this.place.bail(i32.eqz(this.#word(at.FP_ENABLED)));
  }

  #word(offset: number) {
    return i32.load(i32.const(0), this.place.base + offset);
  }
}
