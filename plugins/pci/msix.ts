/**
 * MSI-X: a table of messages and an array of pending bits, in a memory BAR. PCI Local Bus Specification 3.0,
 * "MSI-X Capability and Table Structures".
 */
import type { MmioHandler } from "../../core/mod.ts";
import type { PciBar, PciFunctionSpec } from "./contract.ts";
import { MSIX_ENTRY } from "./registers.ts";

/** Declaration with its offsets filled in. */
export interface MsixPlace {
  readonly vectors: number;
  readonly bar: 0 | 1 | 2 | 3 | 4 | 5;
  readonly table: number;
  readonly pba: number;
}

/** Bits of the vector control word that exist. */
const MASKED = 1;
/** Bits of an entry that a guest may write, a byte each. */
const ENTRY_WRITABLE = Uint8Array.of(0xfc, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, MASKED, 0, 0, 0);

/** Table and pending bits: plain data. */
export interface MsixState {
  readonly table: Uint8Array;
  /** A bit for each vector. */
  readonly pending: Uint8Array;
}

/** Reset state: every vector is masked. */
export function resetMsix(vectors: number): MsixState {
  const table = new Uint8Array(vectors * MSIX_ENTRY);
  for (let vector = 0; vector < vectors; vector++) table[vector * MSIX_ENTRY + 12] = MASKED;
  return { table, pending: new Uint8Array(8 * Math.ceil(vectors / 64)) };
}

/** Fills the offsets in: the table first, the pending bits behind it. Throws a `RangeError` when they don't fit their BAR. */
export function placeMsix(spec: PciFunctionSpec): MsixPlace | undefined {
  if (spec.msix === undefined) return undefined;
  const { vectors, bar } = spec.msix;
  const complain = (what: string) => new RangeError(`${spec.name}: MSI-X ${what}`);
  if (!Number.isInteger(vectors) || vectors < 1 || vectors > 2048) throw complain(`has 1 to 2048 vectors, not ${vectors}`);
  const table = spec.msix.table ?? 0;
  const pba = spec.msix.pba ?? table + Math.max(vectors * MSIX_ENTRY, 0x800);
  const { pending } = resetMsix(vectors);
  const size = barSize(spec, bar, pba + pending.length);
  if (table % 8 !== 0 || pba % 8 !== 0) throw complain("needs offsets that are multiples of 8");
  if (table + vectors * MSIX_ENTRY > size || pba + pending.length > size) throw complain(`doesn't fit BAR ${bar}`);
  if (table < pba + pending.length && pba < table + vectors * MSIX_ENTRY) throw complain("has its pending bits in its table");
  return { vectors, bar, table, pba };
}

function barSize(spec: PciFunctionSpec, bar: MsixPlace["bar"], needed: number): number {
  const given = spec.bars[bar];
  if (given?.kind === "io") throw new RangeError(`${spec.name}: MSI-X can't be in the I/O BAR ${bar}`);
  return given?.size ?? Math.max(0x1000, 2 ** Math.ceil(Math.log2(needed)));
}

/** The BAR that holds table and pending bits, made when the function has none. `changed`: the guest wrote to the table. */
export function msixBar(spec: PciFunctionSpec, place: MsixPlace, state: MsixState, changed: () => void): PciBar {
  const own = spec.bars[place.bar];
  const handler: MmioHandler = {
    read(offset, size, vcpu) {
      const table = offset - place.table;
      if (table >= 0 && table < state.table.length) return load(state.table, table, size);
      const pending = offset - place.pba;
      if (pending >= 0 && pending < state.pending.length) return load(state.pending, pending, size);
      return own?.handler.read(offset, size, vcpu) ?? 0;
    },
    write(offset, size, value, vcpu) {
      const table = offset - place.table;
      const pending = offset - place.pba;
      if (table >= 0 && table < state.table.length) {
        store(state.table, table, size, value);
        changed();
      } else if (pending < 0 || pending >= state.pending.length) own?.handler.write(offset, size, value, vcpu);
    },
  };
  return { kind: "memory32", size: barSize(spec, place.bar, place.pba + state.pending.length), ...own, handler };
}

function load(bytes: Uint8Array, at: number, size: number): bigint {
  let value = 0n;
  for (let n = Math.min(size, bytes.length - at) - 1; n >= 0; n--) value = value << 8n | BigInt(bytes[at + n]);
  return value;
}

function store(table: Uint8Array, at: number, size: number, value: bigint): void {
  for (let n = 0; n < size && at + n < table.length; n++) {
    const mask = ENTRY_WRITABLE[(at + n) % MSIX_ENTRY];
    table[at + n] = table[at + n] & ~mask | Number(value >> BigInt(8 * n) & 0xffn) & mask;
  }
}

/** Sends what is pending and not masked, in order of vectors. */
export function flushMsix(state: MsixState, send: (address: number, data: number) => void): void {
  const { pending, table } = state;
  for (let word = 0; word < pending.length; word++) {
    for (let bits = pending[word]; bits !== 0; bits &= bits - 1) {
      const bit = 31 - Math.clz32(bits & -bits);
      const entry = (8 * word + bit) * MSIX_ENTRY;
      if ((table[entry + 12] & MASKED) !== 0) continue;
      pending[word] &= ~(1 << bit);
      const view = new DataView(table.buffer, table.byteOffset + entry, MSIX_ENTRY);
      send(view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32, view.getUint32(8, true));
    }
  }
}
