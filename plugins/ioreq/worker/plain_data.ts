/**
 * A device's state as bytes: all that a structured clone of plain data knows. Written with every answer, so it has to be quick; and read
 * by the hypervisor from what a Worker wrote, so any bytes at all give a value or a `RangeError`, with work in proportion to their number.
 */

const Tag = {
  UNDEFINED: 0,
  NULL: 1,
  FALSE: 2,
  TRUE: 3,
  INTEGER: 4,
  NUMBER: 5,
  TEXT: 6,
  BIGINT: 7,
  ARRAY: 8,
  OBJECT: 9,
  MAP: 10,
  SET: 11,
  VIEW: 12,
} as const;

/** Kinds of views, by their place. */
const views = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
] as const;

/** Nesting beyond this is taken for a cycle. */
const DEPTH = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Writes values into a buffer. */
export class PlainWriter {
  readonly #view: DataView;
  #at = 0;

  constructor(private readonly into: Uint8Array) {
    this.#view = new DataView(into.buffer, into.byteOffset, into.length);
  }

  /** Bytes that the value takes. Throws a `RangeError` when it doesn't fit, and a `TypeError` when it isn't plain data. */
  write(value: unknown): number {
    this.#at = 0;
    this.#value(value, 0);
    return this.#at;
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "undefined":
        return this.#tag(Tag.UNDEFINED);
      case "boolean":
        return this.#tag(value ? Tag.TRUE : Tag.FALSE);
      case "number":
        return this.#number(value);
      case "string":
        this.#tag(Tag.TEXT);
        return this.#text(value);
      case "bigint":
        this.#tag(Tag.BIGINT);
        return this.#text(value.toString(16));
      case "object":
        if (value === null) return this.#tag(Tag.NULL);
        if (depth > DEPTH) throw new TypeError("state that is nested too deep, or contains itself");
        return this.#object(value, depth + 1);
      default:
        throw new TypeError(`state with a ${typeof value} in it`);
    }
  }

  #number(value: number): void {
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.#tag(Tag.INTEGER);
      this.#view.setInt32(this.#room(4), value, true);
    } else {
      this.#tag(Tag.NUMBER);
      this.#view.setFloat64(this.#room(8), value, true);
    }
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) {
      this.#head(Tag.ARRAY, value.length);
      for (const item of value) this.#value(item, depth);
    } else if (ArrayBuffer.isView(value)) {
      this.#bytes(value);
    } else if (value instanceof Map) {
      this.#head(Tag.MAP, value.size);
      for (const [key, item] of value) {
        this.#value(key, depth);
        this.#value(item, depth);
      }
    } else if (value instanceof Set) {
      this.#head(Tag.SET, value.size);
      for (const item of value) this.#value(item, depth);
    } else {
      const keys = Object.keys(value);
      this.#head(Tag.OBJECT, keys.length);
      for (const key of keys) {
        this.#text(key);
        this.#value((value as Record<string, unknown>)[key], depth);
      }
    }
  }

  #bytes(value: ArrayBufferView): void {
    const kind = views.findIndex((View) => value instanceof View);
    if (kind < 0) throw new TypeError("state with a view of an unknown kind in it");
    this.#head(Tag.VIEW, value.byteLength);
    this.into[this.#room(1)] = kind;
    this.into.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), this.#room(value.byteLength));
  }

  #head(tag: number, length: number): void {
    this.#tag(tag);
    this.#view.setUint32(this.#room(4), length, true);
  }

  #tag(tag: number): void {
    this.into[this.#room(1)] = tag;
  }

  #text(text: string): void {
    const place = this.#room(4);
    const start = this.#room(text.length);
    let n = 0;
    for (; n < text.length; n++) {
      const code = text.charCodeAt(n);
      if (code > 127) break;
      this.into[start + n] = code;
    }
    if (n < text.length) {
      const bytes = encoder.encode(text);
      this.#room(bytes.length - text.length);
      this.into.set(bytes, start);
    }
    this.#view.setUint32(place, this.#at - start, true);
  }

  #room(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.into.length) throw new RangeError(`its state takes more than the ${this.into.length} bytes that are kept of it`);
    return at;
  }
}

/** Reads a value. Throws a `RangeError` for bytes that are none. */
export function readPlain(bytes: Uint8Array): unknown {
  const reader = new PlainReader(bytes);
  const value = reader.value(0);
  if (!reader.isAtEnd) throw new RangeError("there is more than one value");
  return value;
}

class PlainReader {
  readonly #view: DataView;
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at === this.bytes.length;
  }

  value(depth: number): unknown {
    if (depth > DEPTH + 1) throw new RangeError("nested too deep");
    const tag = this.bytes[this.#take(1)];
    switch (tag) {
      case Tag.UNDEFINED:
        return undefined;
      case Tag.NULL:
        return null;
      case Tag.FALSE:
      case Tag.TRUE:
        return tag === Tag.TRUE;
      case Tag.INTEGER:
        return this.#view.getInt32(this.#take(4), true);
      case Tag.NUMBER:
        return this.#view.getFloat64(this.#take(8), true);
      case Tag.TEXT:
        return this.#text();
      case Tag.BIGINT:
        return this.#bigint();
      case Tag.ARRAY:
        return this.#items(depth);
      case Tag.SET:
        return new Set(this.#items(depth));
      case Tag.OBJECT:
        return this.#object(depth);
      case Tag.MAP:
        return new Map(Array.from({ length: this.#count(2) }, () => [this.value(depth + 1), this.value(depth + 1)]));
      case Tag.VIEW:
        return this.#typed();
      default:
        throw new RangeError(`no value begins with ${tag}`);
    }
  }

  #items(depth: number): unknown[] {
    return Array.from({ length: this.#count(1) }, () => this.value(depth + 1));
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (let count = this.#count(5); count > 0; count--) {
      const key = this.#text();
      // Assigned, it would be the object's prototype.
      if (key === "__proto__") throw new RangeError("a key __proto__");
      object[key] = this.value(depth + 1);
    }
    return object;
  }

  #typed(): ArrayBufferView {
    const length = this.#view.getUint32(this.#take(4), true);
    const View = views[this.bytes[this.#take(1)]];
    if (View === undefined || length % View.BYTES_PER_ELEMENT !== 0) throw new RangeError(`a view of ${length} bytes`);
    const start = this.#take(length);
    return new View(this.bytes.slice(start, start + length).buffer);
  }

  #bigint(): bigint {
    const text = this.#text();
    if (!/^-?[0-9a-f]{1,4096}$/.test(text)) throw new RangeError("a number that is none");
    return text.startsWith("-") ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
  }

  #text(): string {
    const length = this.#view.getUint32(this.#take(4), true);
    const start = this.#take(length);
    try {
      return decoder.decode(this.bytes.slice(start, start + length));
    } catch {
      throw new RangeError("text that is none");
    }
  }

  /** How many items follow: no more than there can be, at so many bytes each. */
  #count(least: number): number {
    const count = this.#view.getUint32(this.#take(4), true);
    if (count * least > this.bytes.length - this.#at) throw new RangeError(`${count} items in ${this.bytes.length - this.#at} bytes`);
    return count;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.bytes.length - at) throw new RangeError(`${count} bytes, and ${this.bytes.length - at} are left`);
    this.#at += count;
    return at;
  }
}
