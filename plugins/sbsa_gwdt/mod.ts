/**
 * Arm's Generic Watchdog: two 4 KiB frames and one level-sensitive interrupt. A guest that started it and no longer refreshes it gets
 * the interrupt first; then its domain is reset.
 * @module
 */
import { defineDevice, devicePlugin } from "../device/contract.ts";
import type { DevicePlugin, RunsOption } from "../device/contract.ts";
import { FRAME_SIZE } from "./registers.ts";
import { resetState, Watchdog } from "./watchdog.ts";
import type { WatchdogState } from "./watchdog.ts";

/** Options of the watchdog itself. */
export interface WatchdogOptions {
  readonly revision: number;
}

/** Where it is. */
export interface WatchdogPlaces extends RunsOption {
  readonly control: number;
  readonly refresh: number;
  readonly interrupt: number;
}

/** Options. */
export type SbsaGwdtOptions = WatchdogOptions & WatchdogPlaces;

/** The plugin. */
export const sbsaGwdt: DevicePlugin<WatchdogOptions, WatchdogState, WatchdogPlaces> = devicePlugin(
  defineDevice<WatchdogOptions, WatchdogState>({
    name: "sbsa_gwdt",
    doc: "Arm's Generic Watchdog (BSA, SBSA): interrupts a guest that is late, then resets it.",
    module: import.meta.url,
    options: {
      revision: {
        kind: "integer",
        default: 1,
        min: 0,
        max: 1,
        doc: "Revision of the architecture: timeouts have 32 bits in 0, 48 bits in 1.",
      },
    },
    windows: {
      control: { size: FRAME_SIZE, default: 0x0910_0000, doc: "IPA of the control frame, 4 KiB." },
      refresh: { size: FRAME_SIZE, default: 0x0911_0000, doc: "IPA of the refresh frame, 4 KiB." },
    },
    interrupts: { WS0: { default: 42, doc: "Its interrupt WS0, level-sensitive: the first timeout." } },
    // Devicetree binding "arm,sbsa-gwdt".
    deviceTree: (_, { unit, reg, interrupts }) => [{
      under: "/",
      nodes: [{ name: `watchdog@${unit}`, properties: { compatible: { text: "arm,sbsa-gwdt" }, reg, interrupts } }],
    }],
    state: resetState,
    create({ options, state, clock, interrupt, counterFrequencyHz, resetDomain }) {
      const { control, refresh } = new Watchdog({
        state,
        clock,
        frequencyHz: counterFrequencyHz,
        revision: options.revision,
        line: interrupt("WS0"),
        reset: () => resetDomain("its watchdog"),
      });
      return { windows: { control, refresh } };
    },
  }),
);

export default sbsaGwdt;
