/** The board's serial ports: output is batched, input arrives at a virtual time. */
import { queuedEvent } from "../schedule/events.ts";
import type { QueuedEvent } from "../schedule/events.ts";
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

/** Serial ports in a snapshot. */
export interface SavedSerial {
  readonly ports: { readonly name: string; readonly output: number[]; readonly early: number[] }[];
  /** On its way to a device. */
  readonly pending: { readonly port: string; readonly bytes: Uint8Array; readonly ns: number; readonly sequence: number }[];
}

/** Core's implementation of {@linkcode Serial}. */
export class SerialHub {
  readonly #ports = new Map<string, Port>();
  /** Input whose event hasn't fired. */
  readonly #pending = new Map<QueuedEvent, { readonly port: string; readonly bytes: Uint8Array }>();

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
    this.clock.arm(this.#arrival(name, bytes.slice()), this.clock.nowNs);
  }

  /** The event that hands bytes to whoever has the port then. */
  #arrival(name: string, bytes: Uint8Array): QueuedEvent {
    const port = this.#ports.get(name);
    const event = queuedEvent(`serial ${name}`, () => {
      this.#pending.delete(event);
      if (port?.handler === undefined) port?.early.push(...bytes);
      else for (const byte of bytes) port.handler(byte);
    });
    this.#pending.set(event, { port: name, bytes });
    return event;
  }

  /** For a snapshot. */
  save(): SavedSerial {
    return {
      ports: [...this.#ports].map(([name, { output, early }]) => ({ name, output: [...output], early: [...early] })),
      pending: [...this.#pending].map(([{ ns, sequence }, input]) => ({ ...input, ns, sequence })),
    };
  }

  /** The counterpart of {@linkcode save}; after the clock's. */
  load({ ports, pending }: SavedSerial): void {
    for (const { name, output, early } of ports) {
      const port = this.#ports.get(name);
      if (port === undefined) continue;
      port.output = [...output];
      port.early.splice(0, port.early.length, ...early);
    }
    this.#pending.clear();
    for (const { port, bytes, ns, sequence } of pending) this.clock.events.restore(this.#arrival(port, bytes), ns, sequence);
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
