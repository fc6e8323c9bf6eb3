/**
 * Which clusters of a qcow2 image are in use: 16-bit reference counts, of which we know 0 and 1.
 *
 * What is freed is taken again only after the medium has heard that nothing points to it any more. Counts may be behind after a crash; the
 * image is marked as dirty then, and is repaired when it is opened for writing: counts are made from the tables, and what points behind
 * the end of the file, whose data never arrived, points nowhere.
 */
import type { Disk } from "../../../core/mod.ts";
import { COMPRESSED, OFFSET_MASK } from "./qcow2_format.ts";
import type { Qcow2Header } from "./qcow2_format.ts";

/** Bytes of a reference count. */
const COUNT = 2;
/** Clusters that a repair looks at: 16 TiB of 64 KiB each. */
const REPAIRABLE = 2 ** 28;

/** A cluster to write to. */
export interface Allocated {
  readonly at: number;
  /** Something else was in it: what isn't written reads as that after a crash. */
  readonly used: boolean;
}

/** Reads `size` bytes as a view. */
export function load(file: Disk, at: number, size: number): DataView {
  const bytes = new Uint8Array(size);
  file.read(at, bytes);
  return new DataView(bytes.buffer);
}

/** The clusters of an image that is open for writing. */
export class Clusters {
  /** First byte behind everything: where new clusters go. */
  #end: number;
  /** Ready to be taken: nothing on the medium points to them. The last first. */
  readonly #free: number[] = [];
  /** Something on the medium may still point to them. */
  #freed: number[] = [];

  constructor(private readonly file: Disk, private readonly header: Qcow2Header) {
    this.#end = Math.ceil(file.sizeBytes / header.clusterBytes) * header.clusterBytes;
  }

  /** First byte behind everything that may be pointed to. */
  get end(): number {
    return this.#end;
  }

