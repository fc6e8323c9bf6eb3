/** What other plugins may add to the calls that a domain's guest can make by HVC or SMC, and by which of the two it makes them. */
import { capability } from "../../core/mod.ts";
import type { Board, Capability, DomainSpec, Exceptions, SmcccCall, SmcccResult } from "../../core/mod.ts";

export { claimArchitectureCalls } from "./architecture.ts";

/** An instruction by which a guest calls. */
export type Conduit = SmcccCall["conduit"];

/** Functions that a plugin adds. */
export interface CallRange {
  /** The plugin's own `context.exceptions`: claims and failures bear its name. */
  readonly exceptions: Exceptions;
  /** First function identifier. */
  readonly from: number;
  /** Last function identifier: of the same convention (SMC32 or SMC64) and owning entity as the first. */
  readonly to: number;
  /** Answers a call. Handlers that take more than X1 to X6 or return more than X0 to X3 look at `call.vcpu.state`. */
  handler(call: SmcccCall): SmcccResult;
  /** What SMCCC_ARCH_FEATURES says of an identifier in the range: 0 (or more) when it is there, -1n when not. Absent: 0 for all of them. */
  features?(functionId: number): bigint;
}

/** The calls of one domain. */
export interface Calls {
  /** By what the guest calls; calls through another conduit return NOT_SUPPORTED. */
  readonly conduits: readonly Conduit[];
  /**
   * Adds functions. Throws a `RangeError` for a range that isn't one of fast calls of a single owning entity, and an `OverlapError` that names
   * both plugins when somebody has one of them.
   */
  extend(range: CallRange): void;
}

/** The calls of a domain, to be extended. */
export const Calls: Capability<Calls> = capability("Calls", "domain");

/** The power controller of one domain. Here, since its conduit is everybody's: the controller itself answers by these calls. */
export interface PowerControl {
  /** The conduit: CPU nodes say `enable-method = "psci"`, the psci node says `method`. */
  readonly method: Conduit;
}

/** Power controller of a domain. */
export const PowerControl: Capability<PowerControl> = capability("PowerControl", "domain");

/** The domain's conduit: the power controller's, since guests learn of no other; HVC where there is none. */
export function conduitOf(board: Board, domain: DomainSpec): Conduit {
  const power = [...domain.plugins, ...board.plugins].find(({ plugin }) => plugin.provides?.some((key) => key.name === PowerControl.name));
  return power?.options.conduit === "smc" ? "smc" : "hvc";
}

/** True when a plugin of the domain answers the architecture's own calls, so that nobody else has to. */
export function hasCalls(board: Board, domain: DomainSpec): boolean {
  return [...board.plugins, ...domain.plugins].some(({ plugin }) => plugin.provides?.some((key) => key.name === Calls.name));
}
