/** The other CPUs as one CPU's thread sees them: through the shared words, the log of maintenance, and the map of code. */
import { systemInstruction } from "../../sysregs/mod.ts";
import type { Cpu } from "../cpu.ts";
import type { Neighbours } from "../neighbours.ts";
import { type Control, type LogEntry, LogKind, OVERRUN, Own } from "./control.ts";

/**
 * Instructions from one look to the next: in quiet times, where tier 1 asks in between whether there is something to look at; without
 * it; and while another CPU is waiting for this one. Other CPUs' time lags behind by so many at most.
 */
const QUIET_LOOK = 100_000, LONG_LOOK = 20_000, SHORT_LOOK = 1000;
/** Every so many looks without an entry the distance doubles again. */
const GROWTH = 2;

/** One CPU's side. */
export class SharedNeighbours implements Neighbours {
  /** Set once the CPU is made, which needs this first. */
  cpu!: Cpu;
  /** Where in the round the present run began. */
  started = 0;
  /** So many WFE more don't wait in this run. */
  patience = 0;
  #seen = 0;
  /** The last entry of the log that this CPU wrote, and whether anybody has waited for it. */
  #written = 0;
  #isAwaited = true;
  #look = LONG_LOOK;

  /**
   * @param index this CPU's number
   * @param frames for each frame who holds code of it, a bit for each CPU
   * @param attention address of the word by which generated code knows that there is something to look at
   */
  constructor(
    readonly control: Control,
    readonly index: number,
    readonly frames: Int32Array,
    readonly lock: number,
    readonly attention: number,
  ) {}

  get isCalm(): boolean {
    return this.control.isCalm(this.index);
  }

  look(left: number, retired: number): number {
    const { control, index } = this;
    const position = this.started + retired;
    control.set(index, Own.POSITION, position);
    control.attend(index);
    this.catchUp();
    if (control.get(index, Own.KICK) !== 0) return 0;
    return Math.min(left, control.limit - position, this.#look);
  }

  /** Does what the log says since the last time. */
  catchUp(): void {
    const { control } = this;
    if (control.logHead === this.#seen) {
      const longest = this.cpu.tier1?.hotness ? QUIET_LOOK : LONG_LOOK;
      if (this.#look < longest) this.#look = Math.min(longest, this.#look * GROWTH);
      return;
    }
    this.#look = SHORT_LOOK;
    const next = control.readLog(this.#seen, (entry) => this.#apply(entry));
    if (next === OVERRUN) {
      this.#seen = control.logHead;
      this.#forgetAll();
    } else this.#seen = next;
    control.wake(this.index, Own.SEEN, this.#seen);
  }

  #apply({ kind, a, b, c, d, e }: LogEntry): void {
    const { cpu } = this;
    switch (kind) {
      case LogKind.tlbi: {
        const operation = systemInstruction(a, cpu.options.model.features)?.operation;
        if (operation?.kind === "tlbi") cpu.maintenance.drop(operation, b >>> 0, c >>> 0, d, e);
        return;
      }
      case LogKind.code:
        return cpu.code.drop(a * 4096);
      case LogKind.allCode:
        return cpu.code.dropAll();
      case LogKind.vcpu:
        return cpu.tlb.invalidate((bank) => bank.vcpu === a);
      case LogKind.vmid:
        cpu.mmu.invalidateStage2(a < 0 ? undefined : a);
        return cpu.tlb.invalidate((bank) => a < 0 || bank.vmid === a);
    }
  }

  #forgetAll(): void {
    const { cpu } = this;
    cpu.mmu.invalidateStage2();
    cpu.tlb.invalidate(() => true);
    cpu.code.dropAll();
  }

  invalidated(packed: number, lo: number, hi: number, vmid: number, vcpu: number): void {
    this.#write(LogKind.tlbi, packed, lo | 0, hi | 0, vmid, vcpu);
  }

  codeInvalidated(frame: number | undefined): void {
    if (frame === undefined) return this.#write(LogKind.allCode);
    // An atomic operation that writes: what was stored before it is there for whoever finds no bit and decodes.
    const others = Atomics.or(this.frames, frame, 0) & ~(1 << this.index);
    if (others !== 0) this.#write(LogKind.code, frame);
  }

  #write(kind: number, ...values: number[]): void {
    this.#written = this.control.log(kind, ...values);
    this.#isAwaited = false;
  }

  barrier(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    // Who waits does what others wait for, or two would wait for each other.
    this.control.awaitLog(this.#written, this.index, () => this.catchUp());
  }

  takeEvent(vcpu: number): boolean {
    if (this.control.takeEvent(vcpu)) return true;
    // Nobody has sent one: a WFE may end all the same, and what is waited for is mostly a moment away on another CPU.
    return this.patience-- > 0;
  }

  holdsCode(frame: number, holds: boolean): void {
    const bit = 1 << this.index;
    if (holds) Atomics.or(this.frames, frame, bit);
    else Atomics.and(this.frames, frame, ~bit);
  }
}
