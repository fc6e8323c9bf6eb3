/**
 * Plain data as bytes: what structured clone takes, without what has no place in a plugin's state (functions, class instances, dates).
 * Numbers, strings and typed arrays come back as they were; an object that is reached twice comes back as one.
 */

/** Something that isn't plain data, or bytes that aren't a value. Says where. */
export class CodecError extends Error {
  /** For whoever compares names. */
  override readonly name = "CodecError";
}

const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  integer: 4,
  float: 5,
  bigint: 6,
  string: 7,
  array: 8,
  object: 9,
  map: 10,
  set: 11,
  typed: 12,
  again: 13,
} as const;

const TYPED = [
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  BigUint64Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
  Uint8ClampedArray,
] as const;
type Typed = InstanceType<typeof TYPED[number]>;

/** Nesting that no honest state has. */
const MAX_DEPTH = 100;

/** Turns a value into bytes. Throws a {@linkcode CodecError} that names the place of what can't be. */
export function encode(value: unknown): Uint8Array {
  const writer = new Writer();
  writer.value(value, []);
  return writer.bytes();
}

/** The counterpart of {@linkcode encode}. Throws a {@linkcode CodecError} for anything else; never takes more memory than the bytes warrant. */
export function decode(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.atEnd) throw new CodecError("there are bytes behind the value");
  return value;
}

function placeText(path: readonly string[]): string {
  return path.join(".") || "the value";
}

