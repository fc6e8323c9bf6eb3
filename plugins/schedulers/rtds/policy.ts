/**
 * Earliest deadline first, on all CPUs of the pool, with deferrable servers: a budget burns while its vCPU runs, waits while it sleeps, and
 * is made new at the end of each period. One that is used up ends the vCPU's turns until then; with `extratime` it goes on behind all that
 * have budget of their first level left.
 */
import type { Decision, Schedulable, SchedulerPolicy } from "../../../core/mod.ts";
import { readReservation } from "./reservation.ts";
import type { Reservation } from "./reservation.ts";

/** Account of a vCPU, in nanoseconds. */
interface Account {
  reservation: Reservation;
  /** End of its period. */
  deadlineNs: number;
  /** Left until then. */
  budgetNs: number;
  /** How often its budget was used up in this period; lower goes first. */
  level: number;
  /** It runs or wants to. */
  awake: boolean;
}

/** State: the accounts by vCPU id. */
export interface RtdsState {
  readonly accounts: Record<number, Account>;
}

/** Makes the policy. `reservationOf` tells what the board promises a vCPU. */
export function rtdsPolicy(state: RtdsState, reservationOf: (vcpu: Schedulable) => Reservation): SchedulerPolicy {
  const vcpus = new Map<number, Schedulable>();
  const { accounts } = state;

  /** Begins the period that `nowNs` lies in. */
  function renew(account: Account, nowNs: number): void {
    const { period, budget } = account.reservation;
    if (nowNs < account.deadlineNs) return;
    account.deadlineNs += (Math.floor((nowNs - account.deadlineNs) / period) + 1) * period;
    account.budgetNs = budget;
    account.level = 0;
  }

  const isBefore = (a: Account, b: Account) => a.level < b.level || (a.level === b.level && a.deadlineNs < b.deadlineNs);

  return {
    insert(vcpu) {
      vcpus.set(vcpu.id, vcpu);
      accounts[vcpu.id] = { reservation: reservationOf(vcpu), deadlineNs: 0, budgetNs: 0, level: 0, awake: false };
    },
    remove(vcpu) {
      vcpus.delete(vcpu.id);
      delete accounts[vcpu.id];
    },
    wake: (vcpu) => void (accounts[vcpu.id].awake = true),
    sleep: (vcpu) => void (accounts[vcpu.id].awake = false),
    yield() {},
    ran(vcpu, ns) {
      const account = accounts[vcpu.id];
      account.budgetNs -= ns;
      if (account.budgetNs > 0) return;
      const { extratime, budget } = account.reservation;
      if (extratime) account.level++;
      account.budgetNs = extratime ? budget : 0;
    },
    decide(pcpu, nowNs): Decision {
      let best: Schedulable | undefined;
      let untilNs = Infinity;
      for (const vcpu of vcpus.values()) {
        const account = accounts[vcpu.id];
        if (!account.awake) continue;
        renew(account, nowNs);
        // A budget that is made new may preempt.
        untilNs = Math.min(untilNs, account.deadlineNs - nowNs);
        if (!vcpu.runnable || !vcpu.cpus.includes(pcpu) || account.budgetNs <= 0) continue;
        if (best === undefined || isBefore(account, accounts[best.id])) best = vcpu;
      }
      if (best) untilNs = Math.min(untilNs, accounts[best.id].budgetNs);
      return { vcpu: best, sliceNs: untilNs };
    },
    adjust(domain, settings) {
      const { vcpu: index, ...said } = settings;
      const meant = [...vcpus.values()].filter((vcpu) => vcpu.domain === domain && (index === undefined || vcpu.index === index));
      if (meant.length === 0) throw new RangeError(`there is no vCPU ${index ?? ""} of ${domain}`);
      const changed = meant.map(({ id }) => [accounts[id], readReservation(said, accounts[id].reservation)] as const);
      // The period that has begun ends as it was promised.
      for (const [account, reservation] of changed) account.reservation = reservation;
    },
  };
}
