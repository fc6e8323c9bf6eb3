/** Messages as bytes: little-endian numbers, texts with their length before them. A message that is too short is EPROTO. */
import { FolderError } from "../../../core/mod.ts";
import type { FolderStat } from "../../../core/mod.ts";
import { HEADER, NAME_MAX, Qid } from "./protocol.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** What a file is known by: 13 bytes. */
export interface QidValue {
  readonly type: number;
  readonly version: number;
  readonly path: number;
}

/** Takes a request apart. */
export class Reader {
  readonly #view: DataView;
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Bytes that nobody has read yet. */
  get left(): number {
    return this.bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Exact, for what is only handed back. */
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** An offset or a size: EFBIG beyond what a number holds, and no file is that large. */
  size(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FolderError("EFBIG");
    return Number(value);
  }

  /** EILSEQ when it isn't Unicode. */
  text(): string {
    const bytes = this.data(this.u16());
    try {
      return decoder.decode(bytes);
    } catch {
      throw new FolderError("EILSEQ");
    }
  }

  /** The name of something new or old in a directory. */
  name(): string {
    const length = this.#view.byteLength - this.#at < 2 ? 0 : this.#view.getUint16(this.#at, true);
    if (length > NAME_MAX) throw new FolderError("ENAMETOOLONG");
    const name = this.text();
    if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) throw new FolderError("EINVAL");
    return name;
  }

  /** The message's own bytes. */
  data(size: number): Uint8Array {
    const at = this.#take(size);
    return this.bytes.subarray(at, at + size);
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.bytes.length) throw new FolderError("EPROTO");
    this.#at += size;
    return at;
  }
}

/** Puts an answer together. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = HEADER;

  /** `size`: how long the answer will be, as far as known. */
  constructor(size: number = 256) {
    this.#bytes = new Uint8Array(HEADER + size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes behind the header so far. */
  get length(): number {
    return this.#at - HEADER;
  }

  /** What is behind the header so far. */
  get body(): Uint8Array {
    return this.#bytes.subarray(HEADER, this.#at);
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: number | bigint): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    return this;
  }

  text(text: string): this {
    const bytes = encoder.encode(text);
    this.u16(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  qid({ type, version, path }: QidValue): this {
    return this.u8(type).u32(version).u64(path);
  }

  /** Room for data, to be filled at once, and what of it was used. */
  data(size: number, fill: (into: Uint8Array) => number): this {
    const count = this.#at;
    this.u32(0);
    const at = this.#room(size);
    const filled = fill(this.#bytes.subarray(at, at + size));
    this.#at = at + filled;
    this.#view.setUint32(count, filled, true);
    return this;
  }

  /** The whole message. */
  finish(type: number, tag: number): Uint8Array {
    this.#view.setUint32(0, this.#at, true);
    this.#view.setUint8(4, type);
    this.#view.setUint16(5, tag, true);
    return this.#bytes.subarray(0, this.#at);
  }

  /** Where the next bytes go. The buffer may be another one afterwards. */
  #room(size: number): number {
    const at = this.#at;
    this.#at += size;
    if (this.#at > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#at, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Bytes that a text takes. */
export const textBytes = (text: string): number => encoder.encode(text).length;

/** The type of a qid for something in a folder. */
export function qidType({ kind }: FolderStat): number {
  return kind === "directory" ? Qid.DIRECTORY : kind === "symlink" ? Qid.SYMLINK : Qid.FILE;
}
