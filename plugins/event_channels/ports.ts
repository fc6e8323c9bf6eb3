/**
 * The ports of one domain. Semantics of Xen's public header event_channel.h, "Event channel operations"; results are port numbers, 0, or
 * errors.
 *
 * What can a hostile guest do here? Use its own ports up. A port number is looked up, never an index; another domain's port is bound only
 * when that domain has offered it to this one, and the policy agrees.
 */
import type { DomainChannels, HostChannel, PortStatus } from "./contract.ts";
import type { EventDelivery } from "./delivery.ts";
import { Errno } from "./errno.ts";
import { PlainDelivery } from "./plain.ts";
import type { PlainState } from "./plain.ts";
import { PortKind } from "./port_kind.ts";

/** What is at a port: plain data. */
export interface Channel {
  readonly kind: number;
  readonly vcpu: number;
  readonly priority: number;
  /** A domain; absent: the hypervisor. */
  readonly remote?: string;
  readonly remotePort?: number;
  readonly virq?: number;
  /** The manifest's: it is never closed by a guest. */
  readonly isStatic?: boolean;
  /** The hypervisor's, by what it is for. */
  readonly label?: string;
  /** The hypervisor stands for this domain here: the guest has no hand in it. */
  readonly isHeld?: boolean;
}

/** Plain data. */
export interface PortsState {
  readonly channels: Map<number, Channel>;
  readonly plain: PlainState;
}

/** What a domain's ports need of the others. */
export interface PortsHost {
  /** Ports of a domain that lives. */
  of(domain: string): Ports | undefined;
  /** The policy's word. */
  allows(subject: string, object: string): boolean;
}

/** Virtual interrupts that there are: Xen's NR_VIRQS. */
const VIRQS = 24;
const DEFAULT_PRIORITY = 7;

/** {@linkcode DomainChannels}. */
export class Ports implements DomainChannels {
  readonly plain: PlainDelivery;
  #delivery: EventDelivery;
  readonly #sent = new Map<number, () => void>();

  constructor(
    readonly name: string,
    readonly id: number,
    readonly vcpus: number,
    /** The highest port. */
    readonly limit: number,
    readonly state: PortsState,
    readonly host: PortsHost,
  ) {
    this.#delivery = this.plain = new PlainDelivery(state.plain);
  }

  get delivery(): EventDelivery {
    return this.#delivery;
  }

  get count(): number {
    return this.state.channels.size;
  }

  allocateUnbound(remote: string): number {
    if (!this.host.allows(this.name, remote)) return Errno.EPERM;
    return this.#add({ kind: PortKind.unbound, vcpu: 0, priority: DEFAULT_PRIORITY, remote });
  }

  bindInterdomain(remote: string, remotePort: number): number {
    if (!this.host.allows(this.name, remote)) return Errno.EPERM;
    const peer = this.host.of(remote);
    if (peer === undefined) return Errno.ESRCH;
    const offered = peer.state.channels.get(remotePort);
    if (offered?.kind !== PortKind.unbound || offered.remote !== this.name || offered.isStatic) return Errno.EINVAL;
    const port = this.#add({ kind: PortKind.interdomain, vcpu: 0, priority: DEFAULT_PRIORITY, remote, remotePort });
    if (port < 0) return port;
    peer.state.channels.set(remotePort, { ...offered, kind: PortKind.interdomain, remote: this.name, remotePort: port });
    // What was sent to it while it was unbound is lost: an event more is better than one too few.
    this.pend(port);
    return port;
  }

