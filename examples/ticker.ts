/**
 * A third-party device in one file: raises an interrupt every `period` while it is enabled, and counts.
 * A manifest uses it by path: `- use: ../examples/ticker.ts`.
 *
 * A hostile guest can write any register at any time: there is one timer and one line, and nothing grows.
 */
import { defineDevice, devicePlugin, registers } from "../mod.ts";
import type { DevicePlugin } from "../mod.ts";

/** Offsets in bytes. CTRL bit 0 starts the ticks, ACK lowers the line. */
const block = registers(32, {
  CTRL: { at: 0x0, access: "rw", fields: { ENABLE: 0 } },
  TICKS: { at: 0x4, access: "ro" },
  ACK: { at: 0x8, access: "wo" },
}, { size: 0x1000 });

/** What a manifest may say, besides where the device is and where it runs. */
export interface TickerOptions {
  /** Nanoseconds between two ticks. */
  readonly period: number;
}

/** The registers: plain data, which the framework keeps. */
type State = ReturnType<typeof block.reset>;

/** The plugin. */
export const ticker: DevicePlugin<TickerOptions, State> = devicePlugin(defineDevice<TickerOptions, State>({
  name: "ticker",
  doc: "Raises an interrupt every period; write ACK to lower it.",
  module: import.meta.url,
  options: { period: { kind: "duration", default: 1_000_000, min: 1000, doc: "Time between two ticks." } },
  windows: { registers: { size: 0x1000 } },
  interrupts: { tick: {} },
  deviceTree: (_, { unit, reg, interrupts }) => [{
    under: "/",
    nodes: [{ name: `ticker@${unit}`, properties: { compatible: { text: "example,ticker" }, reg, interrupts } }],
  }],
  state: () => block.reset(),
  create({ options: { period }, state, clock, interrupt }) {
    const line = interrupt("tick");
    const timer = clock.timer("tick", () => {
      state.TICKS = (state.TICKS + 1) >>> 0;
      line.set(true);
      timer.arm(clock.nowNs + period);
    });
    return {
      windows: {
        registers: block.handler(state, {
          CTRL: { write: (value) => value & 1 ? timer.arm(clock.nowNs + period) : timer.disarm() },
          ACK: { write: () => line.set(false) },
        }),
      },
    };
  },
}));

export default ticker;
