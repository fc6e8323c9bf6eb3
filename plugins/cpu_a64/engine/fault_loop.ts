/** Finds exceptions that can never end: a vector whose own entry faults. */
import { hex } from "../../../core/mod.ts";

/** The same fault in an entry this often in a row, with nothing else between, is a loop too. */
const PATIENCE = 1024;
/** Bytes of a vector's entry. */
const ENTRY = 0x80;

/** Watches the exceptions that EL1 takes from EL1. */
export class FaultLoop {
  private count = 0;
  private returnLo = 0;
  private returnHi = 0;
  private esr = 0;
  /** True when no instruction of the vector can retire any more. */
  isLooping = false;

  /** Forgets what it saw. */
  reset(): void {
    this.count = 0;
    this.isLooping = false;
  }

  /** Looks at an exception. `isNested`: synchronous, from EL1 to EL1. */
  observe(isNested: boolean, returnLo: number, returnHi: number, vectorLo: number, vectorHi: number, esr: number): void {
    if (!isNested || returnHi !== vectorHi || returnLo < vectorLo || returnLo - vectorLo >= ENTRY) return this.reset();
    const isSame = this.returnLo === returnLo && this.returnHi === returnHi && this.esr === esr;
    this.count = isSame ? this.count + 1 : 1;
    this.returnLo = returnLo;
    this.returnHi = returnHi;
    this.esr = esr;
    this.isLooping = this.count >= (returnLo === vectorLo ? 2 : PATIENCE);
  }

  /** What to tell the user. */
  get detail(): string {
    const address = BigInt(this.returnHi) << 32n | BigInt(this.returnLo);
    return `the exception vector at ${hex(address)} faults on itself, ESR_EL1 ${hex(this.esr)}`;
  }
}
