/**
 * Generic timer: the EL1 virtual and physical timers interrupt on time, in virtual time, and EL2's software hears of its own.
 * @module
 */
import { CpuEngine, definePlugin, Interrupts } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { CpuTimers, ticksAt, timersOf } from "../cpu_a64/contract.ts";
import { HypervisorTimers } from "./contract.ts";
import { OwnedTimer } from "./hypervisor_timers.ts";
import { createState, Timers } from "./timers.ts";
import type { TimerState } from "./timers.ts";

/** Options. Times in nanoseconds. */
export interface GenericTimerOptions {
  readonly virtual_offset: number;
  readonly virtual_start: number;
  readonly physical: "direct" | "trapped";
}

/** CNTHCTL_EL2.EL1PCTEN and EL1PCEN: EL1 and EL0 reach the physical counter and the physical timer. */
const PHYSICAL_DIRECT = 3n;

/** For an engine that doesn't tell its timers: what every model of the A profile has, and registers that may always have changed. */
const UNKNOWN: CpuTimers = { timers: timersOf(), writes: NaN };

/** The plugin. */
export const genericTimer: Plugin<GenericTimerOptions, TimerState> = definePlugin<GenericTimerOptions, TimerState>({
  name: "generic_timer",
  doc: "Generic timer: virtual and physical EL1 timers with their interrupts, and EL2's timers for plugins.",
  options: {
    virtual_offset: {
      kind: "duration",
      default: 0,
      min: 0,
      doc: "Virtual time at which the guest's virtual counter shows zero (CNTVOFF_EL2). Before it the count is that much below 2^64.",
    },
    virtual_start: {
      kind: "duration",
      default: 0,
      min: 0,
      doc: "What the virtual counter shows more: at boot, with no virtual_offset, it is so far ahead (a negative CNTVOFF_EL2).",
    },
    physical: {
      kind: "choice",
      choices: ["direct", "trapped"],
      default: "direct",
      doc: "Whether the guest uses the physical counter and timer directly, or by exits to EL2 (CNTHCTL_EL2).",
    },
  },
  needs: [CpuEngine, Interrupts],
  provides: [HypervisorTimers],
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
  state: () => createState(0, 0),
  attach({ get, find, provide, options, state, domain, clock, exceptions, onRun }) {
    const cpu = find(CpuTimers) ?? UNKNOWN;
    // CNTPS belongs to Secure EL1 beside a Non-secure world: no software here can arm it.
    const watched = cpu.timers.filter(({ el }) => el !== "EL1");
    Object.assign(state, createState(domain.vcpus.length, watched.length));
    const { counterFrequencyHz: frequencyHz } = get(CpuEngine);
    const interrupts = get(Interrupts);
    const offset = BigInt.asUintN(64, ticksAt(options.virtual_offset, frequencyHz) - ticksAt(options.virtual_start, frequencyHz));
    const environment = {
      vcpus: domain.vcpus,
      count: () => ticksAt(clock.nowNs, frequencyHz),
      look: (vcpu: number) => timers.look(vcpu),
    };
    const owned = watched.filter(({ el }) => el === "EL2").map((timer) => new OwnedTimer(timer, environment));
    const timers: Timers = new Timers({
      state,
      vcpus: domain.vcpus,
      timers: watched,
      writes: () => cpu.writes,
      clock,
      frequencyHz,
      offset,
      output(vcpu, { el, intid }) {
        if (el === "EL2") return (level) => owned.find((timer) => timer.intid === intid)!.output(vcpu, level);
        const line = interrupts.ppi(vcpu, intid);
        return (level) => line.set(level);
      },
    });
    provide(HypervisorTimers, {
      // Where there is only Secure state, EL2's timers are the secure ones: Arm DDI 0600, "Generic Timer".
      physical: owned.find(({ intid }) => intid === 26 || intid === 20)!,
      virtual: owned.find(({ intid }) => intid === 28 || intid === 19),
    });
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
