/**
 * A device in a Worker: creates it, and serves requests until the Worker is ended. Nothing asynchronous happens here: between requests the
 * thread sleeps, so a request's work is all that a device does.
 */
import { deviceIn } from "../../device/contract.ts";
import type { Device, DeviceWindow } from "../../device/contract.ts";
import { RingConsumer } from "../buffered.ts";
import { IoreqPage, RequestType, State } from "../layout.ts";
import { Area, Double, EventKind, Phase, Turn, Word } from "./area.ts";
import { Channel, Quit } from "./channel.ts";
import { Refused, RemoteWorld } from "./context.ts";
import { PlainWriter, readPlain } from "./plain_data.ts";
import type { Refusal, WorkerStart } from "./start.ts";

interface Window {
  readonly at: number;
  readonly size: number;
  readonly served: DeviceWindow;
}

/** Runs a device; `exported` is what its module exports. Comes back only when something went wrong, which it has reported then. */
export function serve(exported: Readonly<Record<string, unknown>>, start: WorkerStart): void {
  const area = new Area(start.shared);
  // A device that gives up is reported at once, not when its deadline passes.
  for (const [where, name] of [[Deno, "exit"], [globalThis, "close"]] as const) {
    const exit = () => {
      throw new Error(`the device calls ${name}`);
    };
    Object.defineProperty(where, name, { value: exit });
  }
  try {
    new Server(area, exported, start).run();
  } catch (error) {
    if (error instanceof Quit) return;
    const running = Atomics.load(area.words, Word.PHASE) === Phase.RUNNING;
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const refusal: Refusal = error instanceof Refused ? { option: error.option, message: error.message } : { message };
    const { written } = new TextEncoder().encodeInto(JSON.stringify(refusal), area.call);
    area.words[Word.FAILURE_SIZE] = written;
    Atomics.store(area.words, Word.PHASE, running ? Phase.CRASHED : Phase.REFUSED);
    area.ring(Word.BELL);
    Atomics.notify(area.words, Word.PHASE);
  }
}

class Server {
  readonly #channel: Channel;
  readonly #page: IoreqPage;
  readonly #ring: RingConsumer;
  readonly #state: unknown;
  readonly #mirrors: readonly PlainWriter[];
  readonly #world: RemoteWorld;
  readonly #device: Device;
  readonly #windows: readonly Window[];

  constructor(private readonly area: Area, exported: Readonly<Record<string, unknown>>, private readonly start: WorkerStart) {
    area.doubles[Double.NOW] = start.nowNs;
    this.#channel = new Channel(area);
    this.#page = new IoreqPage(area.shared, area.pages.sync);
    this.#mirrors = area.mirrors.map((mirror) => new PlainWriter(mirror));
    this.#ring = new RingConsumer(area.shared, area.pages.buffered);
    this.#state = start.mirror === undefined ? start.state : readPlain(start.mirror);
    this.#world = new RemoteWorld(this.#channel, start, this.#state);
    const model = deviceIn(exported, start.module, start.name);
    this.#device = model.create(this.#world.context);
    this.#windows = start.windows.map(({ name, at, size }) => {
      const served = this.#device.windows[name];
      if (served === undefined) throw new Error(`device ${start.name} declares the window ${name} and has nothing to serve it`);
      return { at, size, served };
    });
  }

  run(): never {
    const { words } = this.area;
    this.#settle();
    Atomics.store(words, Word.PHASE, Phase.RUNNING);
    Atomics.notify(words, Word.PHASE);
    this.area.ring(Word.BELL);
    for (;;) {
      const seen = Atomics.load(words, Word.DOORBELL);
      if (this.#work()) continue;
      this.#channel.sleep(Word.DOORBELL, seen);
    }
  }

  /** Serves what there is. False when there was nothing. */
  #work(): boolean {
    let worked = false;
    if (Atomics.load(this.area.words, Word.EVENT) === Turn.ASKED) {
      this.#event();
      this.#settle();
      Atomics.store(this.area.words, Word.EVENT, Turn.ANSWERED);
      this.area.ring(Word.BELL);
      worked = true;
    }
    // Only what the doorbell rang for: requests are served, and take effect, one after the other.
    const slot = Atomics.load(this.area.words, Word.SLOT);
    if (slot < 0 || !this.#page.move(slot, State.READY, State.INPROCESS)) return worked;
    this.#request(slot);
    return true;
  }

  #request(vcpu: number): void {
    const { addr, data, size, write, type } = this.#page.request(vcpu);
    if (type === RequestType.COPY) {
      const at = Number(addr);
      if (write) this.#write(at, size, data);
      else this.#page.setData(vcpu, BigInt.asUintN(8 * size, this.#read(at, size)));
    }
    this.#settle();
    this.#page.move(vcpu, State.INPROCESS, State.RESP_READY);
    this.area.ring(Word.BELL);
  }

  #event(): void {
    const { words } = this.area;
    const [a, b] = [words[Word.EVENT_A], words[Word.EVENT_B]];
    switch (words[Word.EVENT_KIND]) {
      case EventKind.TIMER:
        return this.#world.fired(new TextDecoder().decode(this.area.call.slice(0, a)));
      case EventKind.SERIAL:
        return this.#world.input(a, this.area.call.slice(0, b));
      case EventKind.INPUT:
        return this.#device.input?.(a, b !== 0);
      case EventKind.RING:
        for (let write = this.#ring.pop(); write !== undefined; write = this.#ring.pop()) this.#write(write.addr, write.size, write.data);
        return;
      case EventKind.STOPPED:
        return this.#device.stopped?.();
    }
  }

  #window(at: number, size: number): Window | undefined {
    return this.#windows.find((window) => at >= window.at && at + size <= window.at + window.size);
  }

  #read(at: number, size: number): bigint {
    const window = this.#window(at, size);
    return window === undefined ? -1n : BigInt(window.served.read(at - window.at, size));
  }

  #write(at: number, size: number, data: bigint): void {
    const window = this.#window(at, size);
    window?.served.write(at - window.at, size, data);
  }

  /** All of a request's effects are posted, and the state after it is in the other mirror. */
  #settle(): void {
    const { words } = this.area;
    this.#world.settle();
    const next = 1 - words[Word.MIRROR];
    words[Word.MIRROR_SIZE] = this.#mirrors[next].write(this.#state);
    words[Word.MIRROR] = next;
  }
}
