/** Options of the host bridge. */

/** Options of the `pci` plugin. */
export interface PciOptions {
  /** IPAs, and sizes in bytes. */
  readonly ecam: number;
  readonly memory: number;
  readonly memory_size: number;
  readonly io: number;
  readonly io_size: number;
  readonly memory64?: number;
  readonly memory64_size: number;
  /** INTID of the first of four. */
  readonly interrupts: number;
}
