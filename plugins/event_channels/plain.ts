/** Events of a domain that has no ABI in memory: plain bits, which a doorbell shows in registers. */
import type { EventDelivery } from "./delivery.ts";
import { MAX_TWO_LEVEL_PORTS } from "./two_level.ts";

/** Plain data. */
export interface PlainState {
  /** Ports with an event that wasn't taken, oldest first. */
  readonly pending: Set<number>;
  /** Ports whose events don't interrupt. */
  readonly masked: Set<number>;
}

/** Keeps bits, and tells when they change. */
export class PlainDelivery implements EventDelivery {
  readonly maxPorts = MAX_TWO_LEVEL_PORTS;
  /** Who shows them. */
  changed: () => void = () => {};

  constructor(readonly state: PlainState) {}

  /** The oldest event that isn't masked. */
  next(): number | undefined {
    for (const port of this.state.pending) if (!this.state.masked.has(port)) return port;
    return undefined;
  }

  mask(port: number): void {
    this.state.masked.add(port);
    this.changed();
  }

  pend(port: number): void {
    this.state.pending.add(port);
    this.changed();
  }

  unmask(port: number): void {
    this.state.masked.delete(port);
    this.changed();
  }

  isPending(port: number): boolean {
    return this.state.pending.has(port);
  }

  isMasked(port: number): boolean {
    return this.state.masked.has(port);
  }

  clear(port: number): void {
    this.state.pending.delete(port);
    this.changed();
  }
}
