/**
 * A run's past, for going back: snapshots on the way, and what came from outside since. Going back is to build the machine of a snapshot
 * anew and to let it run to the instruction wanted; it is another machine then. Where the world outside can't be taken back (a disk that is
 * written to, a socket), a snapshot is refused, and with it the way back.
 */
import { Machine } from "../../core/mod.ts";
import type { Domain, DomainStop, Halt, Snapshot, Vcpu } from "../../core/mod.ts";

/** Instructions between two snapshots, at least. */
const LEAST_BETWEEN = 5_000_000;
/** Taking snapshots costs this part of the time at most. */
const COST = 1 / 20;
/** Snapshots that are kept, and bytes of all of them. When there are more, those that are close together go first. */
const MOST_KEPT = 12, MOST_BYTES = 2 ** 30;
/** A run is looked at again after so many milliseconds. */
const SLICE_MS = 50;

interface Moment {
  readonly snapshot: Snapshot;
  readonly position: number;
  readonly bytes: number;
  /** Bytes that each serial port had put out. */
  readonly output: ReadonlyMap<string, number>;
}

interface Input {
  readonly position: number;
  readonly nowNs: number;
  readonly port: string;
  readonly bytes: Uint8Array;
}

/** Where a vCPU is to be found in another machine of the same board. */
interface VcpuName {
  readonly domain: string;
  readonly index: number;
}

/** Where the way back has led. `begin`: nothing is known of what was before. */
export interface Arrival {
  readonly kind: "begin" | "there" | "breakpoint" | "watchpoint";
  readonly vcpu: Vcpu | undefined;
  readonly stop?: DomainStop;
  readonly address?: bigint;
}

/** What happened on the way, of which the last one counts. */
interface Hit {
  readonly kind: "breakpoint" | "watchpoint";
  readonly position: number;
  readonly vcpu: VcpuName;
  readonly stop: DomainStop;
  readonly address?: bigint;
}

/** The past of a machine, and the machine. */
export class History {
  #machine: Machine;
  #moments: Moment[] = [];
  #inputs: Input[] = [];
  /** Bytes that the present machine has put out, by port, and how many of them somebody has seen. */
  #output = new Map<string, number>();
  #seen = new Map<string, number>();
  #nextAtMs = 0;
  /** Why there is no way back. */
  #refusal: string | undefined;
  /** Somebody wants the search to end. */
  cancelled = false;

  /** @param say tells people something, once */
  constructor(machine: Machine, readonly say: (line: string) => void) {
    this.#machine = machine;
    const { environment } = machine;
    if (environment.onInput) this.#refusal = "the run is recorded, and what is taken back can't be";
    const show = environment.onSerial.bind(environment);
    environment.onSerial = (port, bytes) => {
      const at = this.#output.get(port) ?? 0, seen = this.#seen.get(port) ?? 0;
      this.#output.set(port, at + bytes.length);
      this.#seen.set(port, Math.max(seen, at + bytes.length));
      // What was shown before a step back isn't shown again.
      if (at + bytes.length > seen) show(port, bytes.subarray(Math.max(0, seen - at)));
    };
  }

  /** As it is now: it is another one after each way back. */
  get machine(): Machine {
    return this.#machine;
  }

