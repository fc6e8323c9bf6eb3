/** What every hypercall is given: one domain, as the interface sees it. */
import type { Clock, CpuEngine, Domain, PhysicalMemory, Vcpu } from "../../core/mod.ts";
import type { CrossVerb } from "../domain_policy/contract.ts";
import type { DomainChannels, EventChannels } from "../event_channels/contract.ts";
import type { DomainGrants } from "../grant_tables/contract.ts";
import type { DeviceMemory } from "../mmio_sram/contract.ts";
import type { Arguments } from "./arguments.ts";
import { DOMID_SELF } from "./numbers.ts";
import type { Polls } from "./polls.ts";
import type { Runstates } from "./runstate.ts";
import type { ServedModels } from "./served_models.ts";
import type { SharedInfo } from "./shared_info.ts";
import type { StoreState } from "./store_tree.ts";

/** State, plain data. */
export interface XenState {
  /** HVM parameters, by number. */
  readonly params: BigUint64Array;
  /** Characters that wait for room in the console's ring. */
  readonly input: number[];
  /** Its xenstore. */
  readonly store: StoreState;
}

/** One domain. */
export interface XenDomain {
  readonly domain: Domain;
  readonly memory: PhysicalMemory;
  readonly engine: CpuEngine;
  readonly clock: Clock;
  readonly args: Arguments;
  readonly channels: EventChannels;
  readonly ports: DomainChannels;
  readonly grants: DomainGrants;
  /** Absent: no device of the board's is to be had. */
  readonly deviceMemory?: DeviceMemory;
  readonly shared: SharedInfo;
  readonly runstates: Runstates;
  readonly polls: Polls;
  readonly state: XenState;
  /** Version that it shows. */
  readonly version: { readonly major: number; readonly minor: number; readonly extra: string };
  /** Characters for whoever reads the console. */
  print(bytes: Uint8Array): void;
  /** Grants, and what else there is, of another domain that lives. */
  peer(name: string): DomainGrants | undefined;
  /** The policy's word on what this domain wants of another. */
  allows(object: string, verb: CrossVerb): boolean;
  /** Device models that this domain serves for others. */
  readonly models: ServedModels;
  /** The domain's name of a domid; `undefined`: there is no such domain now. */
  nameOf(domid: number): string | undefined;
  trace(kind: string, detail: () => string): void;
}

/**
 * What a hypercall gives: X0, or that the vCPU waits, gives its time away (X0 is 0 then), or doesn't come back. `again`: part of it is done,
 * and the guest calls with these arguments for the rest, once it has had a look at its interrupts.
 */
export type Result = number | bigint | "block" | "yield" | "stopped" | { readonly again: readonly bigint[] };

/** A hypercall: its arguments are X0 to X4. */
export type Handler = (xen: XenDomain, vcpu: Vcpu, args: readonly bigint[]) => Result;

/** The low 32 bits: what C's `int` and `unsigned int` arguments are. */
export const low32 = (value: bigint): number => Number(value & 0xffff_ffffn);

/** True for the caller itself, under either of its numbers. */
export function isSelf(xen: XenDomain, domid: number): boolean {
  return domid === DOMID_SELF || domid === xen.ports.id;
}

/** The name of a domid, or of the caller; `undefined`: there is no such domain now. */
export function domainOf(xen: XenDomain, domid: number): string | undefined {
  return domid === DOMID_SELF ? xen.domain.name : xen.nameOf(domid);
}
