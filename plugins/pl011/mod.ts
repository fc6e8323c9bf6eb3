/**
 * Arm PL011 UART: one 4 KiB block and one level-sensitive interrupt.
 * @module
 */
import { definePlugin, Interrupts, Serial } from "../../core/mod.ts";
import type { DeviceTreeFragment, Plugin } from "../../core/mod.ts";
import { apbClock } from "../fdt/contract.ts";
import { BLOCK_SIZE } from "./registers.ts";
import { resetState, Uart } from "./uart.ts";
import type { UartState } from "./uart.ts";

export { boardPl011 } from "./board.ts";
export type { BoardPl011Options } from "./board.ts";

/** Options. */
export interface Pl011Options {
  readonly at: number;
  readonly interrupt: number;
  readonly port: string;
}

/** The port that the terminal shows, and that the guest takes for its standard output. */
const CONSOLE = "console";

/** The plugin. */
export const pl011: Plugin<Pl011Options, UartState> = definePlugin<Pl011Options, UartState>({
  name: "pl011",
  doc: "Arm PL011 UART on a serial port.",
  options: {
    at: { kind: "address", default: 0x0900_0000, align: BLOCK_SIZE, doc: "IPA of the register block, 4 KiB." },
    interrupt: { kind: "interrupt", default: 33, doc: "Its combined interrupt, level-sensitive." },
    port: { kind: "text", default: CONSOLE, doc: "The serial port; `console` is the terminal, and the guest's stdout-path." },
  },
  needs: [Interrupts, Serial],
  resources: (options) => ({
    windows: [{ name: "registers", at: options.at, size: BLOCK_SIZE }],
    interrupts: [{ name: "combined", intid: options.interrupt, trigger: "level" }],
    deviceTree: deviceTree(options),
  }),
  state: resetState,
  attach({ get, options, state, clock, exceptions }) {
    const port = get(Serial).open(options.port);
    const uart = new Uart(state, get(Interrupts).spi(options.interrupt), (byte) => port.write(byte), clock);
    port.onInput((byte) => uart.input(byte));
    exceptions.claimMmio(options.at, BLOCK_SIZE, "registers", {
      read: (offset, size) => uart.read(offset, size),
      write: (offset, _size, value) => uart.write(offset, Number(value & 0xffff_ffffn)),
    });
  },
});

function deviceTree({ at, interrupt, port }: Pl011Options): DeviceTreeFragment[] {
  const name = `pl011@${at.toString(16)}`;
  const tree: DeviceTreeFragment[] = [{
    under: "/",
    nodes: [apbClock, {
      name,
      properties: {
        compatible: { text: ["arm,pl011", "arm,primecell"] },
        reg: { reg: [[at, BLOCK_SIZE]] },
        interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
        clocks: { cells: ["&clk24mhz", "&clk24mhz"] },
        "clock-names": { text: ["uartclk", "apb_pclk"] },
      },
    }],
  }];
  if (port === CONSOLE) {
    tree.push(
      { under: "/chosen", properties: { "stdout-path": { text: `/${name}` } } },
      { under: "/aliases", properties: { serial0: { text: `/${name}` } } },
    );
  }
  return tree;
}

export default pl011;
