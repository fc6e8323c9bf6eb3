/**
 * EL2's own timers, for plugins that are EL2's software: time slices, watchdogs, deadlines of a hypervisor's own. They are registers of
 * the vCPU's CPU (`vcpu.state.read("CNTHP_CTL_EL2")`); what the hardware would send to EL2 as a physical interrupt comes here.
 *
 *     const { physical } = get(HypervisorTimers);
 *     physical.claim("my_watchdog", (vcpu) => { physical.disarm(vcpu); bite(vcpu); });
 *     physical.arm(vcpu.index, physical.count() + 62_500n);
 */
import { capability } from "../../core/mod.ts";
import type { Capability } from "../../core/mod.ts";

/** One of EL2's timers, in all vCPUs of a domain. */
export interface HypervisorTimer {
  /** Its INTID on hardware: 26 for CNTHP, 20 for CNTHPS. */
  readonly intid: number;
  /** Names of its registers, for those who program them by themselves. */
  readonly registers: { readonly control: string; readonly compare: string; readonly timerValue: string };
  /** The physical counter, now. */
  count(): bigint;
  /**
   * Takes the timer for one owner, who then hears of its output: `level` true when it rises, at the exact tick, and false when it
   * falls. It stays high until it is disarmed, masked or moved ahead. Throws when it has an owner.
   */
  claim(owner: string, hear: (vcpu: number, level: boolean) => void): void;
  /** Sets CVAL (a value of the physical counter, 64 bits) and enables it, unmasked. One in the past is heard of before this returns. */
  arm(vcpu: number, compare: bigint): void;
  /** Clears ENABLE. */
  disarm(vcpu: number): void;
  /** Looks at registers that were written by name. Without it the vCPU's next exit does, which is late. */
  look(vcpu: number): void;
}

/** EL2's timers of a domain's vCPUs. A power-up of a vCPU resets them: whoever needs them arms them again in its `reset` hook. */
export interface HypervisorTimers {
  /** EL2's physical timer: CNTHP, or CNTHPS where there is only Secure state. */
  readonly physical: HypervisorTimer;
  /** EL2's virtual timer, where the CPU has one: CNTHV, or CNTHVS. It compares with the physical count too. */
  readonly virtual?: HypervisorTimer;
}

/** Provided by `generic_timer`. */
export const HypervisorTimers: Capability<HypervisorTimers> = capability("HypervisorTimers", "domain");
