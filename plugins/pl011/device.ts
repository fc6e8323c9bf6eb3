/** A PL011 as a device: where it is plugged in, and how it shows itself. */
import type { DeviceTreeFragment } from "../../core/mod.ts";
import { defineDevice, primeCellNodes } from "../device/contract.ts";
import type { DeviceModel, DevicePlaces } from "../device/contract.ts";
import { BLOCK_SIZE } from "./registers.ts";
import { resetState, Uart } from "./uart.ts";
import type { UartState } from "./uart.ts";

/** Options of the chip itself. */
export interface UartOptions {
  readonly port: string;
}

/** The port that the terminal shows, and that the guest takes for its standard output. */
const CONSOLE = "console";

/** The device. */
export const uart: DeviceModel<UartOptions, UartState> = defineDevice<UartOptions, UartState>({
  name: "pl011",
  doc: "Arm PL011 UART on a serial port.",
  module: import.meta.url,
  options: {
    port: { kind: "text", default: CONSOLE, doc: "The serial port; `console` is the terminal, and the guest's stdout-path." },
  },
  windows: { registers: { size: BLOCK_SIZE, default: 0x0900_0000, doc: "IPA of the register block, 4 KiB." } },
  interrupts: { combined: { default: 33, doc: "Its combined interrupt, level-sensitive." } },
  ports: ({ port }) => [port],
  deviceTree,
  state: resetState,
  create({ options, state, clock, port: open, interrupt }) {
    const port = open(options.port);
    const chip = new Uart(state, interrupt("combined"), (byte) => port.write(byte), clock);
    port.onInput((byte) => chip.input(byte));
    return { windows: { registers: chip } };
  },
});

function deviceTree({ port }: UartOptions, places: DevicePlaces): DeviceTreeFragment[] {
  const clocks = { clocks: { cells: ["&clk24mhz", "&clk24mhz"] }, "clock-names": { text: ["uartclk", "apb_pclk"] } };
  const tree: DeviceTreeFragment[] = [{ under: "/", nodes: primeCellNodes("pl011", places, clocks) }];
  if (port === CONSOLE) {
    const path = { text: `/pl011@${places.unit}` };
    tree.push(
      { under: "/chosen", properties: { "stdout-path": path } },
      { under: "/aliases", properties: { serial0: path } },
    );
  }
  return tree;
}
