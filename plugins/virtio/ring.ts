/** What both layouts of a queue have in common. */

/** Where a queue lies and how far it got: plain data. Addresses are IPAs. */
export interface QueueState {
  /** Entries, as the driver set them. */
  size: number;
  /** The driver handed it over. */
  ready: boolean;
  /** Descriptor area. */
  descriptors: number;
  /** Driver area: the available ring, or the driver's event suppression. */
  driver: number;
  /** Device area: the used ring, or the device's event suppression. */
  device: number;
  /** Split: free-running 16-bit index. Packed: position in the ring. */
  nextAvailable: number;
  /** The same for used buffers. */
  nextUsed: number;
  /** Packed only: wrap counter of available descriptors. */
  availableWrap: boolean;
  /** Packed only: wrap counter of used descriptors. */
  usedWrap: boolean;
  /** Entries used since the driver was last asked whether it wants an interrupt. */
  unsignalled: number;
}

/** A queue that nobody has set up. */
export function idleQueue(size: number): QueueState {
  return {
    size,
    ready: false,
    descriptors: 0,
    driver: 0,
    device: 0,
    nextAvailable: 0,
    nextUsed: 0,
    availableWrap: true,
    usedWrap: true,
    unsignalled: 0,
  };
}

/** A piece of guest memory. */
export interface Segment {
  readonly at: number;
  readonly size: number;
}

/** A chain, copied and checked. */
export interface Chain {
  /** What identifies it to the driver. */
  readonly id: number;
  /** Ring entries that it takes (packed). */
  readonly entries: number;
  /** From the driver. */
  readonly readable: readonly Segment[];
  /** To the driver. */
  readonly writable: readonly Segment[];
}

/** A queue's layout at work. All methods throw a `QueueError` when the driver broke the rules. */
export interface Ring {
  /** The next chain; stays where it is until {@linkcode consume}. */
  peek(): Chain | undefined;
  /** It is the device's now. */
  consume(chain: Chain): void;
  /** Back to the driver, with the bytes that were written. */
  complete(chain: Chain, written: number): void;
  /** Asks for a notification of the next chain. */
  requestNotification(): void;
  /** Does the driver want an interrupt for what was completed since the last call? */
  interruptDue(): boolean;
}
