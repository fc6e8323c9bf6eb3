/**
 * Arm PL031 real-time clock: one 4 KiB block and one level-sensitive interrupt. It counts virtual time from the board's boot time,
 * so a run repeats; what a guest sets it to survives a reboot.
 * @module
 */
import { defineDevice, devicePlugin, PRIMECELL_SIZE, primeCellNodes } from "../device/contract.ts";
import type { DevicePlugin, PlaceOptions } from "../device/contract.ts";
import { resetState, Rtc } from "./rtc.ts";
import type { RtcState } from "./rtc.ts";

/** Options. */
export type Pl031Options = PlaceOptions;

/** The plugin. */
export const pl031: DevicePlugin<object, RtcState> = devicePlugin(defineDevice<object, RtcState>({
  name: "pl031",
  doc: "Arm PL031 real-time clock with an alarm.",
  module: import.meta.url,
  options: {},
  windows: { registers: { size: PRIMECELL_SIZE, default: 0x0901_0000, doc: "IPA of the register block, 4 KiB." } },
  interrupts: { alarm: { default: 34, doc: "Its interrupt, level-sensitive: the alarm." } },
  deviceTree: (_, places) => [{ under: "/", nodes: primeCellNodes("pl031", places) }],
  state: resetState,
  keep: ({ offset }) => ({ offset }),
  create({ state, clock, interrupt, bootTimeSeconds }) {
    const rtc = new Rtc(state, interrupt("alarm"), clock, bootTimeSeconds);
    return { windows: { registers: rtc.handler } };
  },
}));

export default pl031;
