/** A PL011 as a device: where it is plugged in, and how it shows itself. */
import { defineDevice, primeCellNodes, uartPortOption, uartTree } from "../device/contract.ts";
import type { DeviceModel } from "../device/contract.ts";
import { BLOCK_SIZE } from "./registers.ts";
import { resetState, Uart } from "./uart.ts";
import type { UartState } from "./uart.ts";

/** Options of the chip itself. */
export interface UartOptions {
  readonly port: string;
}

/** Two inputs of the one clock. */
const clocks = { clocks: { cells: ["&clk24mhz", "&clk24mhz"] }, "clock-names": { text: ["uartclk", "apb_pclk"] } } as const;

/** The device. */
export const uart: DeviceModel<UartOptions, UartState> = defineDevice<UartOptions, UartState>({
  name: "pl011",
  doc: "Arm PL011 UART on a serial port.",
  module: import.meta.url,
  options: { port: uartPortOption },
  windows: { registers: { size: BLOCK_SIZE, default: 0x0900_0000, doc: "IPA of the register block, 4 KiB." } },
  interrupts: { combined: { default: 33, doc: "Its combined interrupt, level-sensitive." } },
  ports: ({ port }) => [port],
  deviceTree: ({ port }, places) => uartTree(primeCellNodes("pl011", places, clocks), `pl011@${places.unit}`, port),
  state: resetState,
  create({ options, state, clock, port: open, interrupt }) {
    const port = open(options.port);
    const chip = new Uart(state, interrupt("combined"), (byte) => port.write(byte), clock);
    port.onInput((byte) => chip.input(byte));
    return { windows: { registers: chip } };
  },
});
