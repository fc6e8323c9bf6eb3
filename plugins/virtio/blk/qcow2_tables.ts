/**
 * Second-level tables of a qcow2 image: some of them in memory, changes on the medium no sooner than at the next flush. A change that
 * points to a cluster that something else was in waits until the medium has its new contents: otherwise a crash would show the old.
 */
import type { Disk } from "../../../core/mod.ts";
import { load } from "./qcow2_clusters.ts";

/** Tables that are kept in memory. */
const TABLES = 64;

interface Table {
  readonly view: DataView;
  /** Entries that changed: from the first to behind the last. */
  first: number;
  last: number;
  /** A change waits for the medium. */
  waits: boolean;
}

/** The tables. */
export class Tables {
  readonly #tables = new Map<number, Table>();

  constructor(private readonly file: Disk, private readonly clusterBytes: number) {}

  /** An entry of the table at a place of the file. */
  get(at: number, index: number): bigint {
    return this.#table(at).view.getBigUint64(8 * index);
  }

  /** `waits`: it points to a cluster that isn't new. */
  set(at: number, index: number, entry: bigint, waits: boolean): void {
    const table = this.#table(at);
    table.view.setBigUint64(8 * index, entry);
    table.first = Math.min(table.first, index);
    table.last = Math.max(table.last, index + 1);
    table.waits ||= waits;
  }

  /** A table of zeroes that is on the medium when this comes back. */
  create(at: number): void {
    this.#tables.delete(at);
    this.file.write(at, new Uint8Array(this.clusterBytes));
    this.file.flush();
  }

  /** Everything is on the medium afterwards. */
  flush(): void {
    const changed = [...this.#tables].filter(([, table]) => table.first < table.last);
    if (changed.some(([, { waits }]) => waits)) this.file.flush();
    for (const [at, table] of changed) this.#write(at, table);
    this.file.flush();
  }

  #table(at: number): Table {
    const there = this.#tables.get(at);
    if (there !== undefined) return there;
    if (this.#tables.size >= TABLES) {
      const [oldest, table] = this.#tables.entries().next().value!;
      if (table.waits) this.file.flush();
      this.#write(oldest, table);
      this.#tables.delete(oldest);
    }
    const table = { view: load(this.file, at, this.clusterBytes), first: Infinity, last: 0, waits: false };
    this.#tables.set(at, table);
    return table;
  }

  #write(at: number, table: Table): void {
    const { first, last, view } = table;
    if (first < last) this.file.write(at + 8 * first, new Uint8Array(view.buffer, 8 * first, 8 * (last - first)));
    table.first = Infinity;
    table.last = 0;
    table.waits = false;
  }
}
