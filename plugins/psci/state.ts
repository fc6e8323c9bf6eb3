/** What the power controller of a domain knows beyond whether a vCPU is on: plain data. */

/** A vCPU that is on its way up. */
export interface PendingStart {
  /** `on`: by CPU_ON; `resume`: it was suspended, and counts as on. */
  readonly why: "on" | "resume";
  readonly entry: bigint;
  readonly contextId: bigint;
}

/** A vCPU that suspended itself and wasn't woken yet. */
export interface Suspension {
  /** `standby` keeps the context; after `powerdown` the vCPU starts at its entry point. */
  readonly kind: SuspendKind;
  readonly sinceNs: number;
  readonly entry: bigint;
  readonly contextId: bigint;
}

/** The platform's low-power states. */
export type SuspendKind = "standby" | "powerdown";

/** Uses of a low-power state. */
export interface Statistics {
  count: number;
  ns: number;
}

/** State of the plugin; everything by vCPU index. */
export interface PowerState {
  readonly pending: Record<number, PendingStart>;
  readonly suspended: Record<number, Suspension>;
  readonly statistics: Record<number, Record<SuspendKind, Statistics>>;
}

/** Nobody is on its way, nobody sleeps. */
export function initialState(): PowerState {
  return { pending: {}, suspended: {}, statistics: {} };
}
