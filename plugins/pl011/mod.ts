/**
 * Arm PL011 UART: one 4 KiB block and one level-sensitive interrupt.
 * @module
 */
import { devicePlugin } from "../device/contract.ts";
import type { DevicePlugin, PlaceOptions } from "../device/contract.ts";
import { uart } from "./device.ts";
import type { UartOptions } from "./device.ts";
import type { UartState } from "./uart.ts";

export { boardPl011 } from "./board.ts";
export type { BoardPl011Options } from "./board.ts";

/** Options. */
export type Pl011Options = UartOptions & PlaceOptions;

/** The plugin. */
export const pl011: DevicePlugin<UartOptions, UartState> = devicePlugin(uart);

export default pl011;
