/** What is called around each run of a vCPU. */
import type { GuestVcpu } from "../machine/guest_vcpu.ts";
import type { SchedulerEnvironment } from "./scheduling.ts";

/** Calls the entry hooks. Twice nearly the same text: a property that is named in the text is found quicker than one that a variable names. */
export function enterGuest(environment: SchedulerEnvironment, vcpu: GuestVcpu): void {
  for (const list of environment.hooks(vcpu)) {
    for (let n = 0; n < list.length; n++) {
      const { owner, hook } = list[n];
      try {
        hook.entry?.(vcpu);
      } catch (error) {
        environment.failed(owner, "onRun entry", error, vcpu.domain);
      }
    }
  }
}

/** Calls the exit hooks. */
export function leaveGuest(environment: SchedulerEnvironment, vcpu: GuestVcpu): void {
  for (const list of environment.hooks(vcpu)) {
    for (let n = 0; n < list.length; n++) {
      const { owner, hook } = list[n];
      try {
        hook.exit?.(vcpu);
      } catch (error) {
        environment.failed(owner, "onRun exit", error, vcpu.domain);
      }
    }
  }
}
