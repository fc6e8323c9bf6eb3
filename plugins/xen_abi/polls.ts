/**
 * vCPUs in SCHEDOP_poll. An event at a port that is masked wouldn't end a wait: so the vCPU's upcall is raised for it, which a guest finds to
 * be one upcall too many.
 */
import type { Clock, Timer, Vcpu } from "../../core/mod.ts";
import type { EventDelivery } from "../event_channels/contract.ts";

/** Who waits for what. */
export class Polls {
  readonly #waiting = new Map<number, readonly number[]>();
  readonly #timers: readonly Timer[];

  constructor(vcpus: readonly Vcpu[], clock: Clock, readonly wake: (vcpu: number) => void) {
    this.#timers = vcpus.map(({ index }) => clock.timer(`poll of vCPU ${index}`, () => this.#end(index)));
  }

  /** vCPUs that wait. */
  get count(): number {
    return this.#waiting.size;
  }

  /** Until an event at one of the ports, or until a virtual time. */
  wait(vcpu: Vcpu, ports: readonly number[], untilNs: number | undefined): void {
    this.#waiting.set(vcpu.index, ports);
    if (untilNs !== undefined && untilNs < Number.MAX_SAFE_INTEGER) this.#timers[vcpu.index].arm(untilNs);
  }

  /** The vCPU runs, whatever it waited for; a look whether it may isn't a run. */
  runs(vcpu: Vcpu): void {
    if (this.#waiting.size === 0 || vcpu.power === "blocked" || !this.#waiting.delete(vcpu.index)) return;
    this.#timers[vcpu.index].disarm();
  }

  /** An event has arrived at a port. */
  event(port: number): void {
    for (const [vcpu, ports] of [...this.#waiting]) if (ports.includes(port)) this.#end(vcpu);
  }

  /** The same delivery, watched. */
  watch(delivery: EventDelivery): EventDelivery {
    return {
      maxPorts: delivery.maxPorts,
      pend: (port, vcpu, priority) => {
        delivery.pend(port, vcpu, priority);
        this.event(port);
      },
      unmask: (port, vcpu, priority) => delivery.unmask(port, vcpu, priority),
      isPending: (port) => delivery.isPending(port),
      isMasked: (port) => delivery.isMasked(port),
      clear: (port) => delivery.clear(port),
    };
  }

  #end(vcpu: number): void {
    this.#waiting.delete(vcpu);
    this.#timers[vcpu].disarm();
    this.wake(vcpu);
  }
}
