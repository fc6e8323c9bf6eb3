/**
 * Credits burn while a vCPU runs, the faster the less weight it has; the greatest credit goes next. When nobody has any left, all get new
 * ones, and keep what they are in debt: so shares follow weights over any time that is long beside a slice. A cap is a budget of the whole
 * domain for each period of 10 ms, which not even an idle CPU extends.
 */
import type { Decision, Schedulable, SchedulerPolicy } from "../../../core/mod.ts";

/** Weight of a domain of which nothing is said. */
export const DEFAULT_WEIGHT = 256;
/** Credit that each vCPU gets, in nanoseconds of the heaviest one. */
const CREDIT_NS = 10_000_000;
/** Credit that may be left over when new one is given out. */
const CARRY_NS = 1_000_000;
/** A slice is at least so long, unless a budget ends, */
const LEAST_NS = 500_000;
/** and at most so long. */
const MOST_NS = 10_000_000;
/** How much more credit a vCPU must have than the one that runs to move there from another CPU. */
const MOVE_NS = 500_000;
/** Budgets of caps are for so long. */
const CAP_PERIOD_NS = 10_000_000;
/** A slice isn't cut shorter by a budget that several vCPUs share. */
const LEAST_BUDGET_NS = 10_000;

/** Account of a vCPU. */
interface Account {
  creditNs: number;
  /** Where it ran last. */
  cpu: number | undefined;
  /** It gave its turn away: whoever else is there goes first, once. */
  yielded: boolean;
}

/** What is known of a domain. */
interface Share {
  weight: number;
  /** Physical CPU nanoseconds per period; `Infinity`: no cap. */
  capNs: number;
  /** What is left of them. */
  budgetNs: number;
}

/** State. */
export interface Credit2State {
  readonly accounts: Record<number, Account>;
  readonly shares: Record<string, Share>;
  /** Who runs on a physical CPU, and since when. */
  readonly running: Record<number, { readonly id: number; readonly sinceNs: number }>;
  /** When budgets are filled up again. */
  refillNs: number;
}

/** Initial state. */
export function credit2State(): Credit2State {
  return { accounts: {}, shares: {}, running: {}, refillNs: CAP_PERIOD_NS };
}

/** What the board says of a domain. */
export interface Credit2Settings {
  /** 1 to 65535. */
  readonly weight?: number;
  /** Per cent of one physical CPU; 0: none. */
  readonly cap?: number;
}

/** Throws a `RangeError` for what isn't in bounds. */
function readSettings({ weight, cap, ...others }: Readonly<Record<string, unknown>>): Credit2Settings {
  if (weight !== undefined && !(typeof weight === "number" && weight >= 1 && weight <= 65_535)) {
    throw new RangeError(`the weight is ${weight}; want 1 to 65535`);
  }
  if (cap !== undefined && !(typeof cap === "number" && cap >= 0 && cap <= 6400)) {
    throw new RangeError(`the cap is ${cap}; want 0 to 6400 per cent`);
  }
  for (const name of Object.keys(others)) throw new RangeError(`there is no ${name} to set; there is weight and cap`);
  return { weight, cap } as Credit2Settings;
}