  bindVirq(virq: number, vcpu: number): number {
    if (!Number.isInteger(virq) || virq < 0 || virq >= VIRQS) return Errno.EINVAL;
    if (!this.#hasVcpu(vcpu)) return Errno.ENOENT;
    if (this.#portOfVirq(virq, vcpu) !== undefined) return Errno.EEXIST;
    return this.#add({ kind: PortKind.virq, vcpu, priority: DEFAULT_PRIORITY, virq });
  }

  bindIpi(vcpu: number): number {
    if (!this.#hasVcpu(vcpu)) return Errno.ENOENT;
    return this.#add({ kind: PortKind.ipi, vcpu, priority: DEFAULT_PRIORITY });
  }

  bindVcpu(port: number, vcpu: number): number {
    if (!this.#hasVcpu(vcpu)) return Errno.ENOENT;
    const channel = this.#own(port);
    if (channel?.kind !== PortKind.unbound && channel?.kind !== PortKind.interdomain) return Errno.EINVAL;
    this.state.channels.set(port, { ...channel, vcpu });
    return 0;
  }

  close(port: number): number {
    const channel = this.#own(port);
    if (channel === undefined) return Errno.EINVAL;
    if (channel.isStatic) return 0;
    this.#remove(port, channel);
    return 0;
  }

  send(port: number): number {
    const channel = this.#own(port);
    switch (channel?.kind) {
      case PortKind.interdomain:
        if (channel.remote === undefined) this.#sent.get(port)?.();
        else this.host.of(channel.remote)?.pend(channel.remotePort!);
        return 0;
      case PortKind.ipi:
        this.pend(port);
        return 0;
      case PortKind.unbound:
        return 0;
      default:
        return Errno.EINVAL;
    }
  }

  status(port: number): PortStatus | undefined {
    if (!Number.isInteger(port) || port < 0 || port > this.#last) return undefined;
    const channel = this.state.channels.get(port);
    if (channel === undefined) return { kind: PortKind.closed, vcpu: 0 };
    const { kind, vcpu, remote, remotePort, virq } = channel;
    return { kind, vcpu, remote, remotePort, virq };
  }

  unmask(port: number): number {
    const channel = this.#own(port);
    if (channel === undefined) return Errno.EINVAL;
    this.#delivery.unmask(port, channel.vcpu, channel.priority);
    return 0;
  }

  setPriority(port: number, priority: number): number {
    const channel = this.#own(port);
    if (channel === undefined || !Number.isInteger(priority) || priority < 0 || priority > 15) return Errno.EINVAL;
    this.state.channels.set(port, { ...channel, priority });
    return 0;
  }

  reset(): number {
    for (const [port, channel] of [...this.state.channels]) {
      if (!channel.isStatic && channel.label === undefined) this.#remove(port, channel);
    }
    return 0;
  }

  raiseVirq(virq: number, vcpu: number): void {
    const port = this.#portOfVirq(virq, vcpu);
    if (port !== undefined) this.pend(port);
  }

  open(label: string, vcpu: number, sent: () => void): HostChannel | undefined {
    const port = this.#add({ kind: PortKind.interdomain, vcpu, priority: DEFAULT_PRIORITY, label });
    if (port < 0) return undefined;
    this.#sent.set(port, sent);
    const isOpen = () => this.state.channels.get(port)?.label === label;
    return {
      port,
      notify: () => {
        if (isOpen()) this.pend(port);
      },
      close: () => {
        const channel = this.state.channels.get(port);
        if (isOpen()) this.#remove(port, channel!);
      },
    };
  }

  offer(label: string, remote: string, heard: () => void): HostChannel | undefined {
    const port = this.#add({ kind: PortKind.unbound, vcpu: 0, priority: DEFAULT_PRIORITY, remote, label, isHeld: true });
    if (port < 0) return undefined;
    this.#sent.set(port, heard);
    const held = () => {
      const channel = this.state.channels.get(port);
      return channel?.isHeld && channel.label === label ? channel : undefined;
    };
    return {
      port,
      notify: () => {
        const channel = held();
        if (channel?.kind === PortKind.interdomain) this.host.of(channel.remote!)?.pend(channel.remotePort!);
      },
      close: () => {
        const channel = held();
        if (channel !== undefined) this.#remove(port, channel);
      },
    };
  }

  deliverBy(delivery: EventDelivery = this.plain): void {
    const before = this.#delivery;
    this.#delivery = delivery;
    for (const port of this.state.channels.keys()) {
      if (!before.isPending(port)) continue;
      before.clear(port);
      this.pend(port);
    }
  }

  /** An event arrived at a port. */
  pend(port: number): void {
    const channel = this.state.channels.get(port);
    if (channel?.isHeld) this.#sent.get(port)?.();
    else if (channel !== undefined) this.#delivery.pend(port, channel.vcpu, channel.priority);
  }

  /** A channel that the manifest declares, at a port of its choice; bound as soon as both domains live. */
  declare(port: number, remote: string, remotePort: number): void {
    const peer = this.host.of(remote);
    const common = { vcpu: 0, priority: DEFAULT_PRIORITY, remote, isStatic: true };
    if (peer === undefined) {
      this.state.channels.set(port, { ...common, kind: PortKind.unbound });
      return;
    }
    this.state.channels.set(port, { ...common, kind: PortKind.interdomain, remotePort });
    const there = peer.state.channels.get(remotePort) ?? common;
    peer.state.channels.set(remotePort, { ...there, kind: PortKind.interdomain, remote: this.name, remotePort: port });
    this.pend(port);
    peer.pend(remotePort);
  }

  /** The domain goes: every channel with it. */
  destroy(): void {
    for (const [port, channel] of [...this.state.channels]) this.#remove(port, channel);
    this.#delivery = this.plain;
  }

  /** What the guest may operate. */
  #own(port: number): Channel | undefined {
    const channel = this.state.channels.get(port);
    return channel?.isHeld ? undefined : channel;
  }

  get #last(): number {
    return Math.min(this.limit, this.#delivery.maxPorts - 1);
  }

  #hasVcpu(vcpu: number): boolean {
    return Number.isInteger(vcpu) && vcpu >= 0 && vcpu < this.vcpus;
  }

  #portOfVirq(virq: number, vcpu: number): number | undefined {
    for (const [port, channel] of this.state.channels) {
      if (channel.kind === PortKind.virq && channel.virq === virq && channel.vcpu === vcpu) return port;
    }
    return undefined;
  }

  /** The lowest free port; 0 is nobody's. */
  #add(channel: Channel): number {
    for (let port = 1; port <= this.#last; port++) {
      if (this.state.channels.has(port)) continue;
      this.state.channels.set(port, channel);
      return port;
    }
    return Errno.ENOSPC;
  }

  #remove(port: number, { kind, remote, remotePort }: Channel): void {
    this.#delivery.clear(port);
    this.state.channels.delete(port);
    this.#sent.delete(port);
    if (kind !== PortKind.interdomain || remote === undefined) return;
    const peer = this.host.of(remote);
    const other = peer?.state.channels.get(remotePort!);
    if (other?.kind !== PortKind.interdomain || other.remote !== this.name || other.remotePort !== port) return;
    const { remotePort: _, ...rest } = other;
    peer!.state.channels.set(remotePort!, { ...rest, kind: PortKind.unbound, remote: this.name });
  }
}
