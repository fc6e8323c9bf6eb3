/**
 * A third-party device in one file: raises an interrupt every `period` while it is enabled, and counts.
 * A manifest uses it by path: `- use: ../examples/ticker.ts`.
 *
 * A hostile guest can write any register at any time: there is one timer and one line, and nothing grows.
 */
import { definePlugin, Interrupts, type Plugin, registers } from "../mod.ts";

/** Offsets in bytes. CTRL bit 0 starts the ticks, ACK lowers the line. */
const block = registers(32, {
  CTRL: { at: 0x0, access: "rw", fields: { ENABLE: 0 } },
  TICKS: { at: 0x4, access: "ro" },
  ACK: { at: 0x8, access: "wo" },
}, { size: 0x1000 });

/** What a manifest may say. */
export interface TickerOptions {
  /** IPA of the registers. */
  readonly at: number;
  /** INTID. */
  readonly interrupt: number;
  /** Nanoseconds between two ticks. */
  readonly period: number;
}

/** The registers: plain data, which the framework keeps. */
type State = ReturnType<typeof block.reset>;

/** The plugin. */
export const ticker: Plugin<TickerOptions, State> = definePlugin<TickerOptions, State>({
  name: "ticker",
  doc: "Raises an interrupt every period; write ACK to lower it.",
  options: {
    at: { kind: "address", align: 0x1000, doc: "IPA of the registers, 4 KiB." },
    interrupt: { kind: "interrupt", doc: "Its interrupt, level-sensitive." },
    period: { kind: "duration", default: 1_000_000, min: 1000, doc: "Time between two ticks." },
  },
  needs: [Interrupts],
  resources: ({ at, interrupt }) => ({
    windows: [{ name: "registers", at, size: 0x1000 }],
    interrupts: [{ name: "tick", intid: interrupt, trigger: "level" }],
    deviceTree: [{
      under: "/",
      nodes: [{
        name: `ticker@${at.toString(16)}`,
        properties: {
          compatible: { text: "example,ticker" },
          reg: { reg: [[at, 0x1000]] },
          interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
        },
      }],
    }],
  }),
  state: () => block.reset(),
  attach({ get, options, state, clock, exceptions }) {
    const line = get(Interrupts).spi(options.interrupt);
    const timer = clock.timer("tick", () => {
      state.TICKS = (state.TICKS + 1) >>> 0;
      line.set(true);
      timer.arm(clock.nowNs + options.period);
    });
    exceptions.claimMmio(
      options.at,
      0x1000,
      "registers",
      block.handler(state, {
        CTRL: { write: (value) => value & 1 ? timer.arm(clock.nowNs + options.period) : timer.disarm() },
        ACK: { write: () => line.set(false) },
      }),
    );
  },
});

export default ticker;
