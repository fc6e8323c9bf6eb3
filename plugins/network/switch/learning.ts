/**
 * A switch that learns who is where (IEEE 802.1D, "The Forwarding Database").
 *
 * What can a hostile guest do here? It may send from any number of addresses: the table has a limit, and each port may fill only its share,
 * so that it can't push the others out. It may claim another one's address: then it gets what is for that one until the owner speaks again,
 * as on any such switch, unless the segment pins addresses to the port that had them first.
 */
import type { CableEnd, Frame, FrameReceiver, Network } from "../link.ts";
import { cable } from "../cable.ts";
import { formatMac } from "../mac.ts";

/** Addresses that one port may have. */
const MOST_ADDRESSES = 64;
const MAC = 6;

/** What a segment knows: plain data. */
export interface SegmentState {
  /** Port by hardware address. */
  readonly places: Map<string, number>;
  /** Of every port that ever was. */
  nextPort: number;
}

/** Who is where, on one segment. */
export class Segment implements Network {
  readonly #ports = new Map<number, CableEnd>();

  constructor(
    private readonly state: SegmentState,
    private readonly rules: { readonly ports: number; readonly pinned: boolean },
    private readonly trace: (kind: string, detail: () => string) => void,
  ) {}

  /** A socket of the switch. Throws when all are taken. */
  plug(owner: string): CableEnd {
    if (this.#ports.size >= this.rules.ports) throw new Error(`the segment has ${this.rules.ports} ports, and all are taken`);
    const port = this.state.nextPort++;
    const [near, far] = cable();
    const receiver: FrameReceiver = { receive: (frame) => this.#forward(port, owner, frame), ready: () => this.#ready(port) };
    near.attach(receiver);
    this.#ports.set(port, near);
    const unplug = () => {
      far.unplug();
      this.#ports.delete(port);
      for (const [address, place] of [...this.state.places]) if (place === port) this.state.places.delete(address);
    };
    return { attach: (to) => far.attach(to), send: (frame) => far.send(frame), ready: () => far.ready(), unplug };
  }

  /** True: it went to everybody who should have it. */
  #forward(from: number, owner: string, frame: Frame): boolean {
    const { bytes } = frame;
    if (bytes.length < 2 * MAC + 2) return true;
    if (!this.#learn(from, bytes.subarray(MAC, 2 * MAC), owner)) return true;
    const to = (bytes[0] & 1) !== 0 ? undefined : this.state.places.get(bytes.subarray(0, MAC).toHex());
    if (to === from) return true;
    if (to !== undefined) return this.#ports.get(to)?.send(frame) ?? true;
    let taken = true;
    for (const [port, end] of this.#ports) if (port !== from) taken = end.send(frame) && taken;
    return taken;
  }

  /** False: that address is another one's, for good. */
  #learn(port: number, mac: Uint8Array, owner: string): boolean {
    const { places } = this.state;
    if ((mac[0] & 1) !== 0) return false; // nobody is a group
    const address = mac.toHex();
    const known = places.get(address);
    if (known === port) return true;
    if (known !== undefined) {
      this.trace("network_switch", () => `${owner} speaks as ${formatMac(mac)}, which was at another port`);
      if (this.rules.pinned) return false;
    }
    let own = 0;
    for (const place of places.values()) if (place === port) own++;
    // The rest goes to everybody.
    if (own < MOST_ADDRESSES) places.set(address, port);
    return true;
  }

  /** Somebody has room again: whoever waits may send. */
  #ready(port: number): void {
    for (const [other, end] of this.#ports) if (other !== port) end.ready();
  }
}
