/**
 * What comes from outside, with the places in the run where it came: enough to repeat the run without the world, to the instruction.
 *
 * A place lies between two rounds of the scheduler. Virtual time alone doesn't name it: at one nanosecond there may be several instructions, and
 * a machine that has looked and found nothing to do is another one than before it looked. What is written to a guest that is halted in the
 * middle of a turn has its place between two instructions of a vCPU.
 */
import type { SocketEvent } from "../host/host_sockets.ts";
import type { RunControl } from "../schedule/run_control.ts";

/** Between which instructions of a run. */
export interface RunPlace {
  /** Retired by all vCPUs. */
  readonly instructions: number;
  /** Virtual time. */
  readonly ns: number;
  /** Parts of a nanosecond beyond it, of the clock's size. */
  readonly parts: number;
  /** Nobody had anything to do. */
  readonly idle: boolean;
  /** In the middle of a turn: whose instruction is next. Counts with `instructions` alone. */
  readonly halted?: HaltedPlace;
}

/** An instruction that is about to execute. */
export interface HaltedPlace {
  /** Its name. */
  readonly domain: string;
  /** The vCPU's index. */
  readonly vcpu: number;
  /** Its virtual address, hexadecimal. */
  readonly pc: string;
}

/** What somebody does to a domain while the board runs. */
export type DomainOperation = "create" | "pause" | "unpause" | "reboot" | "destroy";

/** Something from outside. */
export type OutsideInput =
  | { readonly kind: "serial"; readonly port: string; readonly bytes: Uint8Array }
  | { readonly kind: "socket"; readonly event: SocketEvent }
  | { readonly kind: "operation"; readonly operation: DomainOperation; readonly domain: string }
  /** Somebody wrote to guest RAM. */
  | { readonly kind: "memory"; readonly domain: string; readonly ipa: number; readonly bytes: Uint8Array }
  /** Somebody wrote a register of a vCPU, which may have any name of `writeRegister`. `value`: hexadecimal. */
  | { readonly kind: "register"; readonly domain: string; readonly vcpu: number; readonly register: string; readonly value: string };

/** With its place. */
export interface JournalEntry {
  /** Where it came. */
  readonly at: RunPlace;
  /** What. */
  readonly input: OutsideInput;
}

/** A replay that isn't the run that was recorded: another program, plugin or file of the host. */
export class ReplayError extends Error {
  /** For whoever compares names. */
  override readonly name = "ReplayError";
}

/** What a journal works with. */
export interface JournalEnvironment {
  /** Told of everything that comes. */
  readonly record?: (entry: JournalEntry) => void;
  /** What comes instead, when it is a replay. */
  readonly replay?: readonly JournalEntry[];
  /** Where the run is. */
  place(): RunPlace;
  /** Hands an input to the machine. */
  give(input: OutsideInput): void;
}

/** Of one machine. */
export class Journal {
  #done = 0;
  /** In a replay: gives what came in the middle of a turn. Whoever runs vCPUs asks it. */
  control: RunControl | undefined;

  /** A machine makes its own. */
  constructor(
    /** What it works with. */
    readonly environment: JournalEnvironment,
  ) {}

  /** Where the run is, between two calls of `Machine.runFor`. */
  get place(): RunPlace {
    return this.environment.place();
  }

  /** True when what comes is in a recording: nothing else may. */
  get isReplay(): boolean {
    return this.environment.replay !== undefined;
  }

  /** What comes next; absent where nothing does any more. */
  get next(): JournalEntry | undefined {
    return this.environment.replay?.[this.#done];
  }

  /** Something came. In a replay it is only noted that it did: who operates the machine does again what was done. */
  came(input: OutsideInput): void {
    const { next } = this;
    const isNext = input.kind === "operation" && next?.input.kind === "operation" && next.input.operation === input.operation &&
      next.input.domain === input.domain;
    if (isNext) this.#done++;
    this.environment.record?.({ at: this.environment.place(), input });
  }

  /** Hands on what came in the middle of a turn, where the machine is now. */
  deliverHalted(): void {
    this.#done++;
    this.environment.give(this.environment.replay![this.#done - 1].input);
  }

  /** Hands on what is due. Returns a reboot that is: it isn't for the machine to do. Throws a {@linkcode ReplayError} when a place was missed. */
  deliver(): { readonly domain: string } | undefined {
    for (let { next } = this; next !== undefined; { next } = this) {
      const here = this.environment.place();
      if (next.at.halted !== undefined && next.at.instructions >= here.instructions) return undefined;
      const order = compare(next.at, here);
      if (order > 0 || (order === 0 && next.at.idle && !here.idle)) return undefined;
      if (order < 0 || next.at.idle !== here.idle) {
        throw new ReplayError(`the replay isn't the run: input came ${text(next.at)}; this is ${text(here)}`);
      }
      if (next.input.kind === "operation" && next.input.operation === "reboot") return next.input;
      if (next.input.kind === "operation" && next.input.operation === "create") {
        throw new ReplayError(`domain ${next.input.domain} was created while the board ran: that can't be replayed`);
      }
      this.#done++;
      this.environment.give(next.input);
    }
    return undefined;
  }
}

/** Below zero: `a` comes first. */
function compare(a: RunPlace, b: RunPlace): number {
  return a.instructions - b.instructions || a.ns - b.ns || a.parts - b.parts;
}

function text({ instructions, ns, idle, halted }: RunPlace): string {
  const within = halted && `, at ${halted.pc} of vCPU ${halted.vcpu} of ${halted.domain}`;
  return `after ${instructions} instructions at ${ns} ns${idle ? ", nobody busy" : ""}${within ?? ""}`;
}
