/** Virtual time: how it moves, and who is woken. */
import { type ExactTime, nsAfter, PARTS_PER_NS } from "../arch/cpu_engine.ts";
import type { Clock } from "./clock.ts";
import { EventQueue, queuedEvent } from "./events.ts";
import type { QueuedEvent } from "./events.ts";

/** How far an instruction moves virtual time: whole parts of a nanosecond, so that the rate of each of up to 16 busy physical CPUs is exact. */
export interface Rate {
  readonly parts: number;
}

/** Rate for `nsPerInstruction` when `sharers` physical CPUs take turns on one host thread. */
export function rate(nsPerInstruction: number, sharers: number): Rate {
  return { parts: Math.max(1, Math.round(nsPerInstruction * PARTS_PER_NS / sharers)) };
}

/** Nanoseconds per instruction of a rate. */
export function rateNs(rate: Rate): number {
  return rate.parts / PARTS_PER_NS;
}

/** The clock in a snapshot. */
export interface SavedClock {
  readonly ns: number;
  readonly parts: number;
  readonly sequence: number;
  /** Timers that plugins armed, by owner and name. */
  readonly armed: readonly SavedEvent[];
}

/** An event that is queued. */
export interface SavedEvent {
  readonly name: string;
  readonly ns: number;
  readonly sequence: number;
}

/** Virtual time of a board. Moves only forward, by whole parts of a nanosecond, so that a run repeats exactly. */
export class VirtualClock {
  readonly events: EventQueue = new EventQueue();
  /** Timers of plugins, by owner and name. */
  readonly #timers = new Map<string, QueuedEvent>();
  #ns = 0;
  #parts = 0;
  /** Set during a run of the CPU engine. */
  #run: { readonly rate: Rate; readonly time: ExactTime; readonly retired: () => number; readonly endNs: number } | undefined;

  /** `lookAgain` is called when a timer is armed for a time before the end of the run in progress. */
  constructor(readonly lookAgain: () => void = () => {}) {}

  /** Now, in whole nanoseconds; to the instruction during a run. */
  get nowNs(): number {
    return this.#run === undefined ? this.#ns : nsAfter(this.#run.time, this.#run.retired());
  }

  /** Now, with the fraction, between runs. */
  get exactNs(): number {
    return this.#ns + this.#parts / PARTS_PER_NS;
  }

  /** How it goes in a run that begins now. */
  exactAt(rate: Rate): ExactTime {
    return { ns: this.#ns, parts: this.#parts, partsPerInstruction: rate.parts };
  }

  /** Its parts of a nanosecond, between runs: with {@linkcode nowNs} a moment that no other one equals. */
  get parts(): number {
    return this.#parts;
  }

  /** For a snapshot. Events that are no plugin's timers are left to those whose they are. */
  save(): SavedClock {
    const armed = this.events.all.filter((event) => this.#timers.get(event.name) === event);
    return {
      ns: this.#ns,
      parts: this.#parts,
      sequence: this.events.sequence,
      armed: armed.map(({ name, ns, sequence }) => ({ name, ns, sequence })).sort((a, b) => a.sequence - b.sequence),
    };
  }

  /** The counterpart of {@linkcode save}. Throws a `RangeError` for a timer that nobody has. */
  load({ ns, parts, sequence, armed }: SavedClock): void {
    this.#ns = ns;
    this.#parts = parts;
    this.events.restart(sequence);
    for (const saved of armed) {
      const event = this.#timers.get(saved.name);
      if (event === undefined) throw new RangeError(`the snapshot has a timer ${saved.name}, and no plugin here has it`);
      this.events.restore(event, saved.ns, saved.sequence);
    }
  }

  /** Moves time by instructions. */
  advance(instructions: number, rate: Rate): void {
    const parts = this.#parts + instructions * rate.parts;
    this.#ns += Math.floor(parts / PARTS_PER_NS);
    this.#parts = parts % PARTS_PER_NS;
  }

  /** Moves time forward to `ns`, when it lies ahead. */
  skipTo(ns: number): void {
    if (ns <= this.#ns) return;
    this.#ns = ns;
    this.#parts = 0;
  }

  /** Instructions until `ns` at a rate, at least 1 and at most `limit`. */
  instructionsUntil(ns: number, rate: Rate, limit: number): number {
    const distance = ns - this.#ns;
    if (distance * PARTS_PER_NS >= limit * rate.parts + this.#parts) return limit;
    return Math.max(1, Math.min(limit, Math.ceil((distance * PARTS_PER_NS - this.#parts) / rate.parts)));
  }

  /** From here to {@linkcode endRun}, `nowNs` follows `retired()`. */
  beginRun(rate: Rate, budget: number, retired: () => number): void {
    const time = this.exactAt(rate);
    this.#run = { rate, time, retired, endNs: nsAfter(time, budget) };
  }

  /** The run is over. Moves time by what it retired. */
  endRun(retired: number): void {
    const run = this.#run!;
    this.#run = undefined;
    this.advance(retired, run.rate);
  }

  /** Queues an event; makes a run in progress come back when it can't wait for its end. */
  arm(event: QueuedEvent, ns: number): void {
    if (Number.isNaN(ns)) throw new RangeError(`timer ${event.name}: the deadline is not a number`);
    this.events.arm(event, ns);
    if (this.#run !== undefined && ns < this.#run.endNs) this.lookAgain();
  }

  /** The clock of one plugin instance. `guard` runs its callbacks; `own` collects what to undo when the instance goes. */
  forInstance(owner: string, guard: (hook: string, callback: () => void) => void, own: (undo: () => void) => void): Clock {
    const names = new Set<string>();
    const now = () => this.nowNs;
    return {
      get nowNs() {
        return now();
      },
      timer: (name, callback) => {
        if (names.has(name)) throw new Error(`${owner}: there is a timer ${JSON.stringify(name)} already`);
        names.add(name);
        const event = queuedEvent(`${owner}/${name}`, () => guard(`timer ${name}`, callback));
        this.#timers.set(event.name, event);
        own(() => {
          this.events.disarm(event);
          this.#timers.delete(event.name);
        });
        return {
          arm: (atNs) => this.arm(event, atNs),
          disarm: () => this.events.disarm(event),
          get deadlineNs() {
            return event.place >= 0 ? event.ns : undefined;
          },
        };
      },
    };
  }
}
