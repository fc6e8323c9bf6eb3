/**
 * A disk in a qcow2 image. While a version 3 image is open for writing its dirty bit is set, so that who finds it after a crash knows that
 * reference counts may be behind; tables reach the medium before what points to them. An image that is found so is repaired when it is
 * opened for writing. Version 2 has no such bit: nothing in it that was in use before is taken again.
 *
 * The image comes from outside: every offset in it is checked to be a cluster of the file. Compressed clusters can't be read.
 */
import type { Disk } from "../../../core/mod.ts";
import { Clusters, load } from "./qcow2_clusters.ts";
import { COMPRESSED, COPIED, DIRTY, INCOMPATIBLE, OFFSET_MASK, readHeader, ZERO } from "./qcow2_format.ts";
import type { Qcow2Header } from "./qcow2_format.ts";
import { Tables } from "./qcow2_tables.ts";

/** The disk. */
export class Qcow2Disk implements Disk {
  readonly sizeBytes: number;
  readonly writable: boolean;
  readonly #header: Qcow2Header;
  readonly #l1: DataView;
  readonly #tables: Tables;
  readonly #clusters: Clusters;
  /** What was found: dirty, and read only. */
  readonly #torn: boolean;
  #marked = false;

  /** Throws an error that says what keeps it from being used. */
  constructor(private readonly file: Disk) {
    this.writable = file.writable;
    const header = this.#header = readHeader(file, file.writable);
    this.sizeBytes = header.sizeBytes;
    this.#l1 = load(file, header.l1Offset, 8 * header.l1Entries);
    this.#clusters = new Clusters(file, header);
    this.#tables = new Tables(file, header.clusterBytes);
    const dirty = (header.incompatible & DIRTY) !== 0n;
    this.#torn = dirty && !this.writable;
    if (!this.writable || header.version < 3) return;
    if (dirty) {
      this.#clusters.repair(this.#l1);
      this.#mark(false);
    } else this.#clusters.findFree();
  }

