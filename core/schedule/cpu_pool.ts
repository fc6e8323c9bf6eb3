/**
 * Pools of physical CPUs: each use of a scheduler plugin is one. Without a word in the manifest a pool has every CPU and every domain that
 * no other pool names.
 */
import type { Board, PluginUse } from "../board/board.ts";
import { parseInteger } from "../board/option_values.ts";
import type { OptionSpecs } from "../board/options.ts";
import { SchedulerPolicy } from "./scheduler_policy.ts";

/** What a manifest may say of a pool, as options of its scheduler. */
export interface PoolOptions {
  /** `0-3,5`, a number or a list of them. */
  readonly cpus?: unknown;
  /** Names of its domains. */
  readonly domains?: readonly string[];
  /** By domain: the CPUs of all its vCPUs, or a list with one entry for each vCPU. */
  readonly affinity?: Readonly<Record<string, unknown>>;
}

/** A pool. */
export interface CpuPool {
  /** The scheduler that decides in it. */
  readonly use: PluginUse;
  /** Physical CPUs, ascending. */
  readonly cpus: readonly number[];
  /** True for a domain whose vCPUs it schedules. */
  has(domain: string): boolean;
  /** Where a vCPU may run, ascending. */
  cpusOf(domain: string, vcpu: number): readonly number[];
}

/** Options that every scheduler plugin takes. */
export const poolOptions: OptionSpecs = {
  cpus: {
    kind: "any",
    doc: "Physical CPUs of its pool: `0-3,5`. Without it, those that no other scheduler names.",
    optional: true,
    check: (value) => parseCpus(value) ? undefined : "physical CPUs such as 2, 0-3,5 or [0, 2]",
  },
  domains: {
    kind: "text",
    list: true,
    doc: "Domains of its pool. Without it, those that no other scheduler names.",
    optional: true,
  },
  affinity: {
    kind: "any",
    doc: 'Hard affinity by domain: the CPUs of all its vCPUs, or a list by vCPU: `{ linux: "0-1", rtos: [2, 3] }`.',
    optional: true,
    check: checkAffinity,
  },
};

/** `0-3,5`, a number or a list of these, ascending. `undefined`: it is none of them. */
export function parseCpus(value: unknown): number[] | undefined {
  const found = new Set<number>();
  for (const item of Array.isArray(value) ? value : String(value).split(",")) {
    const range = /^\s*(\d+)\s*-\s*(\d+)\s*$/.exec(String(item));
    const [from, to] = range ? [Number(range[1]), Number(range[2])] : [parseInteger(item), parseInteger(item)];
    if (from === undefined || to === undefined || !(from >= 0 && from <= to && to < 64)) return undefined;
    for (let cpu = from; cpu <= to; cpu++) found.add(cpu);
  }
  return found.size === 0 ? undefined : [...found].sort((a, b) => a - b);
}

function checkAffinity(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "a map from domain to CPUs";
  for (const [domain, cpus] of Object.entries(value)) {
    const each = Array.isArray(cpus) ? cpus : [cpus];
    if (!each.every(parseCpus)) return `physical CPUs such as 2 or "0-3,5" for ${domain}, or a list of them with one entry for each vCPU`;
  }
  return undefined;
}

/** Uses of scheduler plugins, in the manifest's order. */
export function schedulerUses(board: Board): PluginUse[] {
  return board.plugins.filter(({ plugin }) => plugin.provides?.some(({ name }) => name === SchedulerPolicy.name));
}

/** The options of a use that concern its pool. */
export function poolOptionsOf(use: PluginUse): PoolOptions {
  return use.options as PoolOptions;
}

/** CPUs that an affinity names for a vCPU; `undefined`: it names none. */
export function affinityOf({ affinity = {} }: PoolOptions, domain: string, vcpu: number): number[] | undefined {
  const said = Object.hasOwn(affinity, domain) ? affinity[domain] : undefined;
  const own = Array.isArray(said) ? said[vcpu] : said;
  return own === undefined ? undefined : parseCpus(own);
}

/** The pools of a board. Never throws: what doesn't fit is found by the manifest's check. */
export function poolsOf(board: Board): CpuPool[] {
  const uses = schedulerUses(board);
  const namedCpus = new Set(uses.flatMap((use) => parseCpus(poolOptionsOf(use).cpus ?? []) ?? []));
  const namedDomains = new Set(uses.flatMap((use) => poolOptionsOf(use).domains ?? []));
  const all = Array.from({ length: board.pcpus }, (_, cpu) => cpu);
  return uses.map((use): CpuPool => {
    const options = poolOptionsOf(use);
    const own = options.cpus === undefined ? undefined : parseCpus(options.cpus);
    const cpus = all.filter((cpu) => own ? own.includes(cpu) : !namedCpus.has(cpu));
    return {
      use,
      cpus,
      has: (domain) => options.domains?.includes(domain) ?? !namedDomains.has(domain),
      cpusOf(domain, vcpu) {
        const affine = affinityOf(options, domain, vcpu);
        return affine ? cpus.filter((cpu) => affine.includes(cpu)) : cpus;
      },
    };
  });
}

/** The pool of the scheduler plugin that was given these options. */
export function poolOf(board: Board, options: object): CpuPool {
  const pool = poolsOf(board).find(({ use }) => use.options === options);
  if (pool === undefined) throw new Error("these are no options of a scheduler of this board");
  return pool;
}
