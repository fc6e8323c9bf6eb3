/** `run --trace FILE`, `--tarmac FILE`, `--flame FILE`: what a run tells of itself, in the formats of tools that users have. */
import { ValidationError } from "@cliffy/command";
import type { Command } from "@cliffy/command";
import { callers } from "../../core/mod.ts";
import type { Instrument, Machine } from "../../core/mod.ts";
import type { GuestSymbols } from "../symbols/guest_symbols.ts";
import { Filter, kinds, tarmacKinds } from "./filter.ts";
import type { FilterOptions } from "./filter.ts";
import { Flame } from "./flame.ts";
import { flameSvg } from "./flame_svg.ts";
import { HotExits } from "./hot_exits.ts";
import { Probe } from "./probe.ts";
import type { Listener } from "./probe.ts";
import { Tarmac } from "./tarmac.ts";
import type { Machinery } from "./tarmac_memory.ts";
import { TextFile } from "./text_file.ts";
import { Timeline } from "./timeline.ts";

/** As the command line gives them. */
export interface TraceOptions extends FilterOptions {
  trace?: string;
  tarmac?: string;
  flame?: string;
  /** Counts exits as well. */
  profile?: boolean;
}

/** Adds the options to a command. */
export function addTraceOptions(command: Command): Command {
  return command
    .option(
      "--trace <file:string>",
      "Write a timeline for Perfetto or chrome://tracing: vCPUs, exits, devices, interrupts, in virtual time.",
    )
    .option(
      "--tarmac <file:string>",
      "Write every instruction, what it loads, stores and changes, as Arm's models do (Tarmac). Slow, and large.",
    )
    .option("--flame <file:string>", "Write where the guests' instructions go: a flame graph (.svg), or folded stacks (any other name).")
    .option("--trace-only <kinds:string>", `Only these in the timeline: ${kinds.join(",")}.`)
    .option("--tarmac-only <kinds:string>", `Only these lines of --tarmac: ${tarmacKinds.join(",")}.`)
    .option("--trace-domain <name:string>", "Trace only this domain. May be repeated.", { collect: true })
    .option("--trace-window <window:string>", "Trace only this part of virtual time: 100ms..200ms, 1s.. or ..50ms.") as unknown as Command;
}

/** The traces of a run. */
export class Traces {
  readonly #timeline: Timeline | undefined;
  readonly #tarmac: Tarmac | undefined;
  readonly #flame: Flame | undefined;
  readonly #exits: HotExits | undefined;
  readonly #flameFile: TextFile | undefined;
  readonly #probe: Probe | undefined;
  machine: Machine | undefined;

  /** Opens the files. Throws a `ValidationError`. */
  constructor(readonly options: TraceOptions, domains: readonly string[]) {
    const filter = new Filter(options);
    const unknown = filter.unknownDomains(domains);
    if (unknown.length > 0) throw new ValidationError(`--trace-domain ${unknown[0]}: there is ${domains.join(", ")}`);
    if (options.trace !== undefined) this.#timeline = new Timeline(open("--trace", options.trace), filter);
    if (options.tarmac !== undefined) this.#tarmac = new Tarmac(open("--tarmac", options.tarmac), filter, () => this.#machinery);
    if (options.flame !== undefined) {
      this.#flameFile = open("--flame", options.flame);
      this.#flame = new Flame((vcpu) => callers(vcpu, { engine: this.#probe!.cpus, memory: this.machine!.memory }));
    }
    if (options.profile) this.#exits = new HotExits();
    const listeners: Listener[] = [this.#exits, this.#timeline, this.#tarmac, this.#flame].filter((listener) => listener !== undefined);
    if (listeners.length > 0) this.#probe = new Probe(filter, listeners, () => this.machine?.domains ?? []);
  }

  get #machinery(): Machinery {
    return { cpus: this.#probe!.cpus, memory: this.machine!.memory };
  }

  /** What stands in the machine; absent when nothing is traced: then nothing does. */
  get instrument(): Instrument | undefined {
    return this.#probe;
  }

  /** A trace event of the machine. */
  event(kind: string, detail: string): void {
    this.#timeline?.event(kind, detail, this.#probe?.nowNs ?? 0);
  }

  /** Writes what is left, while the machine is still there. Returns remarks for the user. */
  close(symbols: GuestSymbols): string[] {
    const remarks: string[] = [];
    this.#timeline?.close();
    this.#tarmac?.close();
    if (this.#timeline?.dropped) remarks.push(`${this.options.trace} was full: ${this.#timeline.dropped} events are missing`);
    if (this.#exits) remarks.push(this.#exits.summary(symbols.functionOf));
    if (this.#flame) {
      const folded = this.#flame.folded(symbols.functionOf);
      this.#flameFile!.write(this.options.flame!.endsWith(".svg") ? flameSvg(folded, this.machine?.board.name ?? "") : folded);
      this.#flameFile!.close();
    }
    return remarks;
  }
}

function open(flag: string, path: string): TextFile {
  try {
    return new TextFile(path);
  } catch (error) {
    throw new ValidationError(`${flag} ${path}: ${error instanceof Error ? error.message : error}`);
  }
}
