/**
 * Arm's Generic Watchdog: two 4 KiB frames and one level-sensitive interrupt. A guest that started it and no longer refreshes it gets
 * the interrupt first; then its domain is reset.
 * @module
 */
import { CpuEngine, definePlugin, Interrupts } from "../../core/mod.ts";
import type { DeviceTreeFragment, Plugin } from "../../core/mod.ts";
import { FRAME_SIZE } from "./registers.ts";
import { resetState, Watchdog } from "./watchdog.ts";
import type { WatchdogState } from "./watchdog.ts";

/** Options. */
export interface SbsaGwdtOptions {
  readonly control: number;
  readonly refresh: number;
  readonly interrupt: number;
  readonly revision: number;
}

/** The plugin. */
export const sbsaGwdt: Plugin<SbsaGwdtOptions, WatchdogState> = definePlugin<SbsaGwdtOptions, WatchdogState>({
  name: "sbsa_gwdt",
  doc: "Arm's Generic Watchdog (BSA, SBSA): interrupts a guest that is late, then resets it.",
  options: {
    control: { kind: "address", default: 0x0910_0000, align: FRAME_SIZE, doc: "IPA of the control frame, 4 KiB." },
    refresh: { kind: "address", default: 0x0911_0000, align: FRAME_SIZE, doc: "IPA of the refresh frame, 4 KiB." },
    interrupt: { kind: "interrupt", default: 42, doc: "Its interrupt WS0, level-sensitive: the first timeout." },
    revision: {
      kind: "integer",
      default: 1,
      min: 0,
      max: 1,
      doc: "Revision of the architecture: timeouts have 32 bits in 0, 48 bits in 1.",
    },
  },
  needs: [Interrupts, CpuEngine],
  resources: (options) => ({
    windows: [
      { name: "control frame", at: options.control, size: FRAME_SIZE },
      { name: "refresh frame", at: options.refresh, size: FRAME_SIZE },
    ],
    interrupts: [{ name: "WS0", intid: options.interrupt, trigger: "level" }],
    deviceTree: deviceTree(options),
  }),
  state: resetState,
  attach({ get, options, state, domain, clock, exceptions }) {
    const watchdog = new Watchdog({
      state,
      clock,
      frequencyHz: get(CpuEngine).counterFrequencyHz,
      revision: options.revision,
      line: get(Interrupts).spi(options.interrupt),
      reset: () => domain.end({ kind: "reboot", cause: "its watchdog" }),
    });
    exceptions.claimMmio(options.control, FRAME_SIZE, "control frame", watchdog.control);
    exceptions.claimMmio(options.refresh, FRAME_SIZE, "refresh frame", watchdog.refresh);
  },
});

/** Devicetree binding "arm,sbsa-gwdt". */
function deviceTree({ control, refresh, interrupt }: SbsaGwdtOptions): DeviceTreeFragment[] {
  return [{
    under: "/",
    nodes: [{
      name: `watchdog@${control.toString(16)}`,
      properties: {
        compatible: { text: "arm,sbsa-gwdt" },
        reg: { reg: [[control, FRAME_SIZE], [refresh, FRAME_SIZE]] },
        interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
      },
    }],
  }];
}

export default sbsaGwdt;
