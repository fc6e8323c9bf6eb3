/** Who watches a run from within: traces and profiles. A machine that nobody watches has nothing of it in its way. */
import type { CpuEngine } from "../arch/cpu_engine.ts";
import type { Vcpu } from "./domain.ts";

/** Stands between the parts of a machine. What it does must not show to guests. */
export interface Instrument {
  /** Between the scheduler and the CPU engine. */
  engine(engine: CpuEngine): CpuEngine;
  /** Before an exception to EL2 is dispatched: the EL2 registers say which. `deviceAt`: the name of the device at an IPA. */
  exit(vcpu: Vcpu, deviceAt: (ipa: number) => string | undefined): void;
}

/** Puts the instrument before the dispatch of exits. */
export function watched<V extends Vcpu, T>(
  instrument: Instrument | undefined,
  dispatch: (vcpu: V) => T,
  deviceAt: (vcpu: V, ipa: number) => string | undefined,
): (vcpu: V) => T {
  if (instrument === undefined) return dispatch;
  return (vcpu) => {
    instrument.exit(vcpu, (ipa) => deviceAt(vcpu, ipa));
    return dispatch(vcpu);
  };
}
