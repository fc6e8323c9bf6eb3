/** Contract of serial ports: where a UART model sends its bytes and takes them from. */
import { capability } from "../plugin/capability.ts";
import type { Capability } from "../plugin/capability.ts";

/** One port, connected to the terminal, a file, or a test. */
export interface SerialPort {
  /** One byte out. Never blocks, never throws. */
  write(byte: number): void;
  /** Called for each byte that comes in, at the virtual time at which it was stamped. */
  onInput(handler: (byte: number) => void): void;
}

/** Hands out ports by name. */
export interface Serial {
  /** The port of this name. Throws when another device has it. */
  open(name: string): SerialPort;
}

/** The board's serial ports. */
export const Serial: Capability<Serial> = capability("Serial");
