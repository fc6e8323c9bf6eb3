/** Who may have to do with whom: asked before anything crosses from one domain to another. */
import { capability } from "../../core/mod.ts";
import type { Capability } from "../../core/mod.ts";

/**
 * What crosses. `event`: an event channel; `grant`: a page that its owner grants by a table; `foreign_map`: a page of another's that
 * nobody granted; `shared_memory`: a region that the manifest declares; `device_model`: serving another's devices.
 */
export type CrossVerb = "event" | "grant" | "foreign_map" | "shared_memory" | "device_model";

/** Every verb. */
export const crossVerbs: readonly CrossVerb[] = ["event", "grant", "foreign_map", "shared_memory", "device_model"];

/** A question. */
export interface CrossRequest {
  /** Who wants it, by its name. */
  readonly subject: string;
  /** Whose it is: the other domain. */
  readonly object: string;
  /** What. */
  readonly verb: CrossVerb;
  /** The manifest declares it: both ends agreed before the board started. */
  readonly declared: boolean;
}

/** Decides. Asked before any state changes; what isn't `true` is a refusal. */
export interface DomainPolicy {
  /** Must not change anything: it may be asked twice. */
  allows(request: CrossRequest): boolean;
}

/** The board's policy; a plugin of anybody's may provide it. */
export const DomainPolicy: Capability<DomainPolicy> = capability("DomainPolicy");

/** Nothing crosses but what the manifest declares: the policy of boards that name none. */
export const silo: DomainPolicy = { allows: ({ declared }) => declared };

/** Asks a policy, or {@linkcode silo}. A policy that throws, or answers anything but `true`, refuses. A domain may do to itself what it likes. */
export function isAllowed(
  policy: DomainPolicy | undefined,
  request: CrossRequest,
  trace?: (kind: string, detail: () => string) => void,
): boolean {
  if (request.subject === request.object) return true;
  const what = () => `${request.verb} of ${request.subject} with ${request.object}`;
  try {
    if ((policy ?? silo).allows(request) === true) return true;
    trace?.("domain policy", () => `${what()}: refused`);
  } catch (error) {
    trace?.(
      "domain policy",
      () => `${what()}: refused, because the policy threw: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return false;
}
