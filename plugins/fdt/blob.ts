/**
 * Flattened device tree blobs, version 17: Devicetree Specification, "Flattened
 * Devicetree (DTB) Format". All fields are big-endian.
 *
 * The decoder reads what a user supplies, so every offset and length is checked;
 * it throws a {@linkcode DeviceTreeError} and nothing else.
 * @module
 */
import { DeviceTreeError } from "./node.ts";
import type { Fdt, FdtNode } from "./node.ts";

const MAGIC = 0xd00dfeed;
const HEADER_BYTES = 40;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;

const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const NOP = 4;
const END = 9;

/** Nodes deeper than this are refused: no real tree has them, and the walk is recursive. */
const DEPTH_LIMIT = 64;

/** Collects big-endian words and bytes. */
class Writer {
  private data = new Uint8Array(4096);
  private view = new DataView(this.data.buffer);
  length = 0;

  private room(bytes: number): void {
    if (this.length + bytes <= this.data.length) return;
    const larger = new Uint8Array(Math.max(this.data.length * 2, this.length + bytes));
    larger.set(this.data.subarray(0, this.length));
    this.data = larger;
    this.view = new DataView(larger.buffer);
  }

  word(value: number): void {
    this.room(4);
    this.view.setUint32(this.length, value);
    this.length += 4;
  }

  /** Bytes, padded with zeros to a multiple of 4. */
  padded(bytes: Uint8Array): void {
    this.room(bytes.length + 3);
    this.data.set(bytes, this.length);
    const end = (this.length + bytes.length + 3) & ~3;
    this.data.fill(0, this.length + bytes.length, end);
    this.length = end;
  }

  bytes(): Uint8Array {
    return this.data.subarray(0, this.length);
  }
}

/** Property names, each stored once. */
class Strings {
  private readonly offsets = new Map<string, number>();
  private readonly parts: Uint8Array[] = [];
  length = 0;

  offset(name: string): number {
    const known = this.offsets.get(name);
    if (known !== undefined) return known;
    const bytes = new TextEncoder().encode(`${name}\0`);
    const at = this.length;
    this.offsets.set(name, at);
    this.parts.push(bytes);
    this.length += bytes.length;
    return at;
  }

  copyTo(target: Uint8Array, at: number): void {
    for (const part of this.parts) {
      target.set(part, at);
      at += part.length;
    }
  }
}

/** Flattens a tree. */
export function encodeFdt(fdt: Fdt): Uint8Array {
  const struct = new Writer();
  const strings = new Strings();
  const text = new TextEncoder();
  const emit = (node: FdtNode): void => {
    struct.word(BEGIN_NODE);
    struct.padded(text.encode(`${node.name}\0`));
    for (const [name, value] of node.properties) {
      struct.word(PROP);
      struct.word(value.length);
      struct.word(strings.offset(name));
      struct.padded(value);
    }
    for (const child of node.children) emit(child);
    struct.word(END_NODE);
  };
  emit(fdt.root);
  struct.word(END);

  const structAt = HEADER_BYTES + 16 * (fdt.reserved.length + 1);
  const stringsAt = structAt + struct.length;
  // A multiple of 8, so that whatever follows in memory stays aligned.
  const totalSize = (stringsAt + strings.length + 7) & ~7;
  const blob = new Uint8Array(totalSize);
  const view = new DataView(blob.buffer);
  const header = [
    MAGIC,
    totalSize,
    structAt,
    stringsAt,
    HEADER_BYTES,
    VERSION,
    LAST_COMPATIBLE_VERSION,
    fdt.bootCpu,
    strings.length,
    struct.length,
  ];
  header.forEach((word, index) => view.setUint32(index * 4, word));
  fdt.reserved.forEach(({ at, size }, index) => {
    view.setBigUint64(HEADER_BYTES + index * 16, at);
    view.setBigUint64(HEADER_BYTES + index * 16 + 8, size);
  });
  blob.set(struct.bytes(), structAt);
  strings.copyTo(blob, stringsAt);
  return blob;
}

/** Reads a blob of version 16 or 17 back into nodes. */
export function decodeFdt(blob: Uint8Array): Fdt {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  if (blob.length < HEADER_BYTES || view.getUint32(0) !== MAGIC) {
    throw new DeviceTreeError("not a flattened device tree: no magic d00dfeed");
  }
  const field = (index: number) => view.getUint32(index * 4);
  const totalSize = field(1);
  if (totalSize > blob.length) throw new DeviceTreeError(`truncated: the header says ${totalSize} bytes, the blob has ${blob.length}`);
  if (field(5) < 16 || field(6) > VERSION) throw new DeviceTreeError(`version ${field(5)} (compatible with ${field(6)}), want 16 or 17`);
  const stringsAt = field(3);
  if (stringsAt > totalSize) throw new DeviceTreeError("the strings block starts outside the blob");
  let at = field(2);

  const word = (): number => {
    if (at + 4 > totalSize) throw new DeviceTreeError("the structure block runs past the end of the blob");
    const value = view.getUint32(at);
    at += 4;
    return value;
  };
  const stringAt = (from: number): string => {
    const end = from < totalSize ? blob.indexOf(0, from) : -1;
    if (end < 0 || end >= totalSize) throw new DeviceTreeError("a name has no end");
    return new TextDecoder().decode(blob.subarray(from, end));
  };
  const node = (depth: number): FdtNode => {
    if (depth > DEPTH_LIMIT) throw new DeviceTreeError(`nodes nested deeper than ${DEPTH_LIMIT}`);
    const name = stringAt(at);
    at = (at + new TextEncoder().encode(name).length + 4) & ~3;
    const result: FdtNode = { name, properties: new Map(), children: [] };
    for (;;) {
      const token = word();
      if (token === PROP) {
        const length = word();
        const property = stringAt(stringsAt + word());
        if (at + length > totalSize) throw new DeviceTreeError(`property ${property} runs past the end of the blob`);
        result.properties.set(property, blob.slice(at, at + length));
        at = (at + length + 3) & ~3;
      } else if (token === BEGIN_NODE) result.children.push(node(depth + 1));
      else if (token === END_NODE) return result;
      else if (token !== NOP) throw new DeviceTreeError(`unknown token ${token} in the structure block`);
    }
  };

  const reserved: { at: bigint; size: bigint }[] = [];
  for (let entry = field(4);; entry += 16) {
    if (entry + 16 > totalSize) throw new DeviceTreeError("the memory reservation block has no end");
    const range = { at: view.getBigUint64(entry), size: view.getBigUint64(entry + 8) };
    if (range.at === 0n && range.size === 0n) break;
    reserved.push(range);
  }
  let token = word();
  while (token === NOP) token = word();
  if (token !== BEGIN_NODE) throw new DeviceTreeError("the structure block doesn't start with a node");
  return { root: node(0), reserved, bootCpu: field(7) };
}
