/**
 * A third-party hypervisor call in one file: an OEM service by the SMC Calling Convention that tells the guest how long it has run, and how
 * often it asked. A manifest uses it by path, beside `- use: smccc`: `- use: ../examples/stopwatch_call.ts`.
 */
import { Calls, definePlugin, type Plugin } from "../mod.ts";

/** OEM services, SMC64: the first function. X1 selects; X0 returns 0 or -1, X1 the value. */
const STOPWATCH = 0xc300_0001;
const NANOSECONDS = 0n, CALLS = 1n;

/** State: plain data, which the framework keeps. */
interface State {
  calls: number;
}

/** The plugin. */
export const stopwatchCall: Plugin<Record<never, never>, State> = definePlugin<Record<never, never>, State>({
  name: "stopwatch_call",
  doc: "OEM call 0xc300_0001: virtual time in nanoseconds (X1 = 0), or how often it was called (X1 = 1).",
  options: {},
  needs: [Calls],
  state: () => ({ calls: 0 }),
  attach({ get, state, clock, exceptions }) {
    get(Calls).extend({
      exceptions,
      from: STOPWATCH,
      to: STOPWATCH,
      handler({ args: [what] }) {
        state.calls++;
        if (what === NANOSECONDS) return [0n, BigInt(Math.floor(clock.nowNs))];
        if (what === CALLS) return [0n, BigInt(state.calls)];
        return [BigInt.asUintN(64, -1n), 0n];
      },
    });
  },
});

export default stopwatchCall;
