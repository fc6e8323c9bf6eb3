/**
 * A third-party scheduling policy in one file: each slice is drawn by lot, and a domain with more tickets wins more often.
 * A manifest uses it by path: `- use: ../examples/scheduler_lottery.ts`.
 *
 * A hostile guest can wake and sleep as it likes: a draw knows only who wants to run now, and nothing grows.
 */
import { definePlugin, poolOptions, SchedulerPolicy } from "../mod.ts";
import type { Plugin, PoolOptions, Schedulable } from "../mod.ts";

/** What a manifest may say. `cpus`, `domains` and `affinity` are what every scheduler takes: its pool. */
export interface LotteryOptions extends PoolOptions {
  /** Nanoseconds until the next draw. */
  readonly slice: number;
  /** By domain; one that isn't named has 100. */
  readonly tickets: Readonly<Record<string, number>>;
}

/** Draws so far, by domain: plain data, which the framework keeps. */
interface State {
  readonly won: Record<string, number>;
}

/** The plugin. */
export const schedulerLottery: Plugin<LotteryOptions, State> = definePlugin<LotteryOptions, State>({
  name: "scheduler_lottery",
  doc: "Draws by lot who runs next.",
  options: {
    ...poolOptions,
    slice: { kind: "duration", default: 500_000, min: 10_000, doc: "Time until the next draw." },
    tickets: {
      kind: "any",
      default: {},
      check: checkTickets,
      doc: "Tickets of each vCPU by domain: `{ linux: 300 }`; 100 without a word.",
    },
  },
  provides: [SchedulerPolicy],
  state: () => ({ won: {} }),
  setup({ options: { slice, tickets }, state, random, provide }) {
    const vcpus = new Set<Schedulable>();
    const ticketsOf = ({ domain }: Schedulable) => Object.hasOwn(tickets, domain) ? tickets[domain] : 100;
    /** 0 to `below` - 1, the same ones in each run of the board. */
    const draw = (below: number) => new DataView(random(4).buffer).getUint32(0) % below;
    provide(SchedulerPolicy, {
      insert: (vcpu) => void vcpus.add(vcpu),
      remove: (vcpu) => void vcpus.delete(vcpu),
      wake: () => {},
      sleep: () => {},
      yield: () => {},
      ran: () => {},
      decide(cpu) {
        const players = [...vcpus].filter((vcpu) => vcpu.runnable && vcpu.cpus.includes(cpu));
        if (players.length === 0) return { vcpu: undefined, sliceNs: Infinity };
        let lot = draw(players.reduce((sum, vcpu) => sum + ticketsOf(vcpu), 0));
        const winner = players.find((vcpu) => (lot -= ticketsOf(vcpu)) < 0)!;
        state.won[winner.domain] = (state.won[winner.domain] ?? 0) + 1;
        return { vcpu: winner, sliceNs: slice };
      },
    });
  },
});

export default schedulerLottery;

function checkTickets(value: unknown): string | undefined {
  const fits = (tickets: unknown) => Number.isInteger(tickets) && tickets as number >= 1 && tickets as number <= 10_000;
  if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(fits)) return undefined;
  return "a map from domain to tickets, 1 to 10,000";
}
