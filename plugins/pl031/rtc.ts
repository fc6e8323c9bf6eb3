/**
 * A PL031 (Arm DDI 0224): seconds in 32 bits that a battery keeps, and an interrupt when they reach a chosen one.
 *
 * What can a hostile guest do here? Set any time and any match: both are taken modulo 2^32, one timer is armed at most, and none that
 * virtual time can't reach. Reads and writes cost the same whatever the registers hold.
 */
import type { Clock, Timer } from "../../core/mod.ts";
import type { DeviceLine, DeviceWindow } from "../device/contract.ts";
import { block } from "./registers.ts";
import type { Registers } from "./registers.ts";

const SECOND_NS = 1_000_000_000;
/** RTCDR wraps. */
const WRAP = 2 ** 32;

/** State, plain data. */
export interface RtcState {
  readonly registers: Registers;
  /** What the guest set the clock ahead by, in seconds modulo 2^32. */
  offset: number;
  /** RTCRIS, without a match that nobody has looked at yet. */
  raised: boolean;
  /** Virtual time in whole seconds at which RTCDR next equals RTCMR. */
  matchAt: number;
}

/** Reset state: the match lies wherever {@linkcode Rtc} finds it. */
export function resetState(): RtcState {
  return { registers: block.reset(), offset: 0, raised: false, matchAt: Infinity };
}

/** The chip. */
export class Rtc {
  /** Its register block. */
  readonly handler: DeviceWindow;
  readonly #alarm: Timer;

  constructor(
    private readonly state: RtcState,
    private readonly line: DeviceLine,
    private readonly clock: Clock,
    private readonly bootTimeSeconds: number,
  ) {
    this.#alarm = clock.timer("alarm", () => this.#drive());
    const { registers } = state;
    this.handler = block.handler(registers, {
      RTCDR: { read: () => this.#now() },
      RTCMR: { write: () => this.#plan() },
      RTCLR: {
        write: (seconds) => {
          this.#settle();
          state.offset = modulo(seconds - this.bootTimeSeconds - this.#uptime());
          this.#plan();
        },
      },
      RTCIMSC: { write: () => this.#drive() },
      RTCRIS: { read: () => Number(this.#settle()) },
      RTCMIS: { read: () => Number(this.#settle()) & registers.RTCIMSC },
      RTCICR: {
        write: (value) => {
          this.#settle();
          if (value !== 0) state.raised = false;
          this.#drive();
        },
      },
    });
    if (state.matchAt === Infinity) this.#findMatch(1);
  }

  /** Virtual time in whole seconds. */
  #uptime(): number {
    return Math.floor(this.clock.nowNs / SECOND_NS);
  }

  /** RTCDR. */
  #now(): number {
    return modulo(this.bootTimeSeconds + this.#uptime() + this.state.offset);
  }

  /** RTCMR or RTCDR changed. */
  #plan(): void {
    this.#settle();
    this.#findMatch(0);
    this.#drive();
  }

  /** `least` 1: a match in the present second doesn't count. */
  #findMatch(least: 0 | 1): void {
    const { state } = this;
    state.matchAt = this.#uptime() + least + modulo(state.registers.RTCMR - this.#now() - least);
  }

  /** RTCRIS, now. Nobody needs to wake up for a match that is masked: it is found when somebody looks. */
  #settle(): boolean {
    const { state } = this;
    const uptime = this.#uptime();
    if (state.matchAt <= uptime) {
      state.raised = true;
      state.matchAt += WRAP * (1 + Math.floor((uptime - state.matchAt) / WRAP));
    }
    return state.raised;
  }

  #drive(): void {
    const { state } = this;
    const raised = this.#settle();
    const enabled = state.registers.RTCIMSC !== 0;
    this.line.set(raised && enabled);
    const atNs = state.matchAt * SECOND_NS;
    if (enabled && !raised && Number.isSafeInteger(atNs)) this.#alarm.arm(atNs);
    else this.#alarm.disarm();
  }
}

function modulo(seconds: number): number {
  return ((seconds % WRAP) + WRAP) % WRAP;
}
