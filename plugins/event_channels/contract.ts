/** Event channels: one bit from one domain to another, or from the hypervisor to a domain. Ports and results are numbered as Xen numbers them. */
import { capability } from "../../core/mod.ts";
import type { Capability } from "../../core/mod.ts";
import type { EventDelivery } from "./delivery.ts";

export type { EventDelivery } from "./delivery.ts";
export { PortKind } from "./port_kind.ts";
export { Errno } from "./errno.ts";
export { GuestPage } from "./guest_page.ts";
export type { PageHost } from "./guest_page.ts";
export { CONTROL_BLOCK_SIZE, FifoDelivery, fifoState } from "./fifo.ts";
export type { FifoState } from "./fifo.ts";
export { markUpcall, MAX_FIFO_PORTS, MAX_TWO_LEVEL_PORTS, TwoLevelDelivery, VCPU_INFO_SIZE } from "./two_level.ts";
export type { VcpuInfo } from "./two_level.ts";

/** {@linkcode DomainChannels.status}. */
export interface PortStatus {
  /** One of {@linkcode PortKind}. */
  readonly kind: number;
  /** Which vCPU its events go to. */
  readonly vcpu: number;
  /** `unbound`: who may bind; `interdomain`: who has. Absent when it is the hypervisor. */
  readonly remote?: string;
  /** `interdomain`: the port there. */
  readonly remotePort?: number;
  /** `virq`: which one. */
  readonly virq?: number;
}

/** A channel whose other end is the hypervisor's: a console, a store, a device model. */
export interface HostChannel {
  /** The domain's port. */
  readonly port: number;
  /** An event for the domain. */
  notify(): void;
  /** Frees the port. */
  close(): void;
}

/** The ports of one domain. Results below zero are errors of {@linkcode Errno}; nothing throws whatever the arguments are. */
export interface DomainChannels {
  /** Its number: 1 and up, in the manifest's order; 0 is the hypervisor. */
  readonly id: number;
  /** A port that `remote` may bind to. */
  allocateUnbound(remote: string): number;
  /** A port bound to an unbound one of `remote`. */
  bindInterdomain(remote: string, remotePort: number): number;
  /** A port for a virtual interrupt, one for each (of a vCPU). */
  bindVirq(virq: number, vcpu: number): number;
  /** A port that its own domain sends to. */
  bindIpi(vcpu: number): number;
  /** Which vCPU hears. */
  bindVcpu(port: number, vcpu: number): number;
  /** Closes a port; the other end is unbound then. A port that the manifest declares stays. */
  close(port: number): number;
  /** Sends. */
  send(port: number): number;
  /** What is there. */
  status(port: number): PortStatus | undefined;
  /** Unmasks, and delivers what is pending. */
  unmask(port: number): number;
  /** 0 (highest) to 15. */
  setPriority(port: number, priority: number): number;
  /** Closes all ports but those of the manifest and of the hypervisor. */
  reset(): number;
  /** A virtual interrupt happened. Nothing, when nobody bound it. */
  raiseVirq(virq: number, vcpu: number): void;
  /** A port to the hypervisor. `sent`: the domain sends. `undefined`: no port is free. */
  open(label: string, vcpu: number, sent: () => void): HostChannel | undefined;
  /**
   * A port of this domain's that `remote` may bind, and behind which is the hypervisor, not the domain: a device model and its requests.
   * `heard`: `remote` has sent. The domain itself can do nothing with it. `undefined`: no port is free.
   */
  offer(label: string, remote: string, heard: () => void): HostChannel | undefined;
  /** How events reach it from now on; what is pending goes over. Absent: plain bits again. */
  deliverBy(delivery?: EventDelivery): void;
  /** How they reach it now. */
  readonly delivery: EventDelivery;
  /** Ports in use. */
  readonly count: number;
}

/** The event channels of a board. */
export interface EventChannels {
  /** Ports of a domain that lives; `undefined` for any other name. */
  of(domain: string): DomainChannels | undefined;
  /** The number of a domain, whether it lives or not; 1 and up. */
  idOf(domain: string): number;
  /** The name of a number; `undefined` when there is no such domain now. */
  nameOf(id: number): string | undefined;
}

/** Provided by `event_channels`. */
export const EventChannels: Capability<EventChannels> = capability("EventChannels");

/** The ports of the domain itself; its plugins ask for this one, so that they come after it. */
export const EventPorts: Capability<DomainChannels> = capability("EventPorts", "domain");
