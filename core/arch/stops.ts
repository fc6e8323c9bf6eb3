/** Where a debugger wants a run to stop. The guest can't tell: its own debug registers stay its own. */
import type { Va } from "../memory/address.ts";

/** A breakpoint or watchpoint. */
export interface Stop {
  /** An instruction, before it executes; or data, before it is read, written, or either. */
  readonly on: "execute" | "read" | "write" | "access";
  /** Whose address it is: the guest's virtual one (in any of its address spaces), or its physical one, which is the IPA. */
  readonly space: "virtual" | "physical";
  /** The first byte. */
  readonly address: bigint;
  /** In bytes; an instruction has 4. */
  readonly size: number;
}

/** Why a run came back for a debugger. */
export interface Stopped {
  /** The instruction that is next. */
  readonly pc: Va;
  /** Absent: `RunWindow.stopAfter` was reached. */
  readonly stop?: Stop;
  /** Of data: the first byte accessed that is watched, as `space` has it. */
  readonly address?: bigint;
}
