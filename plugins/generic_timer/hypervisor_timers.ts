/** The timers of EL2, as its software gets them: one owner for each, and outputs as calls. */
import type { Vcpu } from "../../core/mod.ts";
import type { ArchitecturalTimer } from "../cpu_a64/contract.ts";
import type { HypervisorTimer } from "./contract.ts";

/** What a timer needs around it. */
export interface HypervisorTimerEnvironment {
  readonly vcpus: readonly Vcpu[];
  /** The physical counter, now. */
  count(): bigint;
  /** Looks at the registers of a vCPU. */
  look(vcpu: number): void;
}

/** One of EL2's timers, in all vCPUs of a domain. */
export class OwnedTimer implements HypervisorTimer {
  readonly intid: number;
  readonly registers: HypervisorTimer["registers"];
  #owner: { readonly name: string; readonly hear: (vcpu: number, level: boolean) => void } | undefined;

  constructor({ prefix, el, intid }: ArchitecturalTimer, readonly environment: HypervisorTimerEnvironment) {
    this.intid = intid;
    this.registers = { control: `${prefix}_CTL_${el}`, compare: `${prefix}_CVAL_${el}`, timerValue: `${prefix}_TVAL_${el}` };
  }

  count(): bigint {
    return this.environment.count();
  }

  claim(owner: string, hear: (vcpu: number, level: boolean) => void): void {
    if (this.#owner) throw new Error(`${this.registers.control}: ${owner} wants the timer that ${this.#owner.name} has`);
    this.#owner = { name: owner, hear };
  }

  arm(vcpu: number, compare: bigint): void {
    const { state } = this.environment.vcpus[vcpu];
    state.write(this.registers.compare, BigInt.asUintN(64, compare));
    state.write(this.registers.control, 1n);
    this.environment.look(vcpu);
  }

  disarm(vcpu: number): void {
    this.environment.vcpus[vcpu].state.write(this.registers.control, 0n);
    this.environment.look(vcpu);
  }

  look(vcpu: number): void {
    this.environment.look(vcpu);
  }

  /** The output changed. Without an owner nobody listens, as where the interrupt is disabled at the interrupt controller. */
  output(vcpu: number, level: boolean): void {
    this.#owner?.hear(vcpu, level);
  }
}
