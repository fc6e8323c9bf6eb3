/**
 * A network that ends in this program: a gateway, a name server and a DHCP server for guests, and the way to the host's sockets.
 *
 * What can a hostile guest do here? It can send any frame. Every length is checked before it is used; what isn't sound is dropped. Tables
 * are bounded: neighbours, leases, UDP flows, connections, and what each of them keeps. It reaches no address of this host, nor anybody
 * when the network is restricted; what it sends leaves through the host's sockets, never as packets of its own making.
 */
import type { Clock, HostSockets } from "../../../core/mod.ts";
import { get16 } from "../bytes.ts";
import type { CableEnd, Frame } from "../link.ts";
import { offloadProblem } from "../offload.ts";
import { buildArp, parseArp } from "./arp.ts";
import { answerDhcp, DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from "./dhcp.ts";
import type { Lease } from "./dhcp.ts";
import { Dns, DNS_PORT } from "./dns.ts";
import { echoReply, IcmpError, icmpError } from "./icmp.ts";
import { EtherType, parsePacket, PAYLOAD_AT, Protocol, startPacket } from "./ipv4.ts";
import type { Packet, Route } from "./ipv4.ts";
import type { Fill, Output } from "./output.ts";
import type { Plan } from "./plan.ts";
import { Reassembly } from "./reassembly.ts";
import type { Pieces } from "./reassembly.ts";
import { Tcp } from "./tcp.ts";
import type { TcpState } from "./tcp_connection.ts";
import { Udp } from "./udp.ts";
import { parseUdp, udpFrames } from "./udp_datagram.ts";

/** Guests whose hardware addresses are known. */
const NEIGHBOURS = 256;
const EVERYBODY = 0xffff_ffff;
const BROADCAST_MAC = new Uint8Array(6).fill(0xff);

/** State, plain data. */
export interface StackState {
  /** Hardware addresses by IPv4 address. */
  readonly neighbours: Map<number, Uint8Array>;
  readonly leases: Lease[];
  readonly tcp: TcpState;
  /** Of packets that come in fragments. */
  readonly pieces: Pieces[];
  /** Tells fragments of one datagram. */
  identification: number;
}

/** Reset state. */
export function emptyStack(): StackState {
  return { neighbours: new Map(), leases: [], tcp: { connections: new Map(), nextPort: 0 }, pieces: [], identification: 0 };
}

/** What it is made of. */
export interface StackParts {
  readonly plan: Plan;
  readonly state: StackState;
  readonly clock: Clock;
  readonly sockets: HostSockets;
  readonly cable: CableEnd;
  random(bytes: number): Uint8Array;
  trace(kind: string, detail: () => string): void;
}

/** The network. */
export class UserStack implements Output {
  readonly plan: Plan;
  readonly tcp: Tcp;
  readonly udp: Udp;
  readonly #dns: Dns;
  readonly #reassembly: Reassembly;

  constructor(private readonly parts: StackParts) {
    const { plan, sockets, clock, random, cable, state } = parts;
    this.plan = plan;
    this.tcp = new Tcp({ output: this, state: state.tcp, sockets, clock, random, guest: () => this.#guest() });
    this.udp = new Udp({ output: this, sockets, clock, guest: () => this.#guest() });
    this.#dns = new Dns(this, sockets);
    this.#reassembly = new Reassembly(state.pieces, clock);
    cable.attach({ receive: (frame) => this.#receive(frame), ready: () => this.tcp.goOn() });
  }

  packet(to: number, from: number, protocol: number, size: number, fill: Fill): boolean {
    const route = this.#route(to, from);
    if (route === undefined) return false;
    const bytes = startPacket(route, protocol, size);
    return this.parts.cable.send({ bytes, ...fill(bytes, PAYLOAD_AT) });
  }

  datagram(to: number, toPort: number, from: number, fromPort: number, data: Uint8Array): void {
    const route = this.#route(to, from);
    if (route !== undefined) this.#sendDatagram(route, toPort, fromPort, data);
  }

  error(kind: readonly [number, number], about: Packet): void {
    const message = icmpError(kind, about);
    if (message !== undefined) {
      this.packet(about.source, this.plan.gateway, Protocol.ICMP, message.length, (frame, at) => frame.set(message, at));
    }
  }

  /** The guest that forwarded ports lead to when the board names none: the one that came first. */
  #guest(): number {
    return this.parts.state.leases[0]?.address ?? this.plan.first;
  }

  /** Undefined: nobody knows where that is; somebody was asked. */
  #route(to: number, from: number): Route | undefined {
    const { plan, parts: { state, cable } } = this;
    const mac = to === EVERYBODY ? BROADCAST_MAC : state.neighbours.get(to);
    if (mac === undefined) {
      cable.send({ bytes: buildArp(true, plan.gatewayMac, plan.gateway, undefined, to) });
      return undefined;
    }
    return { sourceMac: plan.gatewayMac, destinationMac: mac, source: from, destination: to };
  }

  #receive(frame: Frame): boolean {
    if (offloadProblem(frame) !== undefined) return true;
    const type = get16(frame.bytes, 12);
    if (type === EtherType.ARP) this.#arp(frame.bytes);
    else if (type === EtherType.IPV4) this.#ipv4(frame);
    return true;
  }

  #arp(frame: Uint8Array): void {
    const { plan, parts: { cable } } = this;
    const message = parseArp(frame);
    if (message === undefined) return;
    const { request, sender, senderMac, target } = message;
    this.#learn(sender, senderMac);
    if (request && (target === plan.gateway || target === plan.dns)) {
      cable.send({ bytes: buildArp(false, plan.gatewayMac, target, senderMac, sender) });
    }
  }

  #learn(address: number, mac: Uint8Array): void {
    const { plan, parts: { state: { neighbours } } } = this;
    const ours = address === plan.gateway || address === plan.dns;
    if (ours || (address & plan.mask) >>> 0 !== plan.base || (mac[0] & 1) !== 0) return;
    if (!neighbours.has(address) && neighbours.size >= NEIGHBOURS) neighbours.delete(neighbours.keys().next().value!);
    neighbours.set(address, mac);
  }

  #ipv4(frame: Frame): void {
    const came = parsePacket(frame);
    if (came === undefined) return;
    const { plan } = this;
    const { source, destination } = came;
    const inside = (source & plan.mask) >>> 0 === plan.base;
    if (inside) this.#learn(source, came.mac);
    const packet = came.fragment === undefined ? came : this.#reassembly.add(came);
    if (packet === undefined) return;
    if (source === 0 || destination === EVERYBODY || destination === (plan.base | ~plan.mask) >>> 0) return this.#toEverybody(packet);
    if (!inside) return;
    if (destination === plan.gateway || destination === plan.dns) return this.#toUs(packet);
    if ((destination & plan.mask) >>> 0 === plan.base) return; // another guest's
    if (plan.restrict || nowhere(destination)) {
      return packet.protocol === Protocol.TCP ? this.tcp.refuse(packet) : this.error(IcmpError.prohibited, packet);
    }
    if (packet.ttl <= 1) return this.error(IcmpError.ttl, packet);
    this.#toOutside(packet);
  }

  #toEverybody(packet: Packet): void {
    const datagram = packet.protocol === Protocol.UDP ? parseUdp(packet) : undefined;
    if (datagram?.destinationPort === DHCP_SERVER_PORT) this.#dhcp(datagram.data);
  }

  #toUs(packet: Packet): void {
    if (packet.protocol === Protocol.ICMP) {
      const reply = echoReply(packet);
      if (reply) this.packet(packet.source, packet.destination, Protocol.ICMP, reply.length, (frame, at) => frame.set(reply, at));
      return;
    }
    if (packet.protocol === Protocol.UDP) {
      const datagram = parseUdp(packet);
      if (datagram?.destinationPort === DHCP_SERVER_PORT) return this.#dhcp(datagram.data);
      if (datagram?.destinationPort === DNS_PORT) {
        return this.#dns.ask(packet.source, datagram.sourcePort, packet.destination, datagram.data);
      }
    }
    if (packet.destination === this.plan.gateway && this.plan.hostAccess) return this.#toOutside(packet);
    if (packet.protocol === Protocol.TCP) this.tcp.input(packet, false);
    else if (packet.protocol === Protocol.UDP) this.udp.input(packet, false);
    else this.error(IcmpError.protocol, packet);
  }

  #toOutside(packet: Packet): void {
    switch (packet.protocol) {
      case Protocol.TCP:
        return this.tcp.input(packet, true);
      case Protocol.UDP:
        return this.udp.input(packet, true);
      case Protocol.ICMP:
        // Sockets for echo requests aren't to be had without privileges.
        return this.error(IcmpError.host, packet);
      default:
        return this.error(IcmpError.protocol, packet);
    }
  }

  #dhcp(message: Uint8Array): void {
    const { plan, parts: { state, trace } } = this;
    const before = state.leases.length;
    const reply = answerDhcp(plan, state.leases, message);
    if (reply === undefined) return;
    if (state.leases.length !== before) trace("user_network", () => "an address was handed out");
    const { to, mac, message: data } = reply;
    const route = { sourceMac: plan.gatewayMac, destinationMac: mac ?? BROADCAST_MAC, source: plan.gateway, destination: to };
    this.#sendDatagram(route, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, data);
  }

  #sendDatagram(route: Route, toPort: number, fromPort: number, data: Uint8Array): void {
    const { state } = this.parts;
    state.identification = state.identification + 1 & 0xffff;
    for (const bytes of udpFrames(route, toPort, fromPort, data, this.plan.mtu, state.identification)) this.parts.cable.send({ bytes });
  }
}

/** Addresses that are nobody's on a wire: this network, loopback, groups, reserved ones. */
function nowhere(address: number): boolean {
  const first = address >>> 24;
  return first === 0 || first === 127 || first >= 224;
}
