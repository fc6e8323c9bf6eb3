/**
 * The network device: Virtio 1.2, "Network Device".
 *
 * A hostile driver may write anything into headers and frames: what a header claims is checked before anybody relies on it, frames have a
 * length at most, and of those that wait for a receive buffer there are only so many. What doesn't hold is dropped and traced; only a
 * buffer with no room for a header makes the device need a reset.
 */
import type { Timer } from "../../../core/mod.ts";
import { MOST_FRAME_BYTES, offloadProblem, plainFrames } from "../../network/contract.ts";
import type { CableEnd, Frame } from "../../network/contract.ts";
import type { Served, VirtioBehaviour, VirtioBuffer, VirtioContext } from "../model.ts";
import { control } from "./control.ts";
import { openFilter, wanted } from "./filter.ts";
import { flowOf } from "./flow.ts";
import { Feature } from "../features.ts";
import { Gso, HEADER, HeaderFlag, LINK_UP, Net, parseHeader, printHeader, SHORT_HEADER } from "./protocol.ts";
import type { Header } from "./protocol.ts";
import { nothingWaits } from "./state.ts";
import type { NetOptions, NetState, Waiting } from "./state.ts";

/** Frames, and bytes of them, that wait for receive buffers. */
const WAITING_FRAMES = 256;
const WAITING_BYTES = 2 ** 20;

/** The device. */
export class NetDevice implements VirtioBehaviour {
  readonly #cable: CableEnd;
  readonly #arrived: Timer;

