/** What a Worker is told when it starts. */

/** A disk that the device uses. */
export interface RemoteDisk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly writable: boolean;
  /** The file, which the Worker has the permission to open; absent: the hypervisor reads and writes it. */
  readonly path?: string;
}

/** All it needs: structured-cloneable. */
export interface WorkerStart {
  readonly shared: SharedArrayBuffer;
  /** The device, and the module that it is in. */
  readonly name: string;
  readonly module: string;
  readonly options: unknown;
  /** The state to begin with, or bytes that an earlier Worker has left in its mirror. */
  readonly state: unknown;
  readonly mirror: Uint8Array | undefined;
  readonly vcpus: number;
  readonly windows: readonly { readonly name: string; readonly at: number; readonly size: number }[];
  readonly interrupts: readonly string[];
  readonly ports: readonly string[];
  readonly disks: readonly RemoteDisk[];
  /** Guest memory that it may reach: ranges that don't touch, sorted. */
  readonly ram: readonly { readonly at: number; readonly size: number }[];
  readonly bootTimeSeconds: number;
  readonly counterFrequencyHz: number;
  readonly nowNs: number;
  /** Timers that are armed, and for when. */
  readonly armed: readonly (readonly [name: string, ns: number])[];
}

/** What a device says with `fail`. */
export interface Refusal {
  readonly option?: string;
  readonly message: string;
}
