/** The pools of a running board: who asks which policy. */
import type { Board } from "../board/board.ts";
import { parseCpus, poolsOf } from "./cpu_pool.ts";
import type { CpuPool } from "./cpu_pool.ts";
import type { GuestVcpu } from "../machine/guest_vcpu.ts";
import { PluginError } from "../plugin/plugin_errors.ts";
import type { Scope } from "../plugin/plugin_host.ts";
import { PolicyGuard } from "./policy_guard.ts";
import type { Choice } from "./policy_guard.ts";
import { SchedulerPolicy } from "./scheduler_policy.ts";

/** A pool and its policy. */
export interface GuardedPool extends Pick<CpuPool, "cpus" | "has" | "cpusOf"> {
  readonly guard: PolicyGuard;
}

const NOBODY: Choice = { vcpu: undefined, sliceNs: Infinity };

/** All the policies of a board as one. */
export class CpuPools {
  readonly #byCpu = new Map<number, PolicyGuard>();

  constructor(readonly pools: readonly GuardedPool[]) {
    for (const { cpus, guard } of pools) for (const cpu of cpus) this.#byCpu.set(cpu, guard);
  }

  /** Throws when no pool takes the vCPU's domain, or its policy refuses it. */
  insert(vcpu: GuestVcpu): void {
    const pool = this.#poolOf(vcpu.domain.name);
    vcpu.cpus = pool.cpusOf(vcpu.domain.name, vcpu.index);
    pool.guard.insert(vcpu);
  }

  /** The guard of a vCPU's policy. Throws for a domain that no pool takes. */
  of(vcpu: GuestVcpu): PolicyGuard {
    return this.#poolOf(vcpu.domain.name).guard;
  }

  /** Who runs next on a physical CPU. */
  decide(pcpu: number, nowNs: number): Choice {
    return this.#byCpu.get(pcpu)?.decide(pcpu, nowNs) ?? NOBODY;
  }

  /** Changes what the policy of a domain knows of it. Throws a `RangeError` when it can't. */
  adjust(domain: string, settings: Readonly<Record<string, unknown>>): void {
    const { policy, name } = this.#poolOf(domain).guard;
    if (policy.adjust === undefined) throw new RangeError(`${name} has nothing to change while it runs`);
    policy.adjust(domain, settings);
  }

  /** Gives a vCPU, which has no CPU at the moment, others of its pool. Throws a `RangeError` when it can't be; then it has those it had. */
  move(vcpu: GuestVcpu, affinity: unknown): void {
    const { cpus: all, guard } = this.#poolOf(vcpu.domain.name);
    const named = parseCpus(affinity);
    if (named === undefined) throw new RangeError(`the affinity is ${JSON.stringify(affinity)}; want physical CPUs such as 2 or 0-3,5`);
    const cpus = all.filter((cpu) => named.includes(cpu));
    if (cpus.length === 0) throw new RangeError(`the affinity leaves no CPU of the pool, which has ${all.join(", ")}`);
    const before = vcpu.cpus;
    guard.remove(vcpu);
    try {
      vcpu.cpus = cpus;
      guard.insert(vcpu);
    } catch (error) {
      vcpu.cpus = before;
      guard.insert(vcpu);
      throw error;
    } finally {
      if (vcpu.power === "runnable") guard.wake(vcpu);
    }
  }

  #poolOf(domain: string): GuardedPool {
    const pool = this.pools.find((candidate) => candidate.has(domain));
    if (pool === undefined) throw new RangeError(`domain ${domain} is in no pool of physical CPUs`);
    return pool;
  }
}

/** The pools of a board with the policies that its plugins provided. `misbehaved` hears of policies that decide nonsense. Throws when there is none. */
export function cpuPools(board: Board, { many }: Pick<Scope, "many">, misbehaved: (detail: string) => void): CpuPools {
  const pools = poolsOf(board);
  if (pools.length === 0) throw new Error(`the board needs a plugin that provides ${SchedulerPolicy.name}`);
  return new CpuPools(pools.map((pool) => {
    const provided = many.get(pool.use)?.get(SchedulerPolicy.name);
    if (provided === undefined) {
      throw new PluginError(pool.use.plugin.name, "setup", `it declares ${SchedulerPolicy.name} and didn't provide it`);
    }
    return { ...pool, guard: new PolicyGuard(provided.value as SchedulerPolicy, provided.owner, misbehaved) };
  }));
}
