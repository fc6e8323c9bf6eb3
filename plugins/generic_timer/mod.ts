/**
 * Generic timer: the EL1 virtual and physical timers interrupt on time, in virtual time.
 * @module
 */
import { CpuEngine, definePlugin, Interrupts } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { ticksAt } from "../cpu_a64/contract.ts";
import { createState, Timers } from "./timers.ts";
import type { TimerState } from "./timers.ts";

/** Options. */
export interface GenericTimerOptions {
  readonly virtual_offset: number;
  readonly physical: "direct" | "trapped";
}

/** CNTHCTL_EL2.EL1PCTEN and EL1PCEN: EL1 and EL0 reach the physical counter and the physical timer. */
const PHYSICAL_DIRECT = 3n;

/** The plugin. */
export const genericTimer: Plugin<GenericTimerOptions, TimerState> = definePlugin<GenericTimerOptions, TimerState>({
  name: "generic_timer",
  doc: "Generic timer: virtual and physical EL1 timers with their interrupts.",
  options: {
    virtual_offset: { kind: "duration", default: 0, doc: "Virtual time at which the guest's virtual counter shows zero (CNTVOFF_EL2)." },
    physical: {
      kind: "choice",
      choices: ["direct", "trapped"],
      default: "direct",
      doc: "Whether the guest uses the physical counter and timer directly, or by exits to EL2 (CNTHCTL_EL2).",
    },
  },
  needs: [CpuEngine, Interrupts],
  resources: (_options, { domain }) =>
    domain === undefined ? {} : {
      deviceTree: [{
        under: "/",
        nodes: [{
          name: "timer",
          properties: {
            compatible: { text: "arm,armv8-timer" },
            // Secure physical, physical, virtual, hypervisor physical: the order is the binding's.
            interrupts: { interrupts: [29, 30, 27, 26].map((intid) => ({ intid, trigger: "level" as const })) },
            "always-on": true,
          },
        }],
      }],
    },
  state: () => createState(0),
  attach({ get, options, state, domain, clock, exceptions, onRun }) {
    Object.assign(state, createState(domain.vcpus.length));
    const { counterFrequencyHz } = get(CpuEngine);
    const interrupts = get(Interrupts);
    const offset = ticksAt(options.virtual_offset, counterFrequencyHz);
    const timers = new Timers(
      state,
      domain.vcpus,
      clock,
      counterFrequencyHz,
      offset,
      (vcpu, intid) => interrupts.ppi(vcpu, intid),
    );
    onRun({
      exit: (vcpu) => timers.look(vcpu.index),
      reset(vcpu) {
        vcpu.state.write("CNTVOFF_EL2", offset);
        vcpu.state.write("CNTHCTL_EL2", options.physical === "direct" ? PHYSICAL_DIRECT : 0n);
        timers.look(vcpu.index);
      },
    });
    exceptions.claimRegister("CNTPCT_EL0", { read: (vcpu) => vcpu.state.read("CNTPCT_EL0") });
    for (const register of ["CNTP_CTL_EL0", "CNTP_CVAL_EL0", "CNTP_TVAL_EL0"]) {
      exceptions.claimRegister(register, {
        read: (vcpu) => vcpu.state.read(register),
        write(vcpu, value) {
          vcpu.state.write(register, value);
          timers.look(vcpu.index);
        },
      });
    }
  },
});

export default genericTimer;
