/**
 * UDP through the host's sockets: one for each guest's port, and one for each forwarded port.
 *
 * A guest's socket hears only from whom it has sent to. Sockets and correspondents are bounded; the one unused for longest goes.
 */
import type { Clock, DatagramAddress, HostDatagrams, HostSockets, Timer } from "../../../core/mod.ts";
import { formatIpv4, parseIpv4 } from "./addresses.ts";
import type { Forward } from "./forward.ts";
import { IcmpError } from "./icmp.ts";
import type { Packet } from "./ipv4.ts";
import type { Output } from "./output.ts";
import { parseUdp } from "./udp_datagram.ts";

const MOST_FLOWS = 128;
const MOST_PEERS = 64;
/** A flow that nobody uses for so long is forgotten. */
const IDLE_NS = 120_000_000_000;
const LOOPBACK = "127.0.0.1";
/** Ports that correspondents of forwarded ports seem to have. */
const [FIRST_PORT, PORTS] = [49_152, 16_384];

interface Flow {
  readonly socket: HostDatagrams;
  /** Whom it has sent to. */
  readonly peers: Set<string>;
  usedNs: number;
}

/** Correspondents outside of a forwarded port, by the port that stands for them inside. */
interface Inbound {
  readonly socket: HostDatagrams;
  readonly target: { readonly guest: number; readonly port: number };
  readonly peers: Map<number, DatagramAddress>;
}

/** What it is made of. */
export interface UdpParts {
  readonly output: Output;
  readonly sockets: HostSockets;
  readonly clock: Clock;
  /** Where forwarded ports lead when the board names no guest. */
  guest(): number;
}

const key = (address: number | string, port: number) => `${address}:${port}`;

/** The datagrams. */
export class Udp {
  readonly #flows = new Map<string, Flow>();
  readonly #inbound: Inbound[] = [];
  readonly #idle: Timer;
  #nextPort = 0;

  constructor(private readonly parts: UdpParts) {
    this.#idle = parts.clock.timer("udp", () => this.#forget());
  }

  /** From a guest. `reachable`: to somebody outside, or to the host when that is allowed; otherwise only forwarded ports lead out. */
  input(packet: Packet, reachable: boolean): void {
    const { parts: { output: { plan }, clock, output } } = this;
    const datagram = parseUdp(packet);
    if (datagram === undefined || datagram.destinationPort === 0) return;
    const { sourcePort, destinationPort, data } = datagram;
    if (this.#answer(packet, sourcePort, destinationPort, data)) return;
    if (!reachable) return output.error(IcmpError.port, packet);
    const local = packet.destination === plan.gateway;
    const to = { hostname: local ? LOOPBACK : formatIpv4(packet.destination), port: destinationPort };
    const flow = this.#flow(packet.source, sourcePort);
    flow.usedNs = clock.nowNs;
    if (flow.peers.size >= MOST_PEERS) flow.peers.delete(flow.peers.keys().next().value!);
    flow.peers.add(key(to.hostname, to.port));
    flow.socket.send(data, to, { local });
  }

  /** Datagrams to a port of the host go to a guest. `failed`: it can't be had. */
  forward({ host, guest, port }: Forward, failed: () => void): void {
    const { sockets, output } = this.parts;
    const target = { guest: guest ?? 0, port };
    const peers = new Map<number, DatagramAddress>();
    const received = (bytes: Uint8Array, from: DatagramAddress) => {
      const inside = this.#inside(peers, from);
      output.datagram(target.guest || this.parts.guest(), port, output.plan.gateway, inside, bytes);
    };
    const socket = sockets.datagrams(received, { at: host, failed });
    this.#inbound.push({ socket, target, peers });
  }

  /** Is it the answer of a forwarded port to somebody who asked there? Then it goes out there. */
  #answer({ source, destination }: Packet, from: number, to: number, data: Uint8Array): boolean {
    if (destination !== this.parts.output.plan.gateway) return false;
    for (const { socket, target, peers } of this.#inbound) {
      const peer = target.port === from && source === (target.guest || this.parts.guest()) ? peers.get(to) : undefined;
      if (peer === undefined) continue;
      socket.send(data, peer, { local: true });
      return true;
    }
    return false;
  }

  #inside(peers: Map<number, DatagramAddress>, from: DatagramAddress): number {
    for (const [port, { hostname, port: other }] of peers) if (hostname === from.hostname && other === from.port) return port;
    if (peers.size >= MOST_PEERS) peers.delete(peers.keys().next().value!);
    const port = FIRST_PORT + this.#nextPort++ % PORTS;
    peers.set(port, from);
    return port;
  }

  #flow(guest: number, port: number): Flow {
    const { sockets, output, clock } = this.parts;
    const name = key(guest, port);
    const known = this.#flows.get(name);
    // The latest used is the last one.
    if (known !== undefined) this.#flows.delete(name);
    else if (this.#flows.size >= MOST_FLOWS) this.#drop(this.#flows.keys().next().value!);
    const peers = known?.peers ?? new Set<string>();
    const received = (bytes: Uint8Array, from: DatagramAddress) => {
      if (!peers.has(key(from.hostname, from.port))) return;
      const source = from.hostname === LOOPBACK ? output.plan.gateway : parseIpv4(from.hostname);
      if (source !== undefined) output.datagram(guest, port, source, from.port, bytes);
    };
    const flow = known ?? { socket: sockets.datagrams(received, { failed: () => this.#drop(name) }), peers, usedNs: clock.nowNs };
    this.#flows.set(name, flow);
    if (this.#idle.deadlineNs === undefined) this.#idle.arm(clock.nowNs + IDLE_NS);
    return flow;
  }

  #drop(name: string): void {
    this.#flows.get(name)?.socket.close();
    this.#flows.delete(name);
  }

  #forget(): void {
    const { clock } = this.parts;
    for (const [name, { usedNs }] of [...this.#flows]) if (usedNs + IDLE_NS <= clock.nowNs) this.#drop(name);
    if (this.#flows.size > 0) this.#idle.arm(clock.nowNs + IDLE_NS);
  }
}
