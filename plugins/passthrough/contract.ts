/** Interrupt lines of the board's own devices: from a device's output to the one who has the line. */
import { capability } from "../../core/mod.ts";
import type { Capability, InterruptLine } from "../../core/mod.ts";

/** The board's lines, by the INTID that a physical interrupt controller would have for them; SPIs, level-sensitive. */
export interface BoardInterrupts {
  /** An output of a device. Several may drive one line: it is high while one of them is. Throws a `RangeError` for what is no SPI. */
  output(intid: number, device: string): InterruptLine;
  /**
   * Gives a line to its owner, who hears its level at once and then each change. Throws a `RangeError` for what is no SPI, or when somebody
   * has it; then nothing has changed. Returns what gives it back.
   */
  route(intid: number, owner: string, onLevel: (level: boolean) => void): () => void;
}

/** Provided by `board_interrupts`. */
export const BoardInterrupts: Capability<BoardInterrupts> = capability("BoardInterrupts");