/** Makes the policy. `settingsOf` tells what the board says of a domain, `rateLimitNs` for how long whoever runs isn't preempted. */
export function credit2Policy(
  state: Credit2State,
  settingsOf: (domain: string) => Credit2Settings,
  rateLimitNs: number,
): SchedulerPolicy {
  const vcpus = new Map<number, Schedulable>();
  const { accounts, shares, running } = state;
  let heaviest = DEFAULT_WEIGHT;

  function set(share: Share, { weight, cap }: Credit2Settings): void {
    if (weight !== undefined) share.weight = weight;
    if (cap !== undefined) {
      share.capNs = cap === 0 ? Infinity : CAP_PERIOD_NS * cap / 100;
      // A cap that is new begins with a whole budget.
      share.budgetNs = cap === 0 ? Infinity : Math.min(share.budgetNs, share.capNs);
    }
    weigh();
  }

  function weigh(): void {
    heaviest = Math.max(1, ...[...vcpus.values()].map(({ domain }) => shares[domain].weight));
  }

  function refill(nowNs: number): void {
    if (nowNs < state.refillNs) return;
    const periods = Math.floor((nowNs - state.refillNs) / CAP_PERIOD_NS) + 1;
    state.refillNs += periods * CAP_PERIOD_NS;
    for (const share of Object.values(shares)) {
      share.budgetNs = share.capNs === Infinity ? Infinity : Math.min(share.capNs, share.budgetNs + periods * share.capNs);
    }
  }

  /** Who could run there, the most credit first. */
  function candidates(pcpu: number): Schedulable[] {
    const fit = [...vcpus.values()].filter((vcpu) => vcpu.runnable && vcpu.cpus.includes(pcpu) && shares[vcpu.domain].budgetNs > 0);
    return fit.sort((a, b) => accounts[b.id].creditNs - accounts[a.id].creditNs || a.id - b.id);
  }

  function choose(pcpu: number, nowNs: number, sorted: readonly Schedulable[]): Schedulable {
    const willing = sorted.filter(({ id }) => !accounts[id].yielded);
    for (const { id } of sorted) accounts[id].yielded = false;
    const list = willing.length > 0 ? willing : sorted;
    const present = running[pcpu];
    const current = present && list.find(({ id }) => id === present.id);
    if (current === undefined) return list[0];
    if (nowNs - present.sinceNs < rateLimitNs) return current;
    const credit = accounts[current.id].creditNs;
    return list.find(({ id }) => {
      const other = accounts[id];
      return id === current.id || other.creditNs > credit + (other.cpu === undefined || other.cpu === pcpu ? 0 : MOVE_NS);
    })!;
  }

  /** New credit for all, when the one who goes next has none left. */
  function recharge(chosen: Schedulable): void {
    const { creditNs } = accounts[chosen.id];
    if (creditNs > 0) return;
    const rounds = Math.floor(-creditNs / CREDIT_NS) + 1;
    for (const account of Object.values(accounts)) {
      account.creditNs = Math.min(Math.min(account.creditNs, CARRY_NS) + rounds * CREDIT_NS, CREDIT_NS + CARRY_NS);
    }
  }

  function sliceOf(chosen: Schedulable, sorted: readonly Schedulable[], nowNs: number): number {
    const share = shares[chosen.domain];
    const next = sorted.find(({ id }) => id !== chosen.id);
    const lead = next === undefined ? Infinity : accounts[chosen.id].creditNs - accounts[next.id].creditNs;
    let sliceNs = Math.max(
      LEAST_NS,
      rateLimitNs,
      Math.min(MOST_NS, Math.min(lead, accounts[chosen.id].creditNs) * share.weight / heaviest),
    );
    if (share.budgetNs !== Infinity) {
      // Others of the domain may run beside it, on the same budget.
      const sharers = [...vcpus.values()].filter(({ id, domain, runnable }) =>
        domain === chosen.domain && (runnable || Object.values(running).some((other) =>
          other.id === id
        ))
      ).length;
      sliceNs = Math.min(sliceNs, Math.max(LEAST_BUDGET_NS, share.budgetNs / Math.max(1, sharers)));
    }
    return Math.min(sliceNs, untilRefill(nowNs));
  }

  /** Budgets that come back change who may run. */
  function untilRefill(nowNs: number): number {
    return Object.values(shares).some(({ capNs }) => capNs !== Infinity) ? state.refillNs - nowNs : Infinity;
  }

  return {
    insert(vcpu) {
      vcpus.set(vcpu.id, vcpu);
      accounts[vcpu.id] = { creditNs: CREDIT_NS, cpu: undefined, yielded: false };
      if (!Object.hasOwn(shares, vcpu.domain)) {
        shares[vcpu.domain] = { weight: DEFAULT_WEIGHT, capNs: Infinity, budgetNs: Infinity };
        set(shares[vcpu.domain], settingsOf(vcpu.domain));
      }
      weigh();
    },
    remove(vcpu) {
      vcpus.delete(vcpu.id);
      delete accounts[vcpu.id];
      for (const [cpu, { id }] of Object.entries(running)) if (id === vcpu.id) delete running[Number(cpu)];
      if (![...vcpus.values()].some(({ domain }) => domain === vcpu.domain)) delete shares[vcpu.domain];
      weigh();
    },
    wake() {},
    sleep() {},
    yield(vcpu) {
      accounts[vcpu.id].yielded = true;
    },
    ran(vcpu, ns) {
      const share = shares[vcpu.domain];
      accounts[vcpu.id].creditNs -= ns * heaviest / share.weight;
      share.budgetNs -= ns;
    },
    decide(pcpu, nowNs): Decision {
      refill(nowNs);
      const sorted = candidates(pcpu);
      if (sorted.length === 0) {
        delete running[pcpu];
        return { vcpu: undefined, sliceNs: untilRefill(nowNs) };
      }
      const chosen = choose(pcpu, nowNs, sorted);
      recharge(chosen);
      if (running[pcpu]?.id !== chosen.id) running[pcpu] = { id: chosen.id, sinceNs: nowNs };
      accounts[chosen.id].cpu = pcpu;
      return { vcpu: chosen, sliceNs: sliceOf(chosen, sorted, nowNs) };
    },
    adjust(domain, settings) {
      const read = readSettings(settings);
      if (!Object.hasOwn(shares, domain)) throw new RangeError(`there is no domain ${domain}`);
      set(shares[domain], read);
    },
  };
}
