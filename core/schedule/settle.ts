/** What happens between two runs of a guest. */
import type { GuestVcpu } from "../machine/guest_vcpu.ts";
import { enterGuest, leaveGuest } from "./run_hooks.ts";
import type { SchedulerEnvironment } from "./scheduling.ts";

/** Events fired at a time: a timer that arms itself for now can't stop the machine. */
const MOST_FIRED = 10_000;

/** Fires what is due, and wakes who was kicked and has an interrupt pending; `kicked` is empty afterwards. */
export function settle(environment: SchedulerEnvironment, kicked: Set<GuestVcpu>): void {
  const { clock } = environment;
  for (let fired = 0; fired < MOST_FIRED; fired++) {
    const event = clock.events.takeDue(clock.nowNs);
    if (event === undefined) break;
    event.fire();
  }
  for (const vcpu of kicked) {
    kicked.delete(vcpu);
    if (vcpu.power !== "blocked" || vcpu.isHeld) continue;
    // List registers are filled on entry: only after it does the CPU see what is pending.
    enterGuest(environment, vcpu);
    const pending = vcpu.state.wakeupPending();
    leaveGuest(environment, vcpu);
    if (pending) vcpu.unblock();
  }
}
