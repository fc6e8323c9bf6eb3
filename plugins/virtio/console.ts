/**
 * Console device with several ports: Virtio 1.2, "Console Device".
 *
 * A hostile driver may send any control message, any number of times: each makes at most a few answers, and of those only so many wait.
 * Input from outside waits in `input`, which only the far end can fill.
 */
import type { SerialPort, Timer } from "../../core/mod.ts";
import type { Served, VirtioBehaviour, VirtioBuffer, VirtioContext, VirtioModel } from "./model.ts";

/** Feature bits. */
const Console = { MULTIPORT: 1, EMERG_WRITE: 2 } as const;
/** Control messages, "Device Operation: Multiport Device Operation". */
const Event = { DEVICE_READY: 0, PORT_ADD: 1, PORT_READY: 3, CONSOLE_PORT: 4, PORT_OPEN: 6, PORT_NAME: 7 } as const;
/** Queues: port 0, control, and from 4 the other ports; each pair receives first. */
const Queue = { RECEIVE_0: 0, TRANSMIT_0: 1, CONTROL_RECEIVE: 2, CONTROL_TRANSMIT: 3, FIRST_OF_OTHERS: 4 } as const;
/** Control messages that wait for a buffer. */
const WAITING_MESSAGES = 256;
/** Bytes of a control message. */
const MESSAGE = 8;
/** Where the configuration takes characters of a driver in trouble. */
const EMERGENCY = 8;
const QUEUE_SIZE = 128;
/** Bytes of one buffer that are copied: a driver's buffers are pages. */
const LONGEST = 2 ** 20;

/** Options. */
export interface ConsoleOptions {
  readonly ports: readonly string[];
}

/** State. */
export interface ConsoleState {
  /** By port: bytes that wait for a buffer. */
  readonly input: number[][];
  /** Control messages that wait for a buffer. */
  control: number[][];
  /** By port: somebody in the guest has it open. What came before would be thrown away there. */
  readonly open: boolean[];
}

/** Which port a queue belongs to; undefined for the control queues. */
function portOf(queue: number): number | undefined {
  if (queue < Queue.CONTROL_RECEIVE) return 0;
  return queue < Queue.FIRST_OF_OTHERS ? undefined : (queue >>> 1) - 1;
}

/** The receive queue of a port. */
const receiveQueue = (port: number) => port === 0 ? Queue.RECEIVE_0 : 2 * port + 2;

class ConsoleDevice implements VirtioBehaviour {
  readonly #ports: readonly SerialPort[];
  /** Bytes that come at one time make one buffer. */
  readonly #arrived: Timer;

  constructor(private readonly context: VirtioContext<ConsoleOptions, ConsoleState>) {
    const { options, state, clock } = context;
    this.#arrived = clock.timer("input", () => {
      for (const [port, bytes] of state.input.entries()) if (bytes.length > 0) context.poke(receiveQueue(port));
    });
    this.#ports = options.ports.map((name) => context.port(name));
    for (const [index, port] of this.#ports.entries()) {
      port.onInput((byte) => {
        state.input[index].push(byte);
        if (this.#arrived.deadlineNs === undefined) this.#arrived.arm(clock.nowNs);
      });
    }
  }

  /** No size of a terminal; the number of ports. */
  config(): Uint8Array {
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setUint32(4, this.#ports.length, true);
    return bytes;
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    if (offset === EMERGENCY) this.#ports[0].write(bytes[0]);
  }

  reset(): void {
    const { state } = this.context;
    state.control = [];
    state.open.fill(false);
  }

  serve(queue: number, buffer: VirtioBuffer): Served {
    const port = portOf(queue);
    const receives = queue % 2 === 0;
    if (port === undefined) return receives ? this.#tell(buffer) : this.#hear(buffer);
    return receives ? this.#receive(port, buffer) : this.#transmit(port, buffer);
  }

  #receive(port: number, buffer: VirtioBuffer): Served {
    const { state, has } = this.context;
    const waiting = state.input[port];
    if (waiting.length === 0 || has(Console.MULTIPORT) && !state.open[port]) return "later";
    if (buffer.writable === 0) buffer.reject("a receive buffer with no room");
    const bytes = Uint8Array.from(waiting.splice(0, Math.min(buffer.writable, LONGEST)));
    buffer.write(0, bytes);
    return bytes.length;
  }

  #transmit(port: number, buffer: VirtioBuffer): Served {
    for (const byte of buffer.read(0, LONGEST)) this.#ports[port].write(byte);
    return 0;
  }

  #tell(buffer: VirtioBuffer): Served {
    const message = this.context.state.control[0];
    if (message === undefined) return "later";
    if (buffer.writable < message.length) buffer.reject(`a control buffer of ${buffer.writable} bytes`);
    buffer.write(0, Uint8Array.from(message));
    this.context.state.control.shift();
    return message.length;
  }

  #hear(buffer: VirtioBuffer): Served {
    if (buffer.readable < MESSAGE) buffer.reject(`a control message of ${buffer.readable} bytes`);
    const view = new DataView(buffer.read(0, MESSAGE).buffer);
    const [port, event, value] = [view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true)];
    if (event === Event.DEVICE_READY && value === 1) {
      for (const index of this.#ports.keys()) this.#send(index, Event.PORT_ADD, 1);
    } else if (event === Event.PORT_READY && value === 1 && port < this.#ports.length) {
      if (port === 0) this.#send(port, Event.CONSOLE_PORT, 1);
      this.#send(port, Event.PORT_NAME, 1, this.context.options.ports[port]);
      this.#send(port, Event.PORT_OPEN, 1);
    } else if (event === Event.PORT_OPEN && port < this.#ports.length) {
      this.context.state.open[port] = value === 1;
      if (value === 1) this.context.poke(receiveQueue(port));
    }
    this.context.poke(Queue.CONTROL_RECEIVE);
    return 0;
  }

  #send(port: number, event: number, value: number, text: string = ""): void {
    const { control } = this.context.state;
    if (control.length >= WAITING_MESSAGES) return this.context.trace("virtio driver", () => "control messages that nobody takes");
    control.push([port & 0xff, port >>> 8, 0, 0, event, 0, value, 0, ...new TextEncoder().encode(text)]);
  }
}

/** The device. */
export const console: VirtioModel<ConsoleOptions, ConsoleState> = {
  name: "virtio_console",
  doc: "Virtio console: the first port is hvc0, the others are named ports.",
  options: {
    ports: {
      kind: "text",
      list: true,
      default: ["console"],
      doc: "Serial ports, 1 to 16. The first is the guest's hvc0; Linux finds the others by name under /sys/class/virtio-ports.",
      check(value) {
        const ports = value as readonly string[];
        if (ports.length < 1 || ports.length > 16) return "1 to 16 ports";
        return new Set(ports).size === ports.length && ports.every((name) => name !== "") ? undefined : "names that differ";
      },
    },
  },
  shape: ({ ports }) => ({
    deviceId: 3,
    features: [Console.MULTIPORT, Console.EMERG_WRITE],
    queues: new Array(2 * ports.length + 2).fill(QUEUE_SIZE),
  }),
  state: ({ ports }) => ({ input: ports.map(() => []), control: [], open: ports.map(() => false) }),
  ports: ({ ports }) => ports,
  create: (context) => new ConsoleDevice(context),
};