  constructor(private readonly context: VirtioContext<NetOptions, NetState>, private readonly mac: Uint8Array, cable: CableEnd) {
    const { state, clock } = context;
    this.#cable = cable;
    // Frames that come at one time make one interrupt.
    this.#arrived = clock.timer("received", () => {
      for (const [pair, { frames }] of state.waiting.entries()) if (frames.length > 0) context.poke(2 * pair);
    });
    cable.attach({ receive: (frame) => this.#receive(frame) });
  }

  config(): Uint8Array {
    const { options: { mtu, queues }, state } = this.context;
    const view = new DataView(new ArrayBuffer(12));
    new Uint8Array(view.buffer).set(state.filter.mac);
    view.setUint16(6, LINK_UP, true);
    view.setUint16(8, queues, true);
    view.setUint16(10, mtu, true);
    return new Uint8Array(view.buffer);
  }

  /** Legacy drivers set the address so. */
  writeConfig(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length <= 6 && !this.context.has(Net.CTRL_MAC_ADDR)) this.context.state.filter.mac.set(bytes, offset);
  }

  started(): void {
    const { state, has } = this.context;
    state.running = true;
    state.offloads = 0n;
    for (const bit of [Net.GUEST_CSUM, Net.GUEST_TSO4, Net.GUEST_TSO6]) if (has(bit)) state.offloads |= 1n << BigInt(bit);
    this.#cable.ready();
  }

  reset(): void {
    const { state } = this.context;
    state.filter = openFilter(this.mac);
    state.running = false;
    state.pairs = 1;
    state.offloads = 0n;
    state.waiting = state.waiting.map(nothingWaits);
  }

  stopped(): void {
    this.#cable.unplug();
  }

  serve(queue: number, buffer: VirtioBuffer): Served {
    const { context } = this;
    if (queue === (context.has(Net.MQ) ? 2 * context.options.queues : 2) && context.has(Net.CTRL_VQ)) return control(context, buffer);
    return queue % 2 === 0 ? this.#fill(queue, buffer) : this.#transmit(buffer);
  }

  /** Bytes of the header: legacy drivers that merge no buffers have a shorter one. */
  get #headerBytes(): number {
    const { has } = this.context;
    return has(Feature.VERSION_1) || has(Net.MRG_RXBUF) ? HEADER : SHORT_HEADER;
  }

  #transmit(buffer: VirtioBuffer): Served {
    const { trace } = this.context;
    const size = this.#headerBytes;
    if (buffer.readable < size) buffer.reject(`a frame of ${buffer.readable} bytes, its header has ${size}`);
    if (buffer.readable > size + MOST_FRAME_BYTES) {
      trace("virtio driver", () => `a frame of ${buffer.readable - size} bytes`);
      return 0;
    }
    const bytes = buffer.read();
    const frame = this.#described(bytes.subarray(0, size), bytes.subarray(size));
    if (frame !== undefined) this.#cable.send(frame);
    return 0;
  }

  /** The frame with what its header says; undefined when that doesn't hold. */
  #described(header: Uint8Array, bytes: Uint8Array): Frame | undefined {
    const { has, trace } = this.context;
    const { flags, gsoType, gsoSize, checksumStart: start, checksumOffset: offset } = parseHeader(header);
    const checksum = (flags & HeaderFlag.NEEDS_CSUM) !== 0 && has(Net.CSUM) ? { start, offset } : undefined;
    const type = gsoType & ~Gso.ECN;
    const kinds = new Map([[Gso.TCPV4, ["tcp4", Net.HOST_TSO4]], [Gso.TCPV6, ["tcp6", Net.HOST_TSO6]]] as const);
    const [kind, feature] = kinds.get(type as 1) ?? [];
    const frame: Frame = {
      bytes,
      checksum,
      ...kind === undefined ? {} : { segmentation: { kind, size: gsoSize } },
    };
    const problem = type !== Gso.NONE && (feature === undefined || !has(feature))
      ? `segmentation of type ${gsoType}, which wasn't negotiated`
      : offloadProblem(frame);
    if (problem === undefined) return frame;
    trace("virtio driver", () => problem);
  }

  /** Puts the next frame into a receive buffer, or into several that the driver merges. */
  #fill(queue: number, buffer: VirtioBuffer): Served {
    const { state, has, buffersFor, trace } = this.context;
    const waiting = state.waiting[queue / 2];
    // The control queue of a driver that didn't negotiate one: nothing in it means anything.
    if (waiting === undefined) return "later";
    if (waiting.rest !== undefined) return this.#fillOn(waiting, waiting.rest, buffer);
    const frame = waiting.frames[0];
    if (frame === undefined) {
      if (state.lost) this.#arrivedRoom();
      return "later";
    }
    const size = this.#headerBytes;
    if (buffer.writable < size) buffer.reject(`a receive buffer of ${buffer.writable} bytes, the header has ${size}`);
    const total = size + frame.bytes.length;
    const count = has(Net.MRG_RXBUF) ? buffersFor(queue, total) : 1;
    if (count === undefined) return "later";
    waiting.frames.shift();
    waiting.bytes -= frame.bytes.length;
    if (count === 1 && buffer.writable < total) {
      trace("virtio driver", () => `a receive buffer of ${buffer.writable} bytes for a frame of ${frame.bytes.length}`);
      return this.#fill(queue, buffer);
    }
    buffer.write(0, printHeader(this.#headerOf(frame), count, size));
    buffer.write(size, frame.bytes);
    if (count === 1) return total;
    waiting.rest = frame.bytes.subarray(buffer.writable - size);
    return { part: buffer.writable };
  }

  #fillOn(waiting: Waiting, rest: Uint8Array, buffer: VirtioBuffer): Served {
    buffer.write(0, rest);
    const last = rest.length <= buffer.writable;
    waiting.rest = last ? undefined : rest.subarray(buffer.writable);
    return last ? rest.length : { part: buffer.writable };
  }

  #headerOf({ checksum, segmentation, bytes }: Frame): Header {
    const tcp = checksum?.start ?? 0;
    return {
      flags: checksum === undefined ? 0 : HeaderFlag.NEEDS_CSUM,
      gsoType: segmentation === undefined ? Gso.NONE : segmentation.kind === "tcp4" ? Gso.TCPV4 : Gso.TCPV6,
      headerBytes: segmentation === undefined ? 0 : tcp + 4 * (bytes[tcp + 12] >>> 4),
      gsoSize: segmentation?.size ?? 0,
      checksumStart: tcp,
      checksumOffset: checksum?.offset ?? 0,
    };
  }

  /** From the cable: into a receive buffer soon. */
  #receive(frame: Frame): boolean {
    const { state, has, clock } = this.context;
    if (!state.running || !wanted(state.filter, frame.bytes, has(Net.CTRL_VLAN))) return true;
    const waiting = state.waiting[flowOf(frame.bytes) % state.pairs];
    for (const part of this.#takes(frame) ? [frame] : plainFrames(frame)) {
      if (waiting.frames.length >= WAITING_FRAMES || waiting.bytes > WAITING_BYTES) {
        state.lost = true;
        return false;
      }
      waiting.frames.push(part);
      waiting.bytes += part.bytes.length;
    }
    if (this.#arrived.deadlineNs === undefined) this.#arrived.arm(clock.nowNs);
    return true;
  }

  /** All that waited is gone: who sent what was lost may go on. */
  #arrivedRoom(): void {
    this.context.state.lost = false;
    this.#cable.ready();
  }

  /** Does the driver take the frame as it is? */
  #takes({ checksum, segmentation }: Frame): boolean {
    const has = (bit: number) => (this.context.state.offloads >> BigInt(bit) & 1n) !== 0n;
    if (checksum !== undefined && !has(Net.GUEST_CSUM)) return false;
    return segmentation === undefined || has(segmentation.kind === "tcp4" ? Net.GUEST_TSO4 : Net.GUEST_TSO6);
  }
}