class Writer {
  #buffer = new Uint8Array(1 << 12);
  #view = new DataView(this.#buffer.buffer);
  #size = 0;
  readonly #seen = new Map<object, number>();

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#size);
  }

  value(value: unknown, path: string[]): void {
    switch (typeof value) {
      case "undefined":
        return this.#byte(TAG.undefined);
      case "boolean":
        return this.#byte(value ? TAG.true : TAG.false);
      case "number":
        return this.#number(value);
      case "bigint":
        return this.#bigint(value);
      case "string":
        this.#byte(TAG.string);
        return this.#text(value);
      case "object":
        return value === null ? this.#byte(TAG.null) : this.#object(value, path);
    }
    throw new CodecError(`${placeText(path)} is a ${typeof value}, which is no plain data`);
  }

  #object(value: object, path: string[]): void {
    const seen = this.#seen.get(value);
    if (seen !== undefined) {
      this.#byte(TAG.again);
      return this.#count(seen);
    }
    this.#seen.set(value, this.#seen.size);
    if (path.length > MAX_DEPTH) throw new CodecError(`${placeText(path)}: nested too deep`);
    if (Array.isArray(value)) {
      this.#byte(TAG.array);
      this.#count(value.length);
      for (let index = 0; index < value.length; index++) this.#inside(value[index], String(index), path);
    } else if (value instanceof Map) {
      this.#byte(TAG.map);
      this.#count(value.size);
      for (const [key, item] of value) {
        this.#inside(key, "key", path);
        this.#inside(item, typeof key === "object" ? "value" : String(key), path);
      }
    } else if (value instanceof Set) {
      this.#byte(TAG.set);
      this.#count(value.size);
      for (const item of value) this.#inside(item, "item", path);
    } else if (ArrayBuffer.isView(value)) {
      this.#typed(value, path);
    } else {
      const prototype = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) {
        throw new CodecError(`${placeText(path)} is a ${value.constructor?.name ?? "class instance"}, which is no plain data`);
      }
      const entries = Object.entries(value);
      this.#byte(TAG.object);
      this.#count(entries.length);
      for (const [key, item] of entries) {
        this.#text(key);
        this.#inside(item, key, path);
      }
    }
  }

  #inside(value: unknown, name: string, path: string[]): void {
    path.push(name);
    this.value(value, path);
    path.pop();
  }

  #typed(value: ArrayBufferView, path: readonly string[]): void {
    const kind = TYPED.findIndex((type) => value.constructor === type);
    if (kind < 0) throw new CodecError(`${placeText(path)} is a ${value.constructor.name}, which is no plain data`);
    this.#byte(TAG.typed);
    this.#byte(kind);
    this.#count(value.byteLength);
    this.#room(value.byteLength);
    this.#buffer.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), this.#size);
    this.#size += value.byteLength;
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.#byte(TAG.integer);
      this.#byte(value < 0 ? 1 : 0);
      return this.#count(Math.abs(value));
    }
    this.#byte(TAG.float);
    this.#room(8);
    this.#view.setFloat64(this.#size, value, true);
    this.#size += 8;
  }

  #bigint(value: bigint): void {
    this.#byte(TAG.bigint);
    this.#byte(value < 0n ? 1 : 0);
    this.#text((value < 0n ? -value : value).toString(16));
  }

  #text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#count(bytes.length);
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  /** Seven bits at a time, the low ones first. */
  #count(value: number): void {
    while (value >= 0x80) {
      this.#byte((value % 0x80) | 0x80);
      value = Math.floor(value / 0x80);
    }
    this.#byte(value);
  }

  #byte(value: number): void {
    this.#room(1);
    this.#buffer[this.#size++] = value;
  }

  #room(bytes: number): void {
    if (this.#size + bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.#size + bytes));
    larger.set(this.#buffer.subarray(0, this.#size));
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}

class Reader {
  #at = 0;
  readonly #view: DataView;
  readonly #objects: object[] = [];

  constructor(readonly data: Uint8Array) {
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.data.length;
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH + 1) throw new CodecError("nested too deep");
    const tag = this.#byte();
    switch (tag) {
      case TAG.undefined:
        return undefined;
      case TAG.null:
        return null;
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.integer: {
        const negative = this.#byte() !== 0;
        const size = this.#count();
        return negative ? -size : size;
      }
      case TAG.float:
        return this.#view.getFloat64(this.#skip(8), true);
      case TAG.bigint:
        return this.#bigint();
      case TAG.string:
        return this.#text();
      case TAG.array:
        return this.#array(depth);
      case TAG.object:
        return this.#object(depth);
      case TAG.map:
        return this.#map(depth);
      case TAG.set:
        return this.#set(depth);
      case TAG.typed:
        return this.#typed();
      case TAG.again: {
        const found = this.#objects[this.#count()];
        if (found === undefined) throw new CodecError("it speaks of an object that hasn't come");
        return found;
      }
    }
    throw new CodecError(`there is no value of kind ${tag}`);
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    this.#objects.push(array);
    for (let left = this.#items(); left > 0; left--) array.push(this.value(depth + 1));
    return array;
  }

  #object(depth: number): object {
    const object: Record<string, unknown> = {};
    this.#objects.push(object);
    for (let left = this.#items(); left > 0; left--) {
      const key = this.#text();
      if (key === "__proto__") throw new CodecError("a key is __proto__");
      object[key] = this.value(depth + 1);
    }
    return object;
  }

  #map(depth: number): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    this.#objects.push(map);
    for (let left = this.#items(); left > 0; left--) {
      const key = this.value(depth + 1);
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  #set(depth: number): Set<unknown> {
    const set = new Set<unknown>();
    this.#objects.push(set);
    for (let left = this.#items(); left > 0; left--) set.add(this.value(depth + 1));
    return set;
  }

  #typed(): Typed {
    const type = TYPED[this.#byte()];
    if (type === undefined) throw new CodecError("there is no such typed array");
    const size = this.#count();
    if (size % type.BYTES_PER_ELEMENT !== 0) throw new CodecError(`a ${type.name} of ${size} bytes`);
    const at = this.#skip(size);
    const typed = new type(this.data.slice(at, at + size).buffer);
    this.#objects.push(typed);
    return typed;
  }

  #bigint(): bigint {
    const negative = this.#byte() !== 0;
    const text = this.#text();
    if (!/^[0-9a-f]+$/.test(text)) throw new CodecError("a bigint without digits");
    return negative ? -BigInt(`0x${text}`) : BigInt(`0x${text}`);
  }

  #text(): string {
    const size = this.#count();
    const at = this.#skip(size);
    return new TextDecoder().decode(this.data.subarray(at, at + size));
  }

  /** A number of things that take at least a byte each. */
  #items(): number {
    const count = this.#count();
    if (count > this.data.length - this.#at) throw new CodecError("it ends too early");
    return count;
  }

  #count(): number {
    let value = 0;
    for (let scale = 1;; scale *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw new CodecError("a number is too large");
      if (byte < 0x80) return value;
    }
  }

  #byte(): number {
    return this.data[this.#skip(1)];
  }

  #skip(bytes: number): number {
    const at = this.#at;
    if (bytes > this.data.length - at) throw new CodecError("it ends too early");
    this.#at = at + bytes;
    return at;
  }
}