  read(offset: number, into: Uint8Array): void {
    // Clusters that lie side by side are read together.
    let run: { readonly at: number; readonly from: number; to: number } | undefined;
    const finish = () => {
      if (run !== undefined) this.file.read(run.at, into.subarray(run.from, run.to));
      run = undefined;
    };
    this.#each(offset, into.length, (cluster, within, size, done) => {
      const data = this.#data(this.#entry(cluster));
      if (data === undefined) {
        finish();
        into.fill(0, done, done + size);
      } else if (run !== undefined && run.at + run.to - run.from === data + within) run.to += size;
      else {
        finish();
        run = { at: data + within, from: done, to: done + size };
      }
    });
    finish();
  }

  write(offset: number, bytes: Uint8Array): void {
    if (!this.#marked) this.#mark(true);
    this.#each(offset, bytes.length, (cluster, within, size, done) => {
      const part = bytes.subarray(done, done + size);
      const entry = this.#entry(cluster);
      const at = this.#data(entry);
      if (at !== undefined && (entry & COPIED) !== 0n) return this.file.write(at + within, part);
      const copy = new Uint8Array(this.#header.clusterBytes);
      if (at !== undefined) this.file.read(at, copy);
      copy.set(part, within);
      // A cluster that is kept for what reads as zeroes now is ours already.
      const kept = (entry & COPIED) !== 0n ? entry & OFFSET_MASK : 0n;
      const fresh = kept === 0n ? this.#clusters.allocate() : { at: this.#checked(kept), used: true };
      this.file.write(fresh.at, copy);
      this.#point(cluster, BigInt(fresh.at) | COPIED, fresh.used);
    });
  }

  zero(offset: number, count: number, unmap: boolean): void {
    if (!this.#marked) this.#mark(true);
    const { clusterBytes, version } = this.#header;
    this.#each(offset, count, (cluster, within, size) => {
      const entry = this.#entry(cluster);
      if (entry === 0n || this.#data(entry) === undefined && !unmap) return;
      if (size < clusterBytes) {
        if (this.#data(entry) !== undefined) this.write(cluster * clusterBytes + within, new Uint8Array(size));
      } else if (unmap) this.#drop(cluster, entry);
      else if (version >= 3 && (entry & COPIED) !== 0n) this.#point(cluster, entry | ZERO, false);
      else this.write(cluster * clusterBytes, new Uint8Array(size));
    });
  }

  discard(offset: number, count: number): void {
    if (!this.#marked) this.#mark(true);
    this.#each(offset, count, (cluster, _, size) => {
      const entry = this.#entry(cluster);
      if (entry !== 0n && size === this.#header.clusterBytes) this.#drop(cluster, entry);
    });
  }

  flush(): void {
    if (!this.writable) return;
    this.#tables.flush();
    this.#clusters.flushed();
  }

  close(): void {
    if (this.#marked) {
      this.flush();
      // The counts of what was freed.
      this.file.flush();
      this.#mark(false);
    }
    this.file.close();
  }

  /** The cluster reads as zeroes and takes no room. */
  #drop(cluster: number, entry: bigint): void {
    if ((entry & COMPRESSED) !== 0n) throw new Error("compressed clusters of qcow2 images can't be given back");
    const at = entry & OFFSET_MASK;
    this.#point(cluster, 0n, false);
    if (at !== 0n && (entry & COPIED) !== 0n) this.#clusters.release(this.#checked(at));
  }

  /** Where a cluster's data are; undefined where it reads as zeroes. */
  #data(entry: bigint): number | undefined {
    if ((entry & COMPRESSED) !== 0n) throw new Error("compressed clusters of qcow2 images can't be read");
    const offset = entry & OFFSET_MASK;
    if (offset === 0n || this.#header.version === 3 && (entry & ZERO) !== 0n) return undefined;
    // What never arrived: a repair would drop it.
    if (this.#torn && offset >= BigInt(this.#clusters.end)) return undefined;
    return this.#checked(offset);
  }

  #checked(offset: bigint): number {
    const at = Number(offset);
    // The last cluster may be cut: what is behind the end of a file reads as zero.
    if (at % this.#header.clusterBytes !== 0 || at >= this.#clusters.end) {
      throw new Error(`the image points to 0x${at.toString(16)}, which is no cluster of it`);
    }
    return at;
  }

  #place(cluster: number): { readonly l1: number; readonly l2: number } {
    const entries = this.#header.clusterBytes / 8;
    return { l1: Math.floor(cluster / entries), l2: cluster % entries };
  }

  /** An overlay asks for whole blocks, also where the disk ends within one: behind its last cluster there is nothing. */
  #entry(cluster: number): bigint {
    if (cluster * this.#header.clusterBytes >= this.sizeBytes) return 0n;
    const { l1, l2 } = this.#place(cluster);
    const table = this.#l1.getBigUint64(8 * l1) & OFFSET_MASK;
    if (table === 0n || this.#torn && table >= BigInt(this.#clusters.end)) return 0n;
    return this.#tables.get(this.#checked(table), l2);
  }

  /** `waits`: for the contents of a cluster that isn't new. */
  #point(cluster: number, entry: bigint, waits: boolean): void {
    const { l1, l2 } = this.#place(cluster);
    const first = this.#l1.getBigUint64(8 * l1);
    let table = Number(first & OFFSET_MASK);
    if (table === 0) {
      table = this.#clusters.allocate().at;
      this.#tables.create(table);
      this.#l1.setBigUint64(8 * l1, BigInt(table) | COPIED);
      this.file.write(this.#header.l1Offset + 8 * l1, new Uint8Array(this.#l1.buffer, 8 * l1, 8));
    } else if ((first & COPIED) === 0n) throw new Error("a table of the image is shared: it has snapshots that its header doesn't tell of");
    this.#tables.set(this.#checked(BigInt(table)), l2, entry, waits);
  }

  /** The dirty bit: version 2 has none. */
  #mark(dirty: boolean): void {
    this.#marked = dirty;
    const { version, incompatible } = this.#header;
    if (version < 3) return;
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, dirty ? incompatible | DIRTY : incompatible & ~DIRTY);
    this.file.write(INCOMPATIBLE, new Uint8Array(view.buffer));
    this.file.flush();
  }

  #each(offset: number, count: number, visit: (cluster: number, within: number, size: number, done: number) => void): void {
    const { clusterBytes } = this.#header;
    for (let done = 0; done < count;) {
      const within = (offset + done) % clusterBytes;
      const size = Math.min(count - done, clusterBytes - within);
      visit((offset + done - within) / clusterBytes, within, size, done);
      done += size;
    }
  }
}
