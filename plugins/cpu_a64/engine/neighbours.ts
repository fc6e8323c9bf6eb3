/** What a physical CPU knows of others that run at the same time, each in a thread of its own. */

/** The other CPUs. Whoever runs alone has none. */
export interface Neighbours {
  /** Address of the word that is taken around accesses of 128 bits. */
  readonly lock: number;
  /** Address of a word that is other than zero where there is something to {@linkcode look} at before a run goes on. */
  readonly attention: number;
  /** It is zero. */
  readonly isCalm: boolean;
  /**
   * Between two pieces of a run: does what the others asked for. Returns how many of `left` instructions to execute before the next look;
   * 0: the run ends.
   * @param retired instructions that the run has retired so far
   */
  look(left: number, retired: number): number;
  /** TLBI was executed: its number as `SystemInstruction.packed`, its argument, and whom it concerns. */
  invalidated(packed: number, lo: number, hi: number, vmid: number, vcpu: number): void;
  /** IC was executed, for a frame of the shared memory (byte offset >> 12) or for all. */
  codeInvalidated(frame: number | undefined): void;
  /** DSB: what the others were told by then, they have done when it returns. */
  barrier(): void;
  /** True when SEV on another CPU has set this vCPU's event register since the last look. */
  takeEvent(vcpu: number): boolean;
  /** This CPU holds decoded code of a frame from now on, or no longer. */
  holdsCode(frame: number, holds: boolean): void;
}

/**
 * Makes an access to a device on another thread: a value is written, without one it is read. `nobody`: no device has the address. `again`: it
 * can't be made now, and the instruction is to be executed once more when the CPU runs again.
 */
export type DeviceAccess = (pa: number, size: number, value: bigint | undefined) => bigint | "nobody" | "again";

/** An access by way of bytes in memory, little-endian, at `scratch`. */
export function farAccess(
  access: DeviceAccess,
  pa: number,
  size: number,
  view: DataView,
  scratch: number,
  write: boolean,
): "done" | "nobody" | "again" {
  const answer = access(pa, size, write ? BigInt.asUintN(size * 8, view.getBigUint64(scratch, true)) : undefined);
  if (typeof answer === "string") return answer;
  if (!write) view.setBigUint64(scratch, BigInt.asUintN(size * 8, answer), true);
  return "done";
}
