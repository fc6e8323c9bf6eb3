/** How events reach a domain. */

/** How a domain learns of an event: an ABI on guest memory, or registers. Every word of guest memory is hostile. */
export interface EventDelivery {
  /** Ports from here on can't be used. */
  readonly maxPorts: number;
  /** An event arrived. `priority` 0 (highest) to 15. */
  pend(port: number, vcpu: number, priority: number): void;
  /** The guest unmasks by a call. */
  unmask(port: number, vcpu: number, priority: number): void;
  /** True while the guest hasn't taken it. */
  isPending(port: number): boolean;
  /** True while the guest doesn't want it. */
  isMasked(port: number): boolean;
  /** The port is closed: nothing is pending there. */
  clear(port: number): void;
}
