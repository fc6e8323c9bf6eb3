/**
 * Arm PL031 real-time clock: one 4 KiB block and one level-sensitive interrupt. It counts virtual time from the board's boot time,
 * so a run repeats; what a guest sets it to survives a reboot.
 * @module
 */
import { definePlugin, Interrupts } from "../../core/mod.ts";
import type { DeviceTreeFragment, Plugin } from "../../core/mod.ts";
import { apbClock } from "../fdt/contract.ts";
import { BLOCK_SIZE } from "./registers.ts";
import { resetState, Rtc } from "./rtc.ts";
import type { RtcState } from "./rtc.ts";

/** Options. */
export interface Pl031Options {
  readonly at: number;
  readonly interrupt: number;
}

/** The plugin. */
export const pl031: Plugin<Pl031Options, RtcState> = definePlugin<Pl031Options, RtcState>({
  name: "pl031",
  doc: "Arm PL031 real-time clock with an alarm.",
  options: {
    at: { kind: "address", default: 0x0901_0000, align: BLOCK_SIZE, doc: "IPA of the register block, 4 KiB." },
    interrupt: { kind: "interrupt", default: 34, doc: "Its interrupt, level-sensitive: the alarm." },
  },
  needs: [Interrupts],
  resources: (options) => ({
    windows: [{ name: "registers", at: options.at, size: BLOCK_SIZE }],
    interrupts: [{ name: "alarm", intid: options.interrupt, trigger: "level" }],
    deviceTree: deviceTree(options),
  }),
  state: resetState,
  keep: ({ offset }) => ({ offset }),
  attach({ get, options, state, clock, host, exceptions }) {
    const rtc = new Rtc(state, get(Interrupts).spi(options.interrupt), clock, host.bootTimeSeconds);
    exceptions.claimMmio(options.at, BLOCK_SIZE, "registers", rtc.handler);
  },
});

function deviceTree({ at, interrupt }: Pl031Options): DeviceTreeFragment[] {
  return [{
    under: "/",
    nodes: [apbClock, {
      name: `pl031@${at.toString(16)}`,
      properties: {
        compatible: { text: ["arm,pl031", "arm,primecell"] },
        reg: { reg: [[at, BLOCK_SIZE]] },
        interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
        clocks: { cells: [`&${apbClock.label}`] },
        "clock-names": { text: "apb_pclk" },
      },
    }],
  }];
}

export default pl031;
