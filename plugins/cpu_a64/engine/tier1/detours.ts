/**
 * Detours: what the interpreter executes from where a region leaves to where the next one begins. Such code may have far too small a part
 * in all that is executed to be met by samples, and yet take much of the time. So the interpreter adds up, for each record at which regions
 * leave, how much it executed behind it, in the table beside the records, where its handler would be if a region began there; and when that is
 * worth it, it ends the run and says so.
 */
import { type FunctionBuilder, type I32, i32, select } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import type { Block } from "../block.ts";
import { besideOf, besideRecord, type SidePlaces } from "./side_table.ts";

/** Instructions behind a record before it is looked at. */
export const PATIENCE = 500_000;
/** Of one time, so many count at most: what begins there isn't what takes long. */
const MOST_AT_ONCE = 512;
/** After so many looks at a record, each of which takes twice as many instructions as the one before, the number stays. */
const MOST_LOOKS = 10;

/** Where things are, and what tells that a region begins at a record. */
export interface DetourPlaces extends SidePlaces {
  /** The state block. */
  readonly base: number;
  readonly isHead: (record: I32) => I32;
}

/** Where a region begins: `executed` instructions since regions left at a record. */
export function writeDetour(f: FunctionBuilder, record: I32, executed: I32, places: DetourPlaces): void {
  f.if(i32.and(i32.ne(record, i32.const(0)), i32.eqz(places.isHead(record))), () => {
    const count = f.let(besideOf(record, places));
    const added = select(i32.lt_u(executed, i32.const(MOST_AT_ONCE)), executed, i32.const(MOST_AT_ONCE));
    f.store("i32", count, i32.add(i32.load(count), added));
  });
}

/** Where a region has left at a record: `leave` ends the run if that is worth a look. `bailed`: not 0 when the region leaves that instruction to the interpreter. */
export function writeDetourLook(f: FunctionBuilder, record: I32, bailed: I32, places: DetourPlaces, leave: () => void): void {
  f.ifUnlikely(i32.ge_s(i32.load(besideOf(record, places)), i32.const(PATIENCE)), () => {
    f.if(i32.eqz(places.isHead(record)), () => {
      f.store("i32", i32.const(0), i32.or(record, i32.ne(bailed, i32.const(0))), places.base + at.DETOUR);
      leave();
    });
  });
}

/** Looks at them. */
export class Detours {
  /** How often it was looked at a record. */
  readonly #looks = new Map<number, number>();

  constructor(readonly block: Block, readonly places: SidePlaces, readonly regions: { isHead(record: number): boolean }) {}

  /** What is worth a look, once: a record, and whether regions leave its instruction to the interpreter. */
  take(): { readonly record: number; readonly isBailed: boolean } | undefined {
    const { block, places } = this;
    const found = block.get(at.DETOUR);
    if (found === 0) return undefined;
    block.set(at.DETOUR, 0);
    const record = found & ~1;
    // A region that begins there by now has its own use for the place of the count.
    if (this.regions.isHead(record)) return undefined;
    const looks = Math.min(MOST_LOOKS, (this.#looks.get(record) ?? 0) + 1);
    this.#looks.set(record, looks);
    block.words[besideRecord(record, places) >>> 2] = PATIENCE - PATIENCE * 2 ** looks;
    return { record, isBailed: (found & 1) !== 0 };
  }
}
