/** A PL011 of the board's own. */
import type { Plugin } from "../../core/mod.ts";
import { boardDevicePlugin } from "../device/contract.ts";
import type { BoardPlaceOptions } from "../device/contract.ts";
import { uart } from "./device.ts";
import type { UartOptions } from "./device.ts";
import type { UartState } from "./uart.ts";

/** Options. */
export type BoardPl011Options = UartOptions & BoardPlaceOptions;

/** The plugin. */
export const boardPl011: Plugin<BoardPl011Options, UartState> = boardDevicePlugin(uart, {
  port: { kind: "text", doc: "The serial port." },
});
