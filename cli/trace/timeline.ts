/**
 * A timeline as Perfetto and chrome://tracing show it ("Trace Event Format"): domains are processes, vCPUs threads, times virtual. What a
 * vCPU does is a slice; exits, accesses and interrupts are marks on it.
 */
import { hex } from "../../core/mod.ts";
import type { CpuEngine, Vcpu } from "../../core/mod.ts";
import { exitOf } from "./exit_event.ts";
import type { Filter } from "./filter.ts";
import type { Listener, Ran } from "./probe.ts";
import type { TextFile } from "./text_file.ts";

/** Events of a file at most: viewers give up before. */
const MOST_EVENTS = 5_000_000;
/** ICH_LR<n>_EL2.State. */
const PENDING = 1n;

interface Slice {
  readonly startNs: number;
  endNs: number;
  instructions: number;
  readonly pcpu: number | undefined;
}

interface Track {
  readonly pid: number;
  readonly tid: number;
  /** The slice in progress: runs that only exits and budgets divide are one. */
  slice: Slice | undefined;
  endNs: number;
  /** Why it stopped running, as a viewer shows the time until it runs again. */
  waits: string | undefined;
  pending: ReadonlySet<number>;
}

/** Writes one. */
export class Timeline implements Listener {
  readonly #tracks = new Map<Vcpu, Track>();
  readonly #pids = new Map<string, number>();
  #events = 0;

  constructor(readonly file: TextFile, readonly filter: Filter) {
    file.write('{"displayTimeUnit":"ns","traceEvents":[\n');
  }

  /** How many events it has left out. */
  get dropped(): number {
    return Math.max(0, this.#events - MOST_EVENTS);
  }

  before(vcpu: Vcpu, atNs: number): void {
    const track = this.#track(vcpu);
    if (track.waits !== undefined && atNs > track.endNs && this.filter.has("runs")) {
      this.#emit(track, { name: track.waits, cat: "wait", ph: "X", ts: track.endNs, dur: atNs - track.endNs });
    }
    track.waits = undefined;
    if (!this.filter.has("irq")) return;
    const pending = pendingInterrupts(vcpu);
    for (const intid of pending) {
      if (!track.pending.has(intid)) this.#emit(track, { name: `INTID ${intid}`, cat: "irq", ph: "i", s: "t", ts: atNs });
    }
    track.pending = pending;
  }

  ran({ vcpu, startNs, endNs, instructions, exit, nsPerInstruction }: Ran): void {
    const track = this.#track(vcpu);
    const { slice } = track;
    track.endNs = endNs;
    if (this.filter.has("irq")) track.pending = pendingInterrupts(vcpu);
    if (exit.kind === "wait") track.waits = exit.instruction;
    // An exit takes the time of the instruction that trapped.
    if (slice && startNs - slice.endNs < 1.5 * nsPerInstruction && slice.pcpu === vcpu.pcpu) {
      slice.endNs = endNs;
      slice.instructions += instructions;
    } else {
      this.#end(track);
      track.slice = { startNs, endNs, instructions, pcpu: vcpu.pcpu };
    }
    if (exit.kind === "wait") this.#end(track);
  }

  exit(vcpu: Vcpu, atNs: number, engine: CpuEngine, deviceAt: (ipa: number) => string | undefined): void {
    const track = this.#track(vcpu);
    const { kind, name, args } = exitOf(vcpu, engine, deviceAt);
    if (kind === "wfi" || kind === "wfe") {
      track.waits = kind.toUpperCase();
      this.#end(track);
    }
    if (this.filter.has(kind === "mmio" ? "devices" : "exits")) {
      this.#emit(track, { name, cat: kind, ph: "i", s: "t", ts: atNs, args: { pc: hex(vcpu.state.pc), ...args } });
    }
  }

  /** A trace event of the machine. */
  event(kind: string, detail: string, atNs: number): void {
    if (!this.filter.has("events") || atNs < this.filter.fromNs || atNs >= this.filter.toNs) return;
    this.#emit({ pid: 0, tid: 0 }, { name: kind, cat: "event", ph: "i", s: "g", ts: atNs, args: { detail } });
  }

  /** Ends the file. */
  close(): void {
    for (const track of this.#tracks.values()) this.#end(track);
    this.file.write(`{"name":"process_name","ph":"M","pid":0,"tid":0,"args":{"name":"board"}}\n]}\n`);
    this.file.close();
  }

  #end(track: Track): void {
    const { slice } = track;
    track.slice = undefined;
    if (slice === undefined || !this.filter.has("runs")) return;
    const { startNs, endNs, instructions, pcpu } = slice;
    this.#emit(track, { name: "run", cat: "run", ph: "X", ts: startNs, dur: endNs - startNs, args: { instructions, pcpu } });
  }

  #track(vcpu: Vcpu): Track {
    const known = this.#tracks.get(vcpu);
    if (known) return known;
    const { name } = vcpu.domain;
    let pid = this.#pids.get(name);
    if (pid === undefined) {
      this.#pids.set(name, pid = this.#pids.size + 1);
      this.#meta(pid, 0, "process_name", name);
    }
    this.#meta(pid, vcpu.index, "thread_name", `vCPU ${vcpu.index}`);
    const track: Track = { pid, tid: vcpu.index, slice: undefined, endNs: 0, waits: undefined, pending: new Set() };
    this.#tracks.set(vcpu, track);
    return track;
  }

  #meta(pid: number, tid: number, what: string, name: string): void {
    this.file.write(`${JSON.stringify({ name: what, ph: "M", pid, tid, args: { name } })},\n`);
  }

  /** `ts` and `dur` come in nanoseconds; the format wants microseconds. */
  #emit(
    { pid, tid }: { readonly pid: number; readonly tid: number },
    event: { readonly ts: number; readonly dur?: number; readonly [key: string]: unknown },
  ): void {
    if (++this.#events > MOST_EVENTS) return;
    const { ts, dur, ...rest } = event;
    this.file.write(`${JSON.stringify({ ...rest, pid, tid, ts: ts / 1000, ...dur !== undefined && { dur: dur / 1000 } })},\n`);
  }
}

/** What list registers show as pending. */
function pendingInterrupts(vcpu: Vcpu): ReadonlySet<number> {
  const found = new Set<number>();
  for (let n = 0; n < 16; n++) {
    let value: bigint;
    try {
      value = vcpu.state.read(`ICH_LR${n}_EL2`);
    } catch {
      break; // It has no more.
    }
    if (value >> 62n === PENDING) found.add(Number(value & 0xffff_ffffn));
  }
  return found;
}
