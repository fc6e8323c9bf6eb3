/** A 16550A as a memory-mapped device. */
import type { DeviceTreeFragment } from "../../core/mod.ts";
import { defineDevice, devicePlugin, uartPortOption, uartTree } from "../device/contract.ts";
import type { DevicePlaces, DevicePlugin, PlaceOptions } from "../device/contract.ts";
import { registerWindow } from "./bus.ts";
import { REGISTERS } from "./registers.ts";
import { resetState, Uart16550 } from "./uart16550.ts";
import type { UartState } from "./uart16550.ts";

/** Options of the chip itself. */
export interface ChipOptions {
  readonly port: string;
  readonly reg_shift: number;
  readonly clock_frequency: number;
}

/** Options. */
export type Ns16550Options = ChipOptions & PlaceOptions;

/** Bytes that it claims, whatever the stride: stage 2 works by pages. */
const BLOCK_SIZE = 0x1000;

/** The plugin. */
export const ns16550: DevicePlugin<ChipOptions, UartState> = devicePlugin(defineDevice<ChipOptions, UartState>({
  name: "ns16550",
  doc: "16550A UART on a serial port.",
  module: import.meta.url,
  options: {
    port: uartPortOption,
    reg_shift: { kind: "integer", default: 0, min: 0, max: 3, doc: "Registers are 2 to this power bytes apart." },
    clock_frequency: {
      kind: "integer",
      default: 1_843_200,
      min: 16 * 50,
      max: 1e9,
      doc: "Hz, sixteen times the baud rate that a divisor of 1 gives.",
    },
  },
  windows: { registers: { size: BLOCK_SIZE } },
  interrupts: { interrupt: {} },
  ports: ({ port }) => [port],
  deviceTree,
  state: resetState,
  create({ options, state, clock, port: open, interrupt }) {
    const port = open(options.port);
    const line = interrupt("interrupt");
    const uart = new Uart16550(state, {
      interrupt: (level) => line.set(level),
      transmit: (byte) => port.write(byte),
      clock,
      frequencyHz: options.clock_frequency,
    });
    port.onInput((byte) => uart.input(byte));
    return { windows: { registers: registerWindow(uart, options.reg_shift) } };
  },
}));

function deviceTree(
  { port, reg_shift, clock_frequency }: ChipOptions,
  { unit, at, interrupts }: DevicePlaces,
): DeviceTreeFragment[] {
  const name = `serial@${unit}`;
  return uartTree(
    [{
      name,
      properties: {
        compatible: { text: "ns16550a" },
        reg: { reg: [[at("registers"), REGISTERS << reg_shift]] },
        interrupts,
        "clock-frequency": { cells: [clock_frequency] },
        "reg-shift": { cells: [reg_shift] },
        ...reg_shift === 2 ? { "reg-io-width": { cells: [4] } } : {},
      },
    }],
    name,
    port,
  );
}
