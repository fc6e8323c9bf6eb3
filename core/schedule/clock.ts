/** Virtual time: nanoseconds since boot, derived from retired instructions, and its event queue. */

/** A named timer. At most one deadline is armed. */
export interface Timer {
  /** Calls back at this virtual time (at once, on the next turn, when it has passed). Replaces an earlier deadline. */
  arm(atNs: number): void;
  /** Takes the deadline back. */
  disarm(): void;
  /** The armed deadline. */
  readonly deadlineNs: number | undefined;
}

/** What plugins see of time. */
export interface Clock {
  /** Now, to the instruction, also from inside a device handler. */
  readonly nowNs: number;
  /** A timer; its name is unique within the plugin instance. */
  timer(name: string, callback: () => void): Timer;
}
