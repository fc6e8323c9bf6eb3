/**
 * A disk in a qcow2 image. New clusters are taken from the end of the file. While a version 3 image is open for writing its dirty bit is
 * set, so that who finds it after a crash knows that reference counts may be behind; tables reach the medium before what points to them. An
 * image that is found so can be used, because clusters in use are never taken again, and stays marked until somebody repairs it.
 *
 * The image comes from outside: every offset in it is checked to be a cluster of the file. Compressed clusters can't be read.
 */
import type { Disk } from "../../../core/mod.ts";
import { COMPRESSED, COPIED, DIRTY, INCOMPATIBLE, OFFSET_MASK, readHeader, ZERO } from "./qcow2_format.ts";
import type { Qcow2Header } from "./qcow2_format.ts";

/** Second-level tables that are kept in memory. */
const TABLES = 64;
/** Bytes of a reference count. */
const COUNT = 2;

/** The disk. */
export class Qcow2Disk implements Disk {
  readonly sizeBytes: number;
  readonly writable: boolean;
  readonly #header: Qcow2Header;
  readonly #l1: DataView;
  readonly #tables = new Map<number, DataView>();
  /** First byte behind everything: where new clusters go. */
  #end: number;
  #marked = false;

  /** Throws an error that says what keeps it from being used. */
  constructor(private readonly file: Disk) {
    this.writable = file.writable;
    this.#header = readHeader(file, file.writable);
    this.sizeBytes = this.#header.sizeBytes;
    this.#l1 = this.#load(this.#header.l1Offset, 8 * this.#header.l1Entries);
    this.#end = this.#up(file.sizeBytes);
  }

  read(offset: number, into: Uint8Array): void {
    this.#each(offset, into, (cluster, within, part) => {
      const at = this.#data(this.#entry(cluster));
      if (at === undefined) part.fill(0);
      else this.file.read(at + within, part);
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    if (!this.#marked) this.#mark(true);
    this.#each(offset, bytes, (cluster, within, part) => {
      const entry = this.#entry(cluster);
      const at = this.#data(entry);
      if (at !== undefined && (entry & COPIED) !== 0n) return this.file.write(at + within, part);
      const copy = new Uint8Array(this.#header.clusterBytes);
      if (at !== undefined) this.file.read(at, copy);
      copy.set(part, within);
      // A cluster that is kept for what reads as zeroes now is ours already.
      const kept = (entry & COPIED) !== 0n ? entry & OFFSET_MASK : 0n;
      const fresh = kept === 0n ? this.#allocate() : this.#checked(kept);
      this.file.write(fresh, copy);
      this.#point(cluster, fresh);
    });
  }

  flush(): void {
    this.file.flush();
  }

  close(): void {
    if (this.#marked) {
      this.file.flush();
      this.#mark(false);
    }
    this.file.close();
  }

  /** Where a cluster's data are; undefined where it reads as zeroes. */
  #data(entry: bigint): number | undefined {
    if ((entry & COMPRESSED) !== 0n) throw new Error("compressed clusters of qcow2 images can't be read");
    const offset = entry & OFFSET_MASK;
    if (offset === 0n || this.#header.version === 3 && (entry & ZERO) !== 0n) return undefined;
    return this.#checked(offset);
  }

