/** A vCPU: its architectural state, its power state, and who hears when that changes. */
import type { CpuEngine, Injected, VcpuState } from "./cpu_engine.ts";
import type { Domain, Vcpu } from "./domain.ts";
import type { Schedulable } from "./scheduler_policy.ts";

/** Who hears of changes: the scheduler. */
export interface VcpuListener {
  woke(vcpu: GuestVcpu): void;
  slept(vcpu: GuestVcpu): void;
  /** An interrupt may be pending. */
  kicked(vcpu: GuestVcpu): void;
}

/** What a vCPU needs of its domain, beyond what plugins see. */
export interface VcpuOwner extends Domain {
  /** The vCPU's registers were reset: EL2's software has to set its own again. */
  vcpuReset(vcpu: GuestVcpu): void;
}

/** EL1h with D, A, I and F masked, in SPSR format. */
const RESET_PSTATE = 0x3c5n;

/** MPIDR_EL1 of a vCPU: 16 to a cluster. Bit 31 is RES1. */
export function mpidrOf(index: number): bigint {
  return 0x8000_0000n | BigInt(index >> 4) << 8n | BigInt(index & 15);
}

/** Core's implementation of {@linkcode Vcpu}. */
export class GuestVcpu implements Vcpu {
  #power: "off" | "runnable" | "blocked" = "off";
  readonly state: VcpuState;
  /** Its place in the policy's view. */
  readonly schedulable: Schedulable;
  /** The physical CPU that it is assigned to. */
  pcpu: number | undefined;

  constructor(
    readonly id: number,
    readonly index: number,
    readonly domain: VcpuOwner,
    readonly engine: CpuEngine,
    readonly listener: VcpuListener,
  ) {
    this.state = engine.createVcpu({ mpidr: mpidrOf(index) });
    const isRunnable = () => this.#power === "runnable" && this.pcpu === undefined;
    this.schedulable = {
      id,
      index,
      domain: domain.name,
      get runnable() {
        return isRunnable();
      },
    };
  }

  get power(): "off" | "runnable" | "blocked" {
    return this.#power;
  }

  start(entry: bigint, x0: bigint): void {
    if (this.domain.outcome !== undefined) return;
    if (this.#power !== "off") throw new Error(`vCPU ${this.index} of ${this.domain.name} is on already`);
    this.state.reset();
    this.domain.space.install(this.state);
    this.domain.vcpuReset(this);
    this.state.pstate = RESET_PSTATE;
    this.state.pc = BigInt.asUintN(64, entry);
    this.state.setX(0, BigInt.asUintN(64, x0));
    this.#power = "runnable";
    this.listener.woke(this);
  }

  stop(): void {
    if (this.#power === "off") return;
    const ran = this.#power === "runnable";
    this.#power = "off";
    if (ran) this.listener.slept(this);
  }

  /** Waits for an interrupt. The scheduler looks once more for a pending one before the next decision. */
  block(): void {
    if (this.#power !== "runnable") return;
    this.#power = "blocked";
    this.listener.slept(this);
    this.listener.kicked(this);
  }

  /** An interrupt is pending. */
  unblock(): void {
    if (this.#power !== "blocked") return;
    this.#power = "runnable";
    this.listener.woke(this);
  }

  kick(): void {
    this.listener.kicked(this);
  }

  inject(exception: Injected): void {
    this.engine.injectException(this.state, exception);
  }
}
