/** What a device is given in a Worker: the same contract as inline, by calls, posts and events. */
import type { Clock, Disk, SerialPort, Timer } from "../../../core/mod.ts";
import type { DeviceContext, DeviceLine } from "../../device/contract.ts";
import { Double } from "./area.ts";
import type { Channel } from "./channel.ts";
import { openRemoteDisk } from "./disk.ts";
import { RemoteMemory } from "./memory.ts";
import { PostKind } from "./posts.ts";
import type { WorkerStart } from "./start.ts";

/** Trace events of one request that are sent on. */
const TRACES = 64;
/** Bytes of a trace event. */
const TRACE_BYTES = 2048;

/** `fail`: what the start is refused with. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(readonly option: string, message: string) {
    super(message);
  }
}

interface RemoteTimer {
  readonly callback: () => void;
  deadlineNs: number | undefined;
}

interface RemotePort {
  readonly output: number[];
  handler: ((byte: number) => void) | undefined;
}

function elsewhere(what: string): never {
  throw new Refused("runs", `a device behind IOREQ can't have ${what}: it runs inline`);
}

const encoder = new TextEncoder();

/** A device's world. */
export class RemoteWorld {
  readonly context: DeviceContext<unknown, unknown>;
  readonly #memory: RemoteMemory;
  readonly #timers = new Map<string, RemoteTimer>();
  readonly #ports: readonly RemotePort[];
  readonly #armed: Map<string, number>;
  #traces = 0;

  constructor(private readonly channel: Channel, start: WorkerStart, state: unknown) {
    const { posts, area } = channel;
    this.#memory = new RemoteMemory(channel, start.ram);
    this.#armed = new Map(start.armed);
    this.#ports = start.ports.map(() => ({ output: [], handler: undefined }));
    const disks = new Map<string, Disk>();
    const place = (list: readonly string[], name: string, what: string) => {
      const index = list.indexOf(name);
      if (index < 0) throw new Error(`device ${start.name} has no ${what} ${JSON.stringify(name)}`);
      return index;
    };
    const clock: Clock = {
      get nowNs() {
        return area.doubles[Double.NOW];
      },
      timer: (name, callback) => this.#timer(name, callback),
    };
    this.context = {
      options: start.options,
      state,
      clock,
      dma: this.#memory,
      random: (bytes) => channel.random(bytes),
      interrupt: (name) => this.#line(place(start.interrupts, name, "interrupt")),
      port: (name) => this.#port(place(start.ports, name, "port")),
      disk(name) {
        const index = place(start.disks.map((disk) => disk.name), name, "disk");
        const disk = disks.get(name) ?? openRemoteDisk(channel, index, start.disks[index]);
        disks.set(name, disk);
        return disk;
      },
      folder: () => elsewhere("folders of the host"),
      cable: () => elsewhere("cables"),
      bootTimeSeconds: start.bootTimeSeconds,
      counterFrequencyHz: start.counterFrequencyHz,
      resetDomain: (cause) => posts.post(PostKind.RESET, 0, 0, encoder.encode(cause).subarray(0, TRACE_BYTES)),
      trace: (kind, detail) => {
        if (this.#traces++ >= TRACES) return;
        posts.post(PostKind.TRACE, 0, 0, encoder.encode(`${kind}\0${detail()}`).subarray(0, TRACE_BYTES));
      },
      fail(option, message) {
        throw new Refused(option, message);
      },
    };
  }

  /** A timer came due. */
  fired(name: string): void {
    const timer = this.#timers.get(name);
    if (timer === undefined) return;
    timer.deadlineNs = undefined;
    timer.callback();
  }

  /** Bytes for a serial port. */
  input(port: number, bytes: Uint8Array): void {
    for (const byte of bytes) this.#ports[port]?.handler?.(byte);
  }

  /** A request ends: what is left goes out. */
  settle(): void {
    for (const [index, { output }] of this.#ports.entries()) {
      if (output.length > 0) this.channel.posts.post(PostKind.SERIAL, index, 0, Uint8Array.from(output.splice(0)));
    }
    this.#memory.forget();
    this.#traces = 0;
  }

  #timer(name: string, callback: () => void): Timer {
    if (this.#timers.has(name)) throw new Error(`there is a timer ${JSON.stringify(name)} already`);
    const timer: RemoteTimer = { callback, deadlineNs: this.#armed.get(name) };
    this.#timers.set(name, timer);
    const tell = (ns: number) => this.channel.posts.post(PostKind.TIMER, ns, 0, encoder.encode(name));
    return {
      arm(ns) {
        if (Number.isNaN(ns)) throw new RangeError(`timer ${name}: the deadline is not a number`);
        timer.deadlineNs = ns;
        tell(ns);
      },
      disarm() {
        timer.deadlineNs = undefined;
        tell(Infinity);
      },
      get deadlineNs() {
        return timer.deadlineNs;
      },
    };
  }

  #line(index: number): DeviceLine {
    let current: boolean | undefined;
    return {
      set: (level) => {
        if (current !== level) this.channel.posts.post(PostKind.LINE, index, level ? 1 : 0);
        current = level;
      },
    };
  }

  #port(index: number): SerialPort {
    const port = this.#ports[index];
    return {
      write: (byte) => {
        port.output.push(byte & 0xff);
      },
      onInput: (handler) => {
        port.handler = handler;
      },
    };
  }
}
