/** What of a run is traced: domains, a window of virtual time, kinds of events. */
import { ValidationError } from "@cliffy/command";
import { parseDuration } from "../../core/mod.ts";
import type { Vcpu } from "../../core/mod.ts";

/** Kinds of events of a timeline. */
export const kinds = ["runs", "exits", "devices", "irq", "events"] as const;
/** One of them. */
export type Kind = typeof kinds[number];

/** Kinds of lines of an instruction trace. */
export const tarmacKinds = ["instructions", "memory", "registers", "exceptions"] as const;
/** One of them. */
export type TarmacKind = typeof tarmacKinds[number];

/** As the command line gives them. */
export interface FilterOptions {
  traceOnly?: string;
  tarmacOnly?: string;
  traceDomain?: string[];
  traceWindow?: string;
}

/** Says what is wanted. */
export class Filter {
  readonly #kinds: ReadonlySet<Kind>;
  readonly #tarmacKinds: ReadonlySet<TarmacKind>;
  readonly #domains: ReadonlySet<string> | undefined;
  readonly fromNs: number;
  readonly toNs: number;

  /** Throws a `ValidationError`. */
  constructor({ traceOnly, tarmacOnly, traceDomain, traceWindow }: FilterOptions) {
    this.#kinds = chosen("--trace-only", traceOnly, kinds);
    this.#tarmacKinds = chosen("--tarmac-only", tarmacOnly, tarmacKinds);
    this.#domains = traceDomain && new Set(traceDomain);
    [this.fromNs, this.toNs] = windowOf(traceWindow);
  }

  /** Names that are no domain's. */
  unknownDomains(there: readonly string[]): string[] {
    return [...this.#domains ?? []].filter((name) => !there.includes(name));
  }

  /** Whether a vCPU is traced at a virtual time. */
  wants(vcpu: Vcpu, atNs: number): boolean {
    return atNs >= this.fromNs && atNs < this.toNs && (this.#domains === undefined || this.#domains.has(vcpu.domain.name));
  }

  /** Whether an instruction trace has a kind of lines. */
  writes(kind: TarmacKind): boolean {
    return this.#tarmacKinds.has(kind);
  }

  /** Whether a kind of events is. */
  has(kind: Kind): boolean {
    return this.#kinds.has(kind);
  }
}

/** Names separated by commas; all of them without any. */
function chosen<K extends string>(flag: string, text: string | undefined, all: readonly K[]): ReadonlySet<K> {
  const names = text?.split(",").map((name) => name.trim()) ?? all;
  for (const name of names) {
    if (!(all as readonly string[]).includes(name)) {
      throw new ValidationError(`${flag} ${text}: there is no ${name}, but ${all.join(", ")}`);
    }
  }
  return new Set(names as K[]);
}

/** `100ms..200ms`, `1s..` or `..50ms`. */
function windowOf(text: string | undefined): [number, number] {
  if (text === undefined) return [0, Infinity];
  const [, from, to] = text.match(/^([^.]*(?:\.\d[^.]*)?)\.\.(.*)$/) ?? [];
  const ns = [from === "" ? 0 : parseDuration(from ?? "x"), to === "" ? Infinity : parseDuration(to ?? "x")];
  const [begin, end] = ns;
  if (begin === undefined || end === undefined || begin >= end) {
    throw new ValidationError(`--trace-window ${text}: want FROM..TO in virtual time, such as 100ms..200ms, 1s.. or ..50ms`);
  }
  return [begin, end];
}
