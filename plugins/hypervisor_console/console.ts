/** Lines through a PL011 that EL2 has mapped, and how many of them. */
import type { HypervisorMapping } from "../../core/mod.ts";
import type { HypervisorConsole } from "./contract.ts";

/** State, plain data. */
export interface ConsoleState {
  /** Lines so far, by kind. */
  readonly printed: Map<string, number>;
  /** Whether the banner is out. */
  announced: boolean;
  /** Domains that were built before. */
  readonly known: Set<string>;
}

/** Lines of one kind. */
export const LINES_PER_KIND = 32;
/** Characters of a line. */
export const LINE_LENGTH = 160;

// Arm DDI 0183, "Summary of registers".
const UARTDR = 0x00, UARTFR = 0x18, TXFF = 1n << 5n;
/** Looks at UARTFR for one character: a UART whose FIFO stays full costs characters, and not the machine. */
const POLLS = 1000;

/** The console. Every register access is EL2's own, through its translation. */
export class UartConsole implements HypervisorConsole {
  constructor(readonly state: ConsoleState, readonly uart: HypervisorMapping) {}

  print(kind: string, line: string): void {
    const { printed } = this.state;
    const count = (printed.get(kind) ?? 0) + 1;
    if (count > LINES_PER_KIND) return;
    printed.set(kind, count);
    const cut = line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH - 3)}...` : line;
    const last = count === LINES_PER_KIND ? ` (the last line about ${kind})` : "";
    this.#write(`(EL2) ${`${cut}${last}`.replaceAll(/[^ -~]/g, "?")}\r\n`);
  }

  #write(text: string): void {
    for (const byte of new TextEncoder().encode(text)) {
      for (let poll = 0; poll < POLLS; poll++) {
        if ((this.uart.read(UARTFR, 2) & TXFF) !== 0n) continue;
        this.uart.write(UARTDR, 1, BigInt(byte));
        break;
      }
    }
  }
}
