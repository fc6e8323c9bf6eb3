/** The border to whoever runs devices elsewhere. */
import { capability } from "../../core/mod.ts";
import type { Capability, DeferringMmioHandler } from "../../core/mod.ts";
import type { DeviceContext, DeviceModel } from "./model.ts";

/** A device to run elsewhere. */
export interface DeviceStart<O = unknown, S = unknown> {
  /** What it declares. Elsewhere it is found again by its `module` and `name`: see `importDevice`. */
  readonly device: DeviceModel<O, S>;
  /** For messages: `guest/pl011`, unique on the board. */
  readonly owner: string;
  /**
   * What the device may use, in the hypervisor's thread. `options` and `state` are plain data: `state` is what the device starts with
   * (after a reboot: what it kept), and the framework's copy, which is to hold at each moment what the device could be continued from.
   */
  readonly context: DeviceContext<O, S>;
  /** Where its windows are, by name. */
  readonly windows: Readonly<Record<string, { readonly at: number; readonly size: number }>>;
}

/** A device that runs elsewhere. */
export interface RemoteDevice {
  /** By name, all of them. They may answer later. */
  readonly windows: Readonly<Record<string, DeferringMmioHandler>>;
  /** One of its input wires changed. */
  input(wire: number, level: boolean): void;
  /** The domain goes: the device is told, and what runs it ends. */
  stopped(): void;
}

/** Runs devices somewhere else than in the hypervisor's thread. */
export interface DeviceHost {
  /** Starts a device; it is ready when the promise is fulfilled. Rejects with an error that says what is wrong. */
  start<O, S>(request: DeviceStart<O, S>): Promise<RemoteDevice>;
}

/** Who runs a domain's devices with `runs: ioreq`. */
export const DeviceHost: Capability<DeviceHost> = capability("DeviceHost", "domain");
