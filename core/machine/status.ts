/** What the domains of a machine do now: for whoever operates it. */
import type { Domain, RunState } from "./domain.ts";

/** A vCPU, now. */
export interface VcpuStatus {
  /** Within its domain. */
  readonly index: number;
  /** Powered down, without a physical CPU, on one, or waiting. */
  readonly state: RunState;
  /** In words: `on CPU 0`, `waits for an interrupt`. */
  readonly does: string;
  /** The physical CPU that it has. */
  readonly pcpu?: number;
  /** Virtual nanoseconds in each state since its domain was built. */
  readonly spentNs: Readonly<Record<RunState, number>>;
}

/** A domain, now. */
export interface DomainStatus {
  /** As the manifest names it. */
  readonly name: string;
  /** `paused` by an operator; `off` by itself; `rebooting`: it asked to start over. */
  readonly state: "running" | "paused" | "off" | "rebooting" | "crashed";
  /** Bytes of guest RAM. */
  readonly memory: number;
  /** Physical CPUs that it had on average since it was built: 0.5 is half of one. */
  readonly cpuShare: number;
  /** By index. */
  readonly vcpus: readonly VcpuStatus[];
  /** Its serial ports. */
  readonly ports: readonly string[];
}

/** A domain as an operator sees it. */
export function domainStatus(domain: Domain, isPaused: boolean, ports: readonly string[]): DomainStatus {
  const vcpus = domain.vcpus.map((vcpu): VcpuStatus => {
    const { pcpu, runStates: { state, spentNs } } = vcpu;
    return { index: vcpu.index, state, does: wordsFor(state, vcpu.isHeld, isPaused, pcpu), ...pcpu === undefined ? {} : { pcpu }, spentNs };
  });
  const shares = vcpus.map(({ spentNs }) => {
    const ageNs = spentNs.running + spentNs.runnable + spentNs.blocked + spentNs.offline;
    return ageNs === 0 ? 0 : spentNs.running / ageNs;
  });
  return {
    name: domain.name,
    state: stateOf(domain, isPaused),
    memory: domain.ram.reduce((sum, { size }) => sum + size, 0),
    cpuShare: shares.reduce((sum, share) => sum + share, 0),
    vcpus,
    ports,
  };
}

function stateOf({ outcome }: Domain, isPaused: boolean): DomainStatus["state"] {
  switch (outcome?.kind) {
    case "power-off":
      return "off";
    case "reboot":
      return "rebooting";
    case "crash":
      return "crashed";
    case undefined:
      return isPaused ? "paused" : "running";
  }
}

function wordsFor(state: RunState, isHeld: boolean, isPaused: boolean, pcpu: number | undefined): string {
  switch (state) {
    case "running":
      return pcpu === undefined ? "runs" : `on CPU ${pcpu}`;
    case "runnable":
      return "waits for a CPU";
    case "offline":
      return "powered down";
    case "blocked":
      return isPaused ? "paused" : isHeld ? "waits for a device's answer" : "waits for an interrupt";
  }
}
