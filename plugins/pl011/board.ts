/** A PL011 of the board's own: at a physical address, for EL2 itself or for the domain that gets it by pass-through. */
import { definePlugin, hex, Serial } from "../../core/mod.ts";
import type { Plugin, Resources } from "../../core/mod.ts";
import { BoardInterrupts } from "../passthrough/contract.ts";
import { BLOCK_SIZE } from "./registers.ts";
import { resetState, Uart } from "./uart.ts";
import type { UartState } from "./uart.ts";

/** Options. */
export interface BoardPl011Options {
  readonly at: number;
  readonly interrupt?: number;
  readonly port: string;
}

/** The plugin. The chip lives as long as the board: a domain that starts over finds it as it left it, as on hardware. */
export const boardPl011: Plugin<BoardPl011Options, UartState> = definePlugin<BoardPl011Options, UartState>({
  name: "board_pl011",
  doc: "Arm PL011 UART of the board itself, on a serial port: for the hypervisor, or for a domain by pass-through.",
  options: {
    at: { kind: "address", align: BLOCK_SIZE, doc: "PA of the register block, 4 KiB." },
    interrupt: { kind: "interrupt", optional: true, min: 32, doc: "The board's interrupt line (SPI) that it drives; none when absent." },
    port: { kind: "text", doc: "The serial port." },
  },
  needs: [Serial],
  resources(options, { board, domain }): Resources {
    const { at, interrupt } = options;
    if (domain !== undefined) {
      const isOwn = domain.plugins.some((use) => use.options === options as unknown);
      return isOwn
        ? { findings: [{ title: "board_pl011 is a device of the board", help: "move it to plugins at the top; a domain has pl011" }] }
        : {};
    }
    const hasLines = board.plugins.some(({ plugin }) => plugin.provides?.some(({ name }) => name === BoardInterrupts.name));
    return {
      windows: [{ name: "registers", at, size: BLOCK_SIZE }],
      findings: interrupt === undefined || hasLines ? [] : [{
        severity: "warning",
        title: `the interrupt of board_pl011 at ${hex(at)} goes nowhere`,
        help: "add - use: board_interrupts under the board's plugins",
      }],
    };
  },
  state: resetState,
  setup({ options: { at, interrupt, port: name }, state, get, find, bus, clock }) {
    const port = get(Serial).open(name);
    // Asked for when it is used: who provides it may come later.
    const line = {
      intid: interrupt ?? 0,
      set(level: boolean) {
        if (interrupt !== undefined) find(BoardInterrupts)?.output(interrupt, `board_pl011 at ${hex(at)}`).set(level);
      },
    };
    const uart = new Uart(state, line, (byte) => port.write(byte), clock);
    port.onInput((byte) => uart.input(byte));
    bus.claim(at, BLOCK_SIZE, "registers", uart);
  },
});
