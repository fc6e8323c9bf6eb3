/**
 * The Generic Watchdog (Arm Base System Architecture DEN 0094, "Watchdog operation"): the system counter against a compare value, that
 * each refresh sets to the count and an offset. The first time that the count exceeds it raises WS0, the second time WS1.
 *
 * What can a hostile guest do here? Be late, and be reset: its own doing. One timer is armed at most, each expiry takes a refresh or
 * another WS0, and after WS1 there is no guest.
 */
import type { Clock, Timer } from "../../core/mod.ts";
import { firstNsOf, ticksAt } from "../cpu_a64/contract.ts";
import type { DeviceLine, DeviceWindow } from "../device/contract.ts";
import { controlFrame, identification, refreshFrame } from "./registers.ts";
import type { ControlRegisters } from "./registers.ts";

/** WCS, read-only part. */
const Status = { WS0: 2, WS1: 4 } as const;

/** State, plain data. */
export interface WatchdogState {
  /** WCV is the compare value. */
  readonly registers: ControlRegisters;
  ws0: boolean;
  ws1: boolean;
}

/** Reset state: off. */
export function resetState(): WatchdogState {
  return { registers: controlFrame.reset(), ws0: false, ws1: false };
}

/** What a watchdog is connected to. */
export interface WatchdogParts {
  readonly state: WatchdogState;
  readonly clock: Clock;
  /** Of the system counter. */
  readonly frequencyHz: number;
  /** 0: WOR has 32 bits; 1: 48. */
  readonly revision: number;
  /** WS0. */
  readonly line: DeviceLine;
  /** WS1. */
  readonly reset: () => void;
}

/** The watchdog. */
export class Watchdog {
  /** Its control frame. */
  readonly control: DeviceWindow;
  /** Its refresh frame. */
  readonly refresh: DeviceWindow;
  readonly #expiry: Timer;

  constructor(private readonly parts: WatchdogParts) {
    this.#expiry = parts.clock.timer("expiry", () => this.#look());
    const { state: { registers }, revision } = parts;
    registers.W_IIDR = identification(revision);
    const refreshed = { write: () => this.#refresh() };
    // A doubleword arrives as two words: the timer, not the first of them, finds what is over.
    const planned = { write: () => this.#plan() };
    this.control = controlFrame.handler(registers, {
      WCS: { read: () => this.#status(), write: refreshed.write },
      WOR_LOW: refreshed,
      WOR_HIGH: {
        write: () => {
          if (revision === 0) registers.WOR_HIGH = 0;
          this.#refresh();
        },
      },
      WCV_LOW: planned,
      WCV_HIGH: planned,
    });
    this.refresh = refreshFrame.handler({ WRR: 0, W_IIDR: registers.W_IIDR }, { WRR: refreshed });
  }

  get #enabled(): boolean {
    return this.parts.state.registers.WCS !== 0;
  }

  #count(): bigint {
    return ticksAt(this.parts.clock.nowNs, this.parts.frequencyHz);
  }

  #compare(): bigint {
    const { WCV_LOW, WCV_HIGH } = this.parts.state.registers;
    return BigInt(WCV_HIGH) << 32n | BigInt(WCV_LOW);
  }

  /** The compare value becomes the count and the offset. */
  #load(): void {
    const { registers } = this.parts.state;
    const compare = this.#count() + (BigInt(registers.WOR_HIGH) << 32n | BigInt(registers.WOR_LOW));
    registers.WCV_LOW = Number(BigInt.asUintN(32, compare));
    registers.WCV_HIGH = Number(BigInt.asUintN(32, compare >> 32n));
  }

  #status(): number {
    const { state } = this.parts;
    return state.registers.WCS | (state.ws0 ? Status.WS0 : 0) | (state.ws1 ? Status.WS1 : 0);
  }

  /** An explicit refresh: writes of WRR, WOR and WCS. */
  #refresh(): void {
    const { state } = this.parts;
    state.ws0 = false;
    state.ws1 = false;
    this.#load();
    this.#plan();
  }

  /** Time may be up. */
  #look(): void {
    const { state, reset } = this.parts;
    if (this.#enabled && this.#count() > this.#compare()) {
      if (state.ws0) {
        state.ws1 = true;
        this.#plan();
        reset();
        return;
      }
      state.ws0 = true;
      this.#load();
    }
    this.#plan();
  }

  #plan(): void {
    const { state, line, frequencyHz } = this.parts;
    line.set(state.ws0);
    const ns = this.#enabled && !state.ws1 ? firstNsOf(this.#compare() + 1n, frequencyHz) : Infinity;
    if (ns < Infinity) this.#expiry.arm(ns);
    else this.#expiry.disarm();
  }
}