  #checked(offset: bigint): number {
    const at = Number(offset);
    // The last cluster may be cut: what is behind the end of a file reads as zero.
    if (at % this.#header.clusterBytes !== 0 || at >= Math.max(this.file.sizeBytes, this.#end)) {
      throw new Error(`the image points to 0x${at.toString(16)}, which is no cluster of it`);
    }
    return at;
  }

  #place(cluster: number): { readonly l1: number; readonly l2: number } {
    const entries = this.#header.clusterBytes / 8;
    return { l1: Math.floor(cluster / entries), l2: cluster % entries };
  }

  #entry(cluster: number): bigint {
    const { l1, l2 } = this.#place(cluster);
    const table = this.#l1.getBigUint64(8 * l1) & OFFSET_MASK;
    return table === 0n ? 0n : this.#table(this.#checked(table)).getBigUint64(8 * l2);
  }

  #point(cluster: number, at: number): void {
    const { l1, l2 } = this.#place(cluster);
    const first = this.#l1.getBigUint64(8 * l1);
    let table = Number(first & OFFSET_MASK);
    if (table === 0) {
      table = this.#allocate();
      this.file.write(table, new Uint8Array(this.#header.clusterBytes));
      this.file.flush();
      this.#set(this.#l1, this.#header.l1Offset, l1, BigInt(table) | COPIED);
    } else if ((first & COPIED) === 0n) throw new Error("a table of the image is shared: it has snapshots that its header doesn't tell of");
    this.#set(this.#table(this.#checked(BigInt(table))), table, l2, BigInt(at) | COPIED);
  }

  #set(table: DataView, at: number, index: number, entry: bigint): void {
    table.setBigUint64(8 * index, entry);
    this.file.write(at + 8 * index, new Uint8Array(table.buffer, 8 * index, 8));
  }

  #table(at: number): DataView {
    let table = this.#tables.get(at);
    if (table !== undefined) return table;
    table = this.#load(at, this.#header.clusterBytes);
    if (this.#tables.size >= TABLES) this.#tables.delete(this.#tables.keys().next().value!);
    this.#tables.set(at, table);
    return table;
  }

  /** A cluster at the end of the file, with a reference count of 1. */
  #allocate(): number {
    const at = this.#end;
    this.#end += this.#header.clusterBytes;
    this.#count(at);
    return at;
  }

  #count(at: number): void {
    const { clusterBytes, refcountTable, refcountTableBytes } = this.#header;
    const cluster = at / clusterBytes;
    const perBlock = clusterBytes / COUNT;
    const index = Math.floor(cluster / perBlock);
    if (8 * index >= refcountTableBytes) throw new Error("the image's table of reference counts is full");
    const entry = this.#load(refcountTable + 8 * index, 8);
    let block = Number(entry.getBigUint64(0) & OFFSET_MASK);
    if (block === 0) {
      block = this.#end;
      this.#end += clusterBytes;
      this.file.write(block, new Uint8Array(clusterBytes));
      entry.setBigUint64(0, BigInt(block));
      this.file.flush();
      this.file.write(refcountTable + 8 * index, new Uint8Array(entry.buffer));
      // The block is a cluster as well, and mostly counts itself.
      this.#count(block);
    }
    this.file.write(this.#checked(BigInt(block)) + COUNT * (cluster % perBlock), Uint8Array.of(0, 1));
  }

  /** The dirty bit: version 2 has none. */
  #mark(dirty: boolean): void {
    this.#marked = dirty;
    if (this.#header.version < 3) return;
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, dirty ? this.#header.incompatible | DIRTY : this.#header.incompatible);
    this.file.write(INCOMPATIBLE, new Uint8Array(view.buffer));
    this.file.flush();
  }

  #load(at: number, size: number): DataView {
    const bytes = new Uint8Array(size);
    this.file.read(at, bytes);
    return new DataView(bytes.buffer);
  }

  #up(offset: number): number {
    return Math.ceil(offset / this.#header.clusterBytes) * this.#header.clusterBytes;
  }

  #each(offset: number, bytes: Uint8Array, visit: (cluster: number, within: number, part: Uint8Array) => void): void {
    const { clusterBytes } = this.#header;
    for (let done = 0; done < bytes.length;) {
      const within = (offset + done) % clusterBytes;
      const count = Math.min(bytes.length - done, clusterBytes - within);
      const cluster = (offset + done - within) / clusterBytes;
      // An overlay asks for whole blocks, also where the disk ends within one.
      if (cluster * clusterBytes >= this.sizeBytes) bytes.subarray(done, done + count).fill(0);
      else visit(cluster, within, bytes.subarray(done, done + count));
      done += count;
    }
  }
}
