/**
 * The real-time deferrable server scheduler: each vCPU has a budget in each period, and the earliest deadline goes first.
 *
 * A guest that spins uses its own budget up; one that wakes and sleeps gets no more of it than one that doesn't.
 * @module
 */
import { definePlugin, poolOf, poolOptions, SchedulerPolicy } from "../../../core/mod.ts";
import type { Board, Plugin, PoolOptions, ResourceFinding } from "../../../core/mod.ts";
import { checkMap, entryOf, foreignDomains, poolLines } from "../by_domain.ts";
import { rtdsPolicy } from "./policy.ts";
import type { RtdsState } from "./policy.ts";
import { readReservation, reservationOf } from "./reservation.ts";
import type { Reservation } from "./reservation.ts";

/** Options; times in nanoseconds. */
export interface RtdsOptions extends PoolOptions, Reservation {
  /** By domain: `{ period, budget, extratime }`, or a list of these by vCPU. */
  readonly reservations: Readonly<Record<string, unknown>>;
}

/** Does for the reservations of a manifest, whatever the defaults are. */
const ANY: Reservation = { period: 10_000_000, budget: 10_000, extratime: true };

/** The plugin. */
export const schedulerRtds: Plugin<RtdsOptions, RtdsState> = definePlugin<RtdsOptions, RtdsState>({
  name: "scheduler_rtds",
  doc: "Gives each vCPU a budget of time in each period; the earliest deadline goes first.",
  options: {
    ...poolOptions,
    period: { kind: "duration", doc: "Period of vCPUs that `reservations` doesn't name.", default: 10_000_000, min: 10_000 },
    budget: { kind: "duration", doc: "Their budget in each period.", default: 4_000_000, min: 10_000 },
    extratime: { kind: "boolean", doc: "They get also what the others leave over.", default: true },
    reservations: {
      kind: "any",
      doc:
        "By domain, or by domain and vCPU: `{ rtos: { period: 5ms, budget: 1ms, extratime: false }, two: [{ budget: 2ms }, { budget: 1ms }] }`.",
      default: {},
      check: (value) => checkMap(value, checkEntry, "{ period, budget, extratime }, or a list of these"),
    },
  },
  provides: [SchedulerPolicy],
  resources(options, { board, domain }) {
    if (domain) return {};
    const found = findings(options, board);
    return { findings: found, report: found.every(({ severity }) => severity === "warning") ? report(options, board) : [] };
  },
  state: () => ({ accounts: {} }),
  setup({ options, state, provide }) {
    provide(SchedulerPolicy, rtdsPolicy(state, ({ domain, index }) => promised(options, domain, index)));
  },
});

function promised({ reservations, ...defaults }: RtdsOptions, domain: string, vcpu: number): Reservation {
  const { period, budget, extratime } = defaults;
  return reservationOf(entryOf(reservations, domain), vcpu, { period, budget, extratime });
}

function checkEntry(entry: unknown, domain: string): string | undefined {
  try {
    for (const one of Array.isArray(entry) ? entry : [entry]) readReservation(one, { ...ANY, period: 2 ** 53 });
    return undefined;
  } catch (error) {
    return `${domain}: ${(error as Error).message}`;
  }
}

/** What each domain is promised. */
function report(options: RtdsOptions, board: Board): string[] {
  const pool = poolOf(board, options);
  const ms = (ns: number) => `${ns / 1e6} ms`;
  const lines = board.domains.filter(({ name }) => pool.has(name)).flatMap(({ name, vcpus }) =>
    Array.from({ length: vcpus }, (_, vcpu) => {
      const { period, budget, extratime } = promised(options, name, vcpu);
      return `${name}, vCPU ${vcpu}: ${ms(budget)} of each ${ms(period)}${extratime ? ", and what is left over" : ""}`;
    })
  );
  return poolLines(board, options, lines);
}

function findings(options: RtdsOptions, board: Board): ResourceFinding[] {
  const found = foreignDomains(board, options, "reservations");
  const pool = poolOf(board, options);
  const { path } = pool.use;
  if (options.budget > options.period) {
    return [...found, {
      title: `the budget, ${options.budget / 1e6} ms, is more than the period, ${options.period / 1e6} ms`,
      places: [{ path: [...path, "budget"] }, { path: [...path, "period"] }],
    }];
  }
  const shares: number[] = [];
  for (const [index, { name, vcpus }] of board.domains.entries()) {
    if (!pool.has(name)) continue;
    const entry = entryOf(options.reservations, name);
    if (Array.isArray(entry) && entry.length > vcpus) {
      found.push({
        title: `there are reservations for ${entry.length} vCPUs of ${name}; it has ${vcpus}`,
        places: [{ path: [...path, "reservations", name] }, { path: ["domains", index, "vcpus"] }],
      });
    }
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      try {
        const { period, budget } = promised(options, name, vcpu);
        shares.push(budget / period);
      } catch (error) {
        found.push({ title: `${name}, vCPU ${vcpu}: ${(error as Error).message}`, places: [{ path: [...path, "reservations", name] }] });
      }
    }
  }
  return [...found, ...admission(shares, pool.cpus.length).map((title): ResourceFinding => ({ title, severity: "warning" }))];
}

/** What global earliest deadline first can't promise. The bound is that of Goossens, Funk and Baruah. */
function admission(shares: readonly number[], cpus: number): string[] {
  const sum = shares.reduce((a, b) => a + b, 0);
  const bound = cpus - (cpus - 1) * Math.max(0, ...shares);
  if (sum > cpus + 1e-9) return [`the budgets add up to ${sum.toFixed(2)} CPUs; the pool has ${cpus}: not all of them will be met`];
  if (sum > bound + 1e-9) {
    return [`the budgets add up to ${sum.toFixed(2)} CPUs; on ${cpus} they are sure to be met up to ${bound.toFixed(2)}`];
  }
  return [];
}
