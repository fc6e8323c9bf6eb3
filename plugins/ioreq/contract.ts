/** What other plugins use of device models: the ioreq servers of a domain, as operations and as bytes. */
import { capability } from "../../core/mod.ts";
import type { Capability } from "../../core/mod.ts";
import type { DeviceModelOperations } from "./dm_op.ts";
import type { IoreqServers, ServerRequest } from "./servers.ts";

export { Buffering } from "./buffered.ts";
export { DM_OP_BYTES, dmOp } from "./dm_op.ts";
export type { DeviceModelOperations } from "./dm_op.ts";
export { errno, OperationError } from "./errors.ts";
export type { ErrorName } from "./errors.ts";
export { ForeignFrames } from "./frames.ts";
export type { FrameAccess, FrameRange } from "./frames.ts";
export { IoreqPage, RequestType, State } from "./layout.ts";
export type { Request } from "./layout.ts";
export { RangeSet } from "./ranges.ts";
export type { Backend, Outcome, ServerPages } from "./server.ts";
export { IoreqServer } from "./server.ts";
export { IoreqServers, SERVER_LIMIT } from "./servers.ts";
export type { ServedDomain, ServerInfo, ServerRequest } from "./servers.ts";

/** A device in a Worker. */
export interface RemoteDeviceModel {
  /** `linux/virtio_blk@a000000`. */
  readonly owner: string;
  /** Its Worker runs. */
  readonly isAlive: boolean;
  /** Guest frames that it has mapped. */
  readonly frames: number;
  /** For tests: it dies at the n-th point from now at which it talks to the hypervisor: a call, or the answer that is then lost. */
  kill(point?: number): void;
}

/** Device models of one domain. */
export interface DeviceModels {
  /** The servers of this domain. */
  readonly servers: IoreqServers;
  /** The operations of `xendevicemodel_*` on this domain, as `owner` may use them; `make`: pages and event channels for a server that it creates. */
  operations(owner: string, make: () => Pick<ServerRequest, "backend" | "pages" | "ports">): DeviceModelOperations;
  /** Devices of this domain in Workers. */
  readonly devices: readonly RemoteDeviceModel[];
  /** Pages of the domain's RAM have gone or were replaced: back-ends drop their mappings, and are told. */
  pagesLeft(ipa: number, size: number): void;
}

/** Device models of a domain. */
export const DeviceModels: Capability<DeviceModels> = capability("DeviceModels", "domain");
