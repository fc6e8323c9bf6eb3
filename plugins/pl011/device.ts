/** A PL011 as a device: where it is plugged in, and how it shows itself. */
import { defineDevice, primeCellNodes, uartPortOption, uartTree } from "../device/contract.ts";
import type { DeviceTreeNode } from "../../core/mod.ts";
import type { DeviceModel, DevicePlaces } from "../device/contract.ts";
import { BLOCK_SIZE } from "./registers.ts";
import { resetState, Uart } from "./uart.ts";
import type { UartState } from "./uart.ts";

/** Options of the chip itself. */
export interface UartOptions {
  readonly port: string;
  /** `pl011` when absent. */
  readonly variant?: "pl011" | "sbsa";
}

/** Two inputs of the one clock. */
const clocks = { clocks: { cells: ["&clk24mhz", "&clk24mhz"] }, "clock-names": { text: ["uartclk", "apb_pclk"] } } as const;

/** Linux's binding serial/arm_sbsa_uart.txt: no clock, and a speed that firmware has set. */
const genericNode = (name: string, { reg, interrupts }: DevicePlaces): DeviceTreeNode => ({
  name,
  properties: { compatible: { text: "arm,sbsa-uart" }, reg, interrupts, "current-speed": { cells: [115_200] } },
});

/** The device. */
export const uart: DeviceModel<UartOptions, UartState> = defineDevice<UartOptions, UartState>({
  name: "pl011",
  doc: "Arm PL011 UART on a serial port.",
  module: import.meta.url,
  options: {
    port: uartPortOption,
    variant: {
      kind: "choice",
      choices: ["pl011", "sbsa"],
      default: "pl011",
      doc: "The chip, or the part of it that Arm's server architecture calls a generic UART, with a FIFO of 32: Xen's vPL011 is one.",
    },
  },
  windows: { registers: { size: BLOCK_SIZE, default: 0x0900_0000, doc: "IPA of the register block, 4 KiB." } },
  interrupts: { combined: { default: 33, doc: "Its combined interrupt, level-sensitive." } },
  ports: ({ port }) => [port],
  deviceTree({ port, variant }, places) {
    const name = variant === "sbsa" ? `sbsa-uart@${places.unit}` : `pl011@${places.unit}`;
    return uartTree(variant === "sbsa" ? [genericNode(name, places)] : primeCellNodes("pl011", places, clocks), name, port);
  },
  state: ({ variant }) => resetState(variant === "sbsa"),
  create({ options, state, clock, port: open, interrupt }) {
    const port = open(options.port);
    const chip = new Uart(state, interrupt("combined"), (byte) => port.write(byte), clock, options.variant === "sbsa");
    port.onInput((byte) => chip.input(byte));
    return { windows: { registers: chip } };
  },
});
