/**
 * Sequences of register writes that change an MPU's regions while its CPU runs.
 *
 * Three rules, which a test replays after every write: the regions that hold the running code and its data stay mapped
 * (or the MPU is off), no two enabled regions overlap, and no region is enabled with one half of its description old.
 * Nothing is assumed of PRSELR_EL2: each sequence sets it first, because whoever ran before may have left any value there. EL2 takes no
 * interrupt within one: plugins run to completion.
 * Arm DDI 0600, "Synchronization requirements for changes to system registers": a write to PRSELR is synchronised before what it selects is touched.
 */
import { baseBits, limitBits } from "./attributes.ts";
import type { Region } from "./regions.ts";

/** A register write, or what has to come between two. */
export type Step = { readonly register: string; readonly value: bigint } | { readonly barrier: "dsb" | "isb" };

/** What one hardware region holds; absent: nothing, disabled. */
export interface Slot extends Region {
  /** PRLAR_EL2.EN. */
  readonly enabled: boolean;
}

/** Hardware regions by index. */
export type Slots = readonly (Slot | undefined)[];

const SYNC: readonly Step[] = [{ barrier: "dsb" }, { barrier: "isb" }];
/** Regions that PRENR has an alias of EN for. */
const ALIASED = 32;

/** The steps in which one sequence writes regions, with as few changes of the selector as possible. */
class Writer {
  readonly steps: Step[] = [];
  #bank: number | undefined;

  write(register: string, value: bigint): void {
    this.steps.push({ register, value });
  }

  sync(): void {
    this.steps.push(...SYNC);
  }

  base(index: number, { at, attributes }: Region): void {
    this.#region("PRBAR", index, BigInt(at) | baseBits(attributes));
  }

  limit(index: number, { at, size, attributes }: Region, enabled: boolean): void {
    this.#region("PRLAR", index, BigInt(at + size - 64) | limitBits(attributes) | (enabled ? 1n : 0n));
  }

  disable(index: number): void {
    this.#region("PRLAR", index, 0n);
  }

  enables(slots: Slots, also: (index: number) => boolean): void {
    let mask = 0n;
    for (let index = 0; index < ALIASED; index++) if (slots[index]?.enabled && also(index)) mask |= 1n << BigInt(index);
    this.write("PRENR_EL2", mask);
  }

  /** PRBAR<n> and PRLAR<n> reach region (PRSELR[7:4] << 4) | n; PRBAR and PRLAR are n = 0 while PRSELR[3:0] is zero. */
  #region(name: string, index: number, value: bigint): void {
    const bank = index >> 4;
    if (bank !== this.#bank) {
      this.write("PRSELR_EL2", BigInt(bank << 4));
      this.steps.push({ barrier: "isb" });
      this.#bank = bank;
    }
    this.write(`${name}${(index & 15) || ""}_EL2`, value);
  }
}

function same(a: Slot | undefined, b: Slot | undefined): boolean {
  if (!a?.enabled && !b?.enabled) return a === b || (a !== undefined && b !== undefined && sameRange(a, b));
  return a !== undefined && b !== undefined && a.enabled === b.enabled && sameRange(a, b);
}

function sameRange(a: Region, b: Region): boolean {
  return a.at === b.at && a.size === b.size && a.attributes === b.attributes;
}

/** A region that only moves its ends: it shrinks to what it keeps before others change, and grows after them, and is never off. */
function kept(a: Slot | undefined, b: Slot | undefined): Slot | undefined {
  if (!a?.enabled || !b?.enabled || a.attributes !== b.attributes) return undefined;
  const at = Math.max(a.at, b.at);
  const size = Math.min(a.at + a.size, b.at + b.size) - at;
  return size > 0 ? { at, size, attributes: a.attributes, enabled: true } : undefined;
}

/** Changes regions with the MPU on. Regions that are equal in both aren't touched; what both enable in the same slot and place stays on all the time. */
export function change(before: Slots, after: Slots): Step[] {
  const writer = new Writer();
  const changed: number[] = [];
  for (let index = 0; index < Math.max(before.length, after.length); index++) if (!same(before[index], after[index])) changed.push(index);
  if (changed.length === 0) return [];
  const moving = new Map<number, Slot>();
  for (const index of changed) {
    const middle = kept(before[index], after[index]);
    if (middle) moving.set(index, middle);
  }
  move(writer, moving.keys(), (index) => before[index]!, (index) => moving.get(index)!);
  const others = changed.filter((index) => !moving.has(index));
  writer.enables(before, (index) => !others.includes(index));
  for (const index of others) if (index >= ALIASED && before[index]?.enabled) writer.disable(index);
  writer.sync();
  move(writer, moving.keys(), (index) => moving.get(index)!, (index) => after[index]!);
  describe(writer, after, others);
  writer.sync();
  writer.enables(after, () => true);
  writer.sync();
  return writer.steps;
}

/** Moves the ends of regions that stay on, one register for each end. */
function move(writer: Writer, indexes: Iterable<number>, from: (index: number) => Slot, to: (index: number) => Slot): void {
  for (const index of indexes) {
    const old = from(index), now = to(index);
    if (old.at !== now.at) writer.base(index, now);
    if (old.at + old.size !== now.at + now.size) writer.limit(index, now, true);
  }
}

/** Writes regions that are off: those that PRENR reaches stay off, so that one write enables them all; the others are on with PRLAR. */
function describe(writer: Writer, slots: Slots, indexes: readonly number[]): void {
  for (const index of indexes) {
    const slot = slots[index];
    if (slot === undefined) {
      writer.disable(index);
      continue;
    }
    writer.base(index, slot);
    writer.limit(index, slot, slot.enabled && index >= ALIASED);
  }
}

/**
 * Replaces a whole map: the boot-time map by the runtime map, where regions change their slots. The code runs with the MPU off meanwhile,
 * so that no access ever meets a part of one map and a part of the other. `count`: regions that the hardware has. `sctlr`: SCTLR_EL2 with M set.
 */
export function replace(after: Slots, count: number, sctlr: bigint): Step[] {
  const writer = new Writer();
  writer.sync();
  writer.write("SCTLR_EL2", sctlr & ~1n);
  writer.sync();
  // What these registers held before (at reset: UNKNOWN) goes, all of it.
  writer.write("PRENR_EL2", 0n);
  describe(writer, after, Array.from({ length: count }, (_, index) => index));
  writer.enables(after, () => true);
  writer.sync();
  writer.write("SCTLR_EL2", sctlr | 1n);
  writer.sync();
  return writer.steps;
}
