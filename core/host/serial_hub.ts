/** The board's serial ports: output is batched, input arrives at a virtual time. */
import { queuedEvent } from "../schedule/events.ts";
import type { VirtualClock } from "../schedule/virtual_clock.ts";
import type { Serial, SerialPort } from "./serial.ts";

const NOBODY = "";

interface Port {
  owner: string;
  output: number[];
  handler: ((byte: number) => void) | undefined;
  /** Came in before anybody listened. */
  early: number[];
}

/** Input that came from outside, with its stamp: enough to repeat a run. */
export interface RecordedInput {
  readonly atNs: number;
  readonly port: string;
  readonly bytes: Uint8Array;
}

/** Core's implementation of {@linkcode Serial}. */
export class SerialHub {
  readonly #ports = new Map<string, Port>();
  /** All input so far. */
  readonly recorded: RecordedInput[] = [];

  constructor(readonly clock: VirtualClock) {}

  /** Ports that are open. */
  get names(): readonly string[] {
    return [...this.#ports.keys()];
  }

  /** Ports of a domain's devices. */
  portsOf(domain: string): string[] {
    return [...this.#ports].filter(([, { owner }]) => owner.startsWith(`${domain}/`)).map(([name]) => name);
  }

  /** True when input can reach a device. */
  get listening(): boolean {
    return [...this.#ports.values()].some((port) => port.handler !== undefined);
  }

  /** The capability as one plugin instance gets it. */
  forInstance(owner: string, guard: (hook: string, callback: () => void) => void, own: (undo: () => void) => void): Serial {
    return { open: (name) => this.#open(name, owner, guard, own) };
  }

  /** Bytes from outside, stamped with the present virtual time. Throws when there is no such port. */
  input(name: string, bytes: Uint8Array): void {
    const port = this.#ports.get(name);
    if (port === undefined) {
      throw new Error(`no device has a serial port ${JSON.stringify(name)}; there is ${this.names.join(", ") || "none"}`);
    }
    const copy = bytes.slice();
    const atNs = this.clock.nowNs;
    this.recorded.push({ atNs, port: name, bytes: copy });
    this.clock.arm(
      queuedEvent(`serial ${name}`, () => {
        if (port.handler === undefined) port.early.push(...copy);
        else for (const byte of copy) port.handler(byte);
      }),
      atNs,
    );
  }

  /** Hands on what was written since the last time. */
  flush(sink: (port: string, bytes: Uint8Array) => void): void {
    for (const [name, port] of this.#ports) {
      if (port.output.length > 0) {
        const bytes = Uint8Array.from(port.output);
        port.output = [];
        sink(name, bytes);
      }
      // Its last words are out.
      if (port.owner === NOBODY && port.output.length === 0) this.#ports.delete(name);
    }
  }

  #open(
    name: string,
    owner: string,
    guard: (hook: string, callback: () => void) => void,
    own: (undo: () => void) => void,
  ): SerialPort {
    const taken = this.#ports.get(name);
    const left = taken?.owner === NOBODY ? taken.output : [];
    if (taken !== undefined && taken.owner !== NOBODY) {
      throw new Error(`serial port ${JSON.stringify(name)}: ${owner} wants it, ${taken.owner} has it`);
    }
    const port: Port = { owner, output: left, handler: undefined, early: [] };
    this.#ports.set(name, port);
    own(() => {
      port.handler = undefined;
      // What was written last must still come out: the port goes with the next flush, or to the next owner.
      port.owner = NOBODY;
      if (port.output.length === 0) this.#ports.delete(name);
    });
    return {
      write: (byte) => {
        port.output.push(byte & 0xff);
      },
      onInput: (handler) => {
        port.handler = (byte) => guard("serial input", () => handler(byte));
        for (const byte of port.early.splice(0)) port.handler(byte);
      },
    };
  }
}
