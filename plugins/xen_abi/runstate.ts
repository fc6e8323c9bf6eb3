/** Where a vCPU's time goes, in memory that its kernel chose: Xen's public header vcpu.h, `struct vcpu_runstate_info`. */
import type { RunState, Vcpu } from "../../core/mod.ts";
import type { GuestPage } from "../event_channels/contract.ts";

/** state, padding, state_entry_time, time[4]. */
export const RUNSTATE_SIZE = 48;

const NUMBER: Readonly<Record<RunState, number>> = { running: 0, runnable: 1, blocked: 2, offline: 3 };

/** The structure's bytes, as they are when the vCPU runs on. */
export function runstateBytes({ runStates }: Vcpu): Uint8Array {
  const view = new DataView(new ArrayBuffer(RUNSTATE_SIZE));
  view.setUint32(0, NUMBER[runStates.state], true);
  view.setBigUint64(8, BigInt(Math.floor(runStates.sinceNs)), true);
  for (const [state, number] of Object.entries(NUMBER)) {
    view.setBigUint64(16 + 8 * number, BigInt(Math.floor(runStates.spentNs[state as RunState])), true);
  }
  return new Uint8Array(view.buffer);
}

/** A piece of the structure in a pinned page: it may lie across two. */
export interface RunstatePiece {
  readonly page: GuestPage;
  readonly offset: number;
  readonly from: number;
  readonly count: number;
}

/** The areas of a domain's vCPUs. */
export class Runstates {
  readonly #areas = new Map<number, readonly RunstatePiece[]>();

  /** Areas that are written to. */
  get count(): number {
    return this.#areas.size;
  }

  /** Takes the pieces over; those before are given back. */
  register(vcpu: Vcpu, pieces: readonly RunstatePiece[]): void {
    this.#drop(vcpu.index);
    this.#areas.set(vcpu.index, pieces);
    this.update(vcpu);
  }

  /** Before the vCPU runs on. */
  update(vcpu: Vcpu): void {
    const pieces = this.#areas.get(vcpu.index);
    if (pieces === undefined) return;
    const bytes = runstateBytes(vcpu);
    for (const { page, offset, from, count } of pieces) page.write(offset, bytes.subarray(from, from + count));
  }

  /** The domain goes. */
  release(): void {
    for (const vcpu of [...this.#areas.keys()]) this.#drop(vcpu);
  }

  #drop(vcpu: number): void {
    for (const { page } of this.#areas.get(vcpu) ?? []) page.release();
    this.#areas.delete(vcpu);
  }
}