  get #position(): number {
    return this.#machine.debugger.position;
  }

  /** The run goes on by itself: a snapshot, if it is time for one and the machine isn't in the middle of something. */
  pass(): void {
    const last = this.#moments.at(-1);
    const isDue = last === undefined || (this.#position >= last.position + LEAST_BETWEEN && performance.now() >= this.#nextAtMs);
    if (!isDue || this.#refusal !== undefined || this.#machine.debugger.isWithinRound) return;
    const began = performance.now();
    try {
      const snapshot = this.#machine.save();
      let bytes = snapshot.state.length;
      for (const piece of snapshot.pages.pieces()) bytes += piece.bytes.length;
      this.#moments.push({ snapshot, position: this.#position, bytes, output: new Map(this.#output) });
    } catch (error) {
      this.#refusal = (error as Error).message;
      return;
    }
    const ended = performance.now();
    this.#nextAtMs = ended + (ended - began) / COST;
    while (this.#moments.length > MOST_KEPT || this.#moments.length > 2 && this.#bytes > MOST_BYTES) this.#thin();
  }

  get #bytes(): number {
    return this.#moments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Drops the one whose neighbours are closest together, for how long ago it was; the first and the last stay. */
  #thin(): void {
    const moments = this.#moments;
    const end = moments[moments.length - 1].position;
    let least = 1, worth = Infinity;
    for (let n = 1; n < moments.length - 1; n++) {
      const own = (moments[n + 1].position - moments[n - 1].position) / (end - moments[n].position + 1);
      if (own < worth) [least, worth] = [n, own];
    }
    moments.splice(least, 1);
  }

  /** Somebody types. What was known to come after is no more. */
  typed(port: string, bytes: Uint8Array): void {
    this.#forgetAfter();
    this.#inputs.push({ position: this.#position, nowNs: this.#machine.nowNs, port, bytes: bytes.slice() });
  }

  /** It goes forward. What was typed at a later time, in a run that was taken back, isn't typed again: from here on it is another run. */
  resumed(): void {
    if (!this.#inputs.some(({ position, nowNs }) => position > this.#position || nowNs > this.#machine.nowNs)) return;
    this.#forgetAfter();
    this.#seen = new Map(this.#output);
  }

  #forgetAfter(): void {
    const position = this.#position;
    this.#moments = this.#moments.filter((moment) => moment.position <= position);
    this.#inputs = this.#inputs.filter((input) => input.position < position || input.nowNs <= this.#machine.nowNs);
  }

  /** Registers or memory were changed from outside: no snapshot knows of it. */
  changed(): void {
    this.#moments = [];
    this.#inputs = [];
  }

  /** To before the instruction that a vCPU executed last. */
  async stepBack(vcpu: Vcpu): Promise<Arrival> {
    const name = nameOf(vcpu);
    const last = this.#machine.debugger.positionOf(vcpu) ?? this.#position;
    return await this.#goTo(last - 1, (machine) => ({ kind: "there", vcpu: find(machine, name) }));
  }

  /** To the last of these stops that the run came by. */
  async runBack(stops: readonly DomainStop[]): Promise<Arrival> {
    const here = this.#position;
    const known = this.#moments.filter(({ position }) => position < here);
    for (let n = known.length - 1, end = here; n >= 0 && !this.cancelled; end = known[n--].position) {
      const hit = await this.#search(known[n], end, stops);
      if (hit) {
        const { kind, stop, address } = hit;
        // GDB knows that a CPU of this kind stops before an access: to look at it, it takes one step more by itself.
        const position = kind === "watchpoint" ? hit.position + 1 : hit.position;
        return await this.#goTo(position, (machine) => ({ kind, stop, address, vcpu: find(machine, hit.vcpu) }));
      }
    }
    return await this.#goTo(known[0]?.position ?? here, (machine) => ({ kind: "begin", vcpu: machine.debugger.latest }));
  }

  async #goTo(position: number, arrival: (machine: Machine) => Arrival): Promise<Arrival> {
    const moment = this.#moments.findLast((candidate) => candidate.position <= position);
    if (moment === undefined) {
      this.say(`no way back: ${this.#refusal ?? "nothing is known of what was before"}`);
      return { kind: "begin", vcpu: this.#machine.debugger.latest };
    }
    const machine = await this.#restore(moment);
    if (machine === undefined) return { kind: "begin", vcpu: this.#machine.debugger.latest };
    await this.#run(machine, moment, position);
    const before = this.#machine;
    this.#machine = machine;
    before.dispose();
    machine.debugger.stop();
    return arrival(machine);
  }

  /** The last stop from a moment to a position, which isn't one of them. */
  async #search(moment: Moment, end: number, stops: readonly DomainStop[]): Promise<Hit | undefined> {
    const output = this.#output;
    const machine = await this.#restore(moment);
    if (machine === undefined) return undefined;
    let last: Hit | undefined;
    try {
      machine.debugger.setStops(stops);
      await this.#run(machine, moment, end, (halt) => {
        if (halt.kind !== "breakpoint" && halt.kind !== "watchpoint") return;
        const { position } = machine.debugger;
        const address = halt.kind === "watchpoint" ? halt.address : undefined;
        if (position < end) last = { kind: halt.kind, position, vcpu: nameOf(halt.vcpu), stop: halt.stop, address };
      });
    } finally {
      machine.dispose();
      this.#output = output;
    }
    return last;
  }

  async #restore(moment: Moment): Promise<Machine | undefined> {
    const { board, environment } = this.#machine;
    const before = this.#output;
    this.#output = new Map(moment.output);
    try {
      // Nobody waits for the clock on a wall on the way.
      return await Machine.restore({ ...board, time: "virtual" }, environment, moment.snapshot);
    } catch (error) {
      this.#output = before;
      this.#refusal = (error as Error).message;
      this.say(`no way back: ${this.#refusal}`);
      return undefined;
    }
  }

  /** Lets a machine of a moment run to a position, with everything that came meanwhile. */
  async #run(machine: Machine, moment: Moment, position: number, seen: (halt: Halt) => void = () => {}): Promise<void> {
    const inputs = this.#inputs.filter((input) =>
      input.nowNs >= moment.snapshot.about.nowNs && input.position >= moment.position && input.position <= position
    );
    for (const { position, nowNs, port, bytes } of inputs) {
      await this.#runTo(machine, position, seen);
      if (machine.nowNs < nowNs) {
        machine.debugger.resume();
        machine.runFor(nowNs - machine.nowNs, Infinity);
      }
      if (machine.serialPorts.includes(port)) machine.serialInput(port, bytes);
    }
    await this.#runTo(machine, position, seen);
  }

  async #runTo(machine: Machine, position: number, seen: (halt: Halt) => void): Promise<void> {
    const { debugger: debug } = machine;
    while (debug.position < position && !this.cancelled) {
      debug.resume({ until: position });
      const reason = machine.runFor(Infinity, SLICE_MS);
      if (reason?.kind === "reboot") await machine.reboot(reason.domain!);
      else if (reason) return;
      if (debug.halt) seen(debug.halt);
      // Ctrl-C comes in between.
      else await new Promise((resolve) => setTimeout(resolve));
    }
  }
}

function nameOf({ domain, index }: Vcpu): VcpuName {
  return { domain: domain.name, index };
}

function find(machine: Machine, { domain, index }: VcpuName): Vcpu | undefined {
  return machine.domains.find((candidate: Domain) => candidate.name === domain)?.vcpus[index];
}