  /** Finds what is free in an image that was closed as it should be. */
  findFree(): void {
    const { clusterBytes } = this.header;
    for (let index = 0; this.#blockStart(index) < this.#end; index++) {
      const block = this.#block(index);
      if (block === 0) continue;
      const counts = load(this.file, block, clusterBytes);
      for (let n = 0; n < clusterBytes / COUNT; n++) {
        const at = this.#blockStart(index) + n * clusterBytes;
        if (at < this.#end && counts.getUint16(COUNT * n) === 0) this.#free.push(at);
      }
    }
    this.#free.reverse();
  }

  /** A cluster with a reference count of 1. */
  allocate(): Allocated {
    const free = this.#free.pop();
    if (free !== undefined) {
      this.#count(free, 1);
      return { at: free, used: true };
    }
    const at = this.#end;
    this.#end += this.header.clusterBytes;
    this.#count(at, 1);
    return { at, used: false };
  }

  /** Nothing points to a cluster any more; the medium needn't know yet. */
  release(at: number): void {
    this.#freed.push(at);
  }

  /** The file was flushed: what was released before is free. */
  flushed(): void {
    if (this.#freed.length === 0) return;
    const freed = this.#freed.sort((a, b) => b - a);
    this.#freed = [];
    const byBlock = Map.groupBy(freed, (at) => this.#indexOf(at));
    for (const [index, clusters] of byBlock) {
      const at = this.#checked(this.#block(index));
      const counts = load(this.file, at, this.header.clusterBytes);
      for (const cluster of clusters) counts.setUint16(COUNT * this.#within(cluster), 0);
      this.file.write(at, new Uint8Array(counts.buffer));
    }
    for (const at of freed) this.#free.push(at);
  }

  /**
   * After a crash. `tables`: second-level tables by their place in `l1`. Drops what points behind the end, counts anew. Throws when the
   * image is worse than a crash makes it.
   */
  repair(l1: DataView): void {
    const { file, header: { clusterBytes, l1Offset, l1Entries, refcountTable, refcountTableBytes } } = this;
    const clusters = this.#end / clusterBytes;
    if (clusters > REPAIRABLE) {
      throw new Error("as qcow2: it wasn't closed, and is too large to be repaired here; qemu-img check -r all does it");
    }
    const inUse = new Uint8Array(clusters + clusters / (clusterBytes / COUNT) + 64);
    const use = (at: number, bytes: number) => {
      for (let n = Math.floor(at / clusterBytes); n < (at + bytes) / clusterBytes; n++) {
        if (inUse[n]++ !== 0) throw new Error("as qcow2: two things in it share a cluster; qemu-img check -r all may help");
      }
    };
    const known = (at: number) => at % clusterBytes === 0 && at + clusterBytes <= this.#end;
    use(0, clusterBytes);
    use(l1Offset, 8 * l1Entries);
    use(refcountTable, refcountTableBytes);
    for (let n = 0; n < refcountTableBytes / 8; n++) {
      const block = this.#block(n);
      if (block === 0) continue;
      if (known(block)) use(block, clusterBytes);
      else file.write(refcountTable + 8 * n, new Uint8Array(8));
    }
    for (let n = 0; n < l1Entries; n++) {
      const at = Number(l1.getBigUint64(8 * n) & OFFSET_MASK);
      if (at === 0) continue;
      if (known(at)) {
        use(at, clusterBytes);
        this.#repairTable(at, known, use);
      } else {
        l1.setBigUint64(8 * n, 0n);
        file.write(l1Offset + 8 * n, new Uint8Array(8));
      }
    }
    // A block of counts that is missing takes a cluster itself, which may want another one.
    for (let index = 0; this.#blockStart(index) < this.#end; index++) {
      if (this.#block(index) !== 0) continue;
      inUse[this.#addBlock(index) / clusterBytes] = 1;
      index = -1;
    }
    for (let index = 0; this.#blockStart(index) < this.#end; index++) this.#recount(index, inUse);
    file.flush();
    this.findFree();
  }

  #repairTable(at: number, known: (at: number) => boolean, use: (at: number, bytes: number) => void): void {
    const { clusterBytes } = this.header;
    const table = load(this.file, at, clusterBytes);
    let changed = false;
    for (let n = 0; n < clusterBytes / 8; n++) {
      const entry = table.getBigUint64(8 * n);
      if (entry === 0n) continue;
      if ((entry & COMPRESSED) !== 0n) {
        throw new Error("as qcow2: it wasn't closed, and has compressed clusters; qemu-img check -r all repairs it");
      }
      const data = Number(entry & OFFSET_MASK);
      if (data !== 0 && known(data)) use(data, clusterBytes);
      else if (data !== 0) {
        table.setBigUint64(8 * n, 0n);
        changed = true;
      }
    }
    if (changed) this.file.write(at, new Uint8Array(table.buffer));
  }

  /** Writes a block of counts as it should be, where it isn't. */
  #recount(index: number, inUse: Uint8Array): void {
    const { clusterBytes } = this.header;
    const first = this.#blockStart(index) / clusterBytes;
    const wanted = inUse.subarray(first, first + clusterBytes / COUNT);
    const block = this.#block(index);
    const counts = load(this.file, block, clusterBytes);
    const right = new Uint8Array(clusterBytes);
    wanted.forEach((used, n) => right[COUNT * n + 1] = used);
    if (right.some((byte, n) => byte !== counts.getUint8(n))) this.file.write(block, right);
  }

  #count(at: number, count: 0 | 1): void {
    const index = this.#indexOf(at);
    let block = this.#block(index);
    if (block === 0) {
      block = this.#addBlock(index);
      // It is a cluster as well, and mostly counts itself.
      this.#count(block, 1);
    }
    this.file.write(this.#checked(block) + COUNT * this.#within(at), Uint8Array.of(0, count));
  }

  /** A new block of counts, all 0: at the end of the file. */
  #addBlock(index: number): number {
    const { clusterBytes, refcountTable, refcountTableBytes } = this.header;
    if (8 * index >= refcountTableBytes) throw new Error("the image's table of reference counts is full");
    const block = this.#end;
    this.#end += clusterBytes;
    this.file.write(block, new Uint8Array(clusterBytes));
    this.file.flush();
    const entry = new DataView(new ArrayBuffer(8));
    entry.setBigUint64(0, BigInt(block));
    this.file.write(refcountTable + 8 * index, new Uint8Array(entry.buffer));
    return block;
  }

  /** Where a block of counts is, or 0. */
  #block(index: number): number {
    const { refcountTable, refcountTableBytes } = this.header;
    if (8 * index >= refcountTableBytes) return 0;
    return Number(load(this.file, refcountTable + 8 * index, 8).getBigUint64(0) & OFFSET_MASK);
  }

  #checked(block: number): number {
    if (block !== 0 && block % this.header.clusterBytes === 0 && block < this.#end) return block;
    throw new Error(`the image has no reference counts at 0x${block.toString(16)}`);
  }

  #indexOf(at: number): number {
    const { clusterBytes } = this.header;
    return Math.floor(at / clusterBytes / (clusterBytes / COUNT));
  }

  /** Number of a cluster's count in its block. */
  #within(at: number): number {
    const { clusterBytes } = this.header;
    return at / clusterBytes % (clusterBytes / COUNT);
  }

  /** First cluster that a block of counts is for, in bytes. */
  #blockStart(index: number): number {
    return index * (this.header.clusterBytes / COUNT) * this.header.clusterBytes;
  }
}
