/** A 16550A as a memory-mapped device. */
import { definePlugin, Interrupts, Serial } from "../../core/mod.ts";
import type { DeviceTreeFragment, Plugin } from "../../core/mod.ts";
import { registerWindow } from "./bus.ts";
import { REGISTERS } from "./registers.ts";
import { resetState, Uart16550 } from "./uart16550.ts";
import type { UartState } from "./uart16550.ts";

/** Options. */
export interface Ns16550Options {
  readonly at: number;
  readonly interrupt: number;
  readonly port: string;
  readonly reg_shift: number;
  readonly clock_frequency: number;
}

/** The port that the terminal shows, and that the guest takes for its standard output. */
const CONSOLE = "console";
/** Bytes that it claims, whatever the stride: stage 2 works by pages. */
const BLOCK_SIZE = 0x1000;

/** The plugin. */
export const ns16550: Plugin<Ns16550Options, UartState> = definePlugin<Ns16550Options, UartState>({
  name: "ns16550",
  doc: "16550A UART on a serial port.",
  options: {
    at: { kind: "address", align: BLOCK_SIZE, doc: "IPA of the registers, 4 KiB." },
    interrupt: { kind: "interrupt", min: 32, doc: "Its interrupt, level-sensitive." },
    port: { kind: "text", default: CONSOLE, doc: "The serial port; `console` is the terminal, and the guest's stdout-path." },
    reg_shift: { kind: "integer", default: 0, min: 0, max: 3, doc: "Registers are 2 to this power bytes apart." },
    clock_frequency: {
      kind: "integer",
      default: 1_843_200,
      min: 16 * 50,
      max: 1e9,
      doc: "Hz, sixteen times the baud rate that a divisor of 1 gives.",
    },
  },
  needs: [Interrupts, Serial],
  resources: (options) => ({
    windows: [{ name: "registers", at: options.at, size: BLOCK_SIZE }],
    interrupts: [{ name: "interrupt", intid: options.interrupt, trigger: "level" }],
    deviceTree: deviceTree(options),
  }),
  state: resetState,
  attach({ options, state, get, clock, exceptions }) {
    const port = get(Serial).open(options.port);
    const line = get(Interrupts).spi(options.interrupt);
    const uart = new Uart16550(state, {
      interrupt: (level) => line.set(level),
      transmit: (byte) => port.write(byte),
      clock,
      frequencyHz: options.clock_frequency,
    });
    port.onInput((byte) => uart.input(byte));
    exceptions.claimMmio(options.at, BLOCK_SIZE, "registers", registerWindow(uart, options.reg_shift));
  },
});

function deviceTree({ at, interrupt, port, reg_shift, clock_frequency }: Ns16550Options): DeviceTreeFragment[] {
  const name = `serial@${at.toString(16)}`;
  const tree: DeviceTreeFragment[] = [{
    under: "/",
    nodes: [{
      name,
      properties: {
        compatible: { text: "ns16550a" },
        reg: { reg: [[at, REGISTERS << reg_shift]] },
        interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
        "clock-frequency": { cells: [clock_frequency] },
        "reg-shift": { cells: [reg_shift] },
        ...reg_shift === 2 ? { "reg-io-width": { cells: [4] } } : {},
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
