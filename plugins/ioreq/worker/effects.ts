/** What a device has posted, checked as a whole before any of it takes effect. */
import type { Clock, Disk, SerialPort, Timer } from "../../../core/mod.ts";
import type { DeviceLine, DeviceStart } from "../../device/contract.ts";
import type { ForeignFrames } from "../frames.ts";
import { LinkFailure } from "./link.ts";
import type { LinkServices } from "./link.ts";
import { PostKind } from "./posts.ts";
import type { Post } from "./posts.ts";

/** Timers that a device may have, and kinds of trace events. */
const NAMES = 64;
const NAME_BYTES = 128;

/** A device's outlets in the hypervisor: what it drives and what it may ask for. */
export class Outlets implements LinkServices {
  readonly #lines: readonly DeviceLine[];
  readonly #ports: readonly SerialPort[];
  readonly #disks: readonly Disk[];
  readonly #timers = new Map<string, Timer>();
  readonly #kinds = new Set<string>();
  readonly #decoder = new TextDecoder();
  readonly #clock: Clock;

  constructor(
    private readonly request: DeviceStart,
    private readonly frames: ForeignFrames,
    names: { readonly interrupts: readonly string[]; readonly ports: readonly string[]; readonly disks: readonly string[] },
    /** A timer came due. */
    private readonly fired: (name: string) => void,
    input: (port: number, byte: number) => void,
  ) {
    const { context } = request;
    this.#clock = context.clock;
    this.#lines = names.interrupts.map((name) => context.interrupt(name));
    this.#ports = names.ports.map((name) => context.port(name));
    this.#disks = names.disks.map((name) => context.disk(name));
    for (const [index, port] of this.#ports.entries()) port.onInput((byte) => input(index, byte));
  }

  /** Timers that are armed. */
  get armed(): [name: string, ns: number][] {
    return [...this.#timers].flatMap(([name, { deadlineNs }]) => deadlineNs === undefined ? [] : [[name, deadlineNs]]);
  }

  /** Takes all of them, or throws a `LinkFailure` and takes none. */
  apply(posts: readonly Post[]): void {
    for (const post of posts) this.#check(post);
    for (const post of posts) this.#take(post);
  }

  read(ipa: number, size: number): Uint8Array | undefined {
    const bytes = new Uint8Array(size);
    const access = this.frames.read(ipa, bytes);
    if (access === "outside") throw new LinkFailure(`it reads ${size} bytes at IPA 0x${ipa.toString(16)}, which it wasn't given`);
    return access === "done" ? bytes : undefined;
  }

  random(bytes: number): Uint8Array {
    return this.request.context.random(bytes);
  }

  diskRead(disk: number, offset: number, into: Uint8Array): boolean {
    return this.#try(disk, (found) => found.read(offset, into));
  }

  diskWrite(disk: number, offset: number, bytes: Uint8Array): boolean {
    return this.#try(disk, (found) => found.write(offset, bytes));
  }

  diskFlush(disk: number): boolean {
    return this.#try(disk, (found) => found.flush());
  }

  #try(disk: number, action: (disk: Disk) => void): boolean {
    const found = this.#disks[disk];
    if (found === undefined) throw new LinkFailure(`it has no disk ${disk}`);
    try {
      action(found);
      return true;
    } catch (error) {
      this.request.context.trace("disk error", () => String(error));
      return false;
    }
  }

  #check({ kind, a, b, bytes }: Post): void {
    switch (kind) {
      case PostKind.DMA_WRITE:
        if (!this.frames.holds(a, bytes.length)) {
          throw new LinkFailure(`it writes ${bytes.length} bytes at IPA 0x${a.toString(16)}, which it wasn't given`);
        }
        return;
      case PostKind.LINE:
        if (this.#lines[a] === undefined || b !== 0 && b !== 1) throw new LinkFailure(`it sets interrupt ${a} to ${b}`);
        return;
      case PostKind.TIMER:
        if (Number.isNaN(a) || bytes.length > NAME_BYTES) throw new LinkFailure(`it arms a timer for ${a}`);
        return;
      case PostKind.SERIAL:
        if (this.#ports[a] === undefined) throw new LinkFailure(`it writes to serial port ${a}`);
        return;
      case PostKind.TRACE:
      case PostKind.RESET:
        return;
      default:
        throw new LinkFailure(`it posts a record of kind ${kind}`);
    }
  }

  #take({ kind, a, b, bytes }: Post): void {
    switch (kind) {
      case PostKind.DMA_WRITE:
        if (this.frames.write(a, bytes) !== "done") {
          this.request.context.trace("dma", () => `nothing is at IPA 0x${a.toString(16)} any more`);
        }
        return;
      case PostKind.LINE:
        return this.#lines[a].set(b === 1);
      case PostKind.TIMER: {
        const timer = this.#timer(this.#decoder.decode(bytes));
        return a === Infinity ? timer?.disarm() : timer?.arm(a);
      }
      case PostKind.SERIAL:
        for (const byte of bytes) this.#ports[a].write(byte);
        return;
      case PostKind.TRACE: {
        const [kind, ...detail] = this.#decoder.decode(bytes).split("\0");
        if (this.#kinds.size < NAMES) this.#kinds.add(kind);
        return this.request.context.trace(this.#kinds.has(kind) ? kind : "device", () => detail.join(" "));
      }
      case PostKind.RESET:
        return this.request.context.resetDomain(this.#decoder.decode(bytes));
    }
  }

  #timer(name: string): Timer | undefined {
    const known = this.#timers.get(name);
    if (known !== undefined || this.#timers.size >= NAMES) return known;
    const made = this.#clock.timer(name, () => this.fired(name));
    this.#timers.set(name, made);
    return made;
  }
}
