/**
 * Register blocks declared as data: offsets, access, reset values, fields. The declaration makes the
 * initial state (plain data), the MMIO handler, and readers and writers of fields.
 *
 * A guest may access any offset with any width: holes and widths that a block doesn't have are RAZ/WI.
 */
import type { Vcpu } from "../machine/domain.ts";
import type { MmioHandler } from "./exceptions.ts";
import { hex } from "../memory/address.ts";

/** A bit, or bits from high to low, inclusive. */
export type Bits = number | readonly [high: number, low: number];

/** One register of 32 bits at most. */
export interface RegisterSpec {
  /** Byte offset in the block. */
  readonly at: number;
  /** `w1c`: writing 1 to a bit clears it. */
  readonly access: "rw" | "ro" | "wo" | "w1c";
  /** 0 when absent. */
  readonly reset?: number;
  /** Bits that exist. When given, all others are RAZ/WI; when absent, every bit exists. */
  readonly fields?: Readonly<Record<string, Bits>>;
  /** Named in the manual, and RAZ/WI here. */
  readonly unimplemented?: Readonly<Record<string, Bits>>;
  /** An array of so many registers; its state is a list. */
  readonly count?: number;
  /** Bytes from one to the next; the block's width when absent. */
  readonly stride?: number;
}

/** State of a block: a number for each register, a list for each array. */
export type RegisterState<R extends Record<string, RegisterSpec>> = {
  -readonly [K in keyof R]: R[K] extends { readonly count: number } ? number[] : number;
};

/** What a device does at a register. `index` is the place in an array, else 0. */
export interface RegisterHook {
  /** The value of a read, in place of the stored one. */
  read?(index: number, vcpu: Vcpu | undefined): number;
  /** After a write was stored (`rw`, `w1c`); for `wo` nothing is stored. `value` is what was written, bits that don't exist cleared. */
  write?(value: number, index: number, vcpu: Vcpu | undefined): void;
}

/** Hooks by register. */
export type RegisterHooks<R extends Record<string, RegisterSpec>> = { readonly [K in keyof R]?: RegisterHook };

/** Rules of a block. */
export interface BlockOptions {
  /** Access widths in bytes that work. Only the block's own when absent. */
  readonly widths?: readonly (1 | 2 | 4 | 8)[];
  /** Bytes of the block, for a check that registers fit. */
  readonly size?: number;
}

/** A declared block. */
export interface RegisterBlock<R extends Record<string, RegisterSpec>> {
  /** As declared. */
  readonly specs: R;
  /** State after reset. */
  reset(): RegisterState<R>;
  /** Serves a window from state and hooks. */
  handler(state: RegisterState<R>, hooks?: RegisterHooks<R>): MmioHandler;
  /** A field of a value, shifted down. */
  field<K extends keyof R>(register: K, field: string, value: number): number;
  /** A value with a field replaced. */
  withField<K extends keyof R>(register: K, field: string, value: number, content: number): number;
  /** Name and index of the register at an offset, for traces. */
  nameAt(offset: number): string | undefined;
}

interface Place {
  readonly name: string;
  readonly index: number;
  readonly access: RegisterSpec["access"];
  readonly mask: number;
  readonly isArray: boolean;
}

function bitMask(bits: Bits): number {
  const [high, low] = typeof bits === "number" ? [bits, bits] : bits;
  return (2 ** (high + 1) - 2 ** low) >>> 0;
}

/** Checks one register and returns the mask of the bits that exist. */
function checkSpec(name: string, spec: RegisterSpec, width: number): number {
  const all = (2 ** width - 1) >>> 0;
  let seen = 0;
  let mask = 0;
  for (const [group, exists] of [[spec.fields, true], [spec.unimplemented, false]] as const) {
    for (const [field, bits] of Object.entries(group ?? {})) {
      const [high, low] = typeof bits === "number" ? [bits, bits] : bits;
      if (high >= width || low < 0 || high < low) throw new RangeError(`${name}.${field}: bits ${high} to ${low} of ${width}`);
      const these = bitMask(bits);
      if ((seen & these) !== 0) throw new RangeError(`${name}.${field} shares bits with another field`);
      seen |= these;
      if (exists) mask |= these;
    }
  }
  if (((spec.reset ?? 0) & ~all) !== 0) throw new RangeError(`${name}: reset value ${hex(spec.reset!)} is wider than ${width} bits`);
  return spec.fields === undefined ? (all & ~seen) >>> 0 : mask >>> 0;
}

/** Declares a block of registers that are `width` bits wide. Throws a `RangeError` when registers or fields overlap. */
export function registers<const R extends Record<string, RegisterSpec>>(
  width: 8 | 16 | 32,
  specs: R,
  options: BlockOptions = {},
): RegisterBlock<R> {
  const bytes = width / 8;
  const places = new Map<number, Place>();
  const claimed = new Map<number, string>();
  for (const [name, spec] of Object.entries(specs)) {
    const mask = checkSpec(name, spec, width);
    for (let index = 0; index < (spec.count ?? 1); index++) {
      const at = spec.at + index * (spec.stride ?? bytes);
      if (!Number.isInteger(at) || at < 0 || at % bytes !== 0) {
        throw new RangeError(`${name}: offset ${hex(at)} isn't a multiple of ${bytes}`);
      }
      if (options.size !== undefined && at + bytes > options.size) {
        throw new RangeError(`${name}: offset ${hex(at)} lies beyond the block's ${hex(options.size)} bytes`);
      }
      const other = claimed.get(at);
      if (other !== undefined) throw new RangeError(`${name} and ${other} are both at offset ${hex(at)}`);
      claimed.set(at, name);
      places.set(at, { name, index, access: spec.access, mask, isArray: spec.count !== undefined });
    }
  }
  const widths = new Set<number>(options.widths ?? [bytes]);
  const fieldBits = (register: keyof R, field: string): Bits => {
    const bits = specs[register].fields?.[field];
    if (bits === undefined) throw new RangeError(`${String(register)} has no field ${field}`);
    return bits;
  };
  return {
    specs,
    reset() {
      const entries = Object.entries<RegisterSpec>(specs).map(([name, { reset = 0, count }]) => [
        name,
        count === undefined ? reset >>> 0 : new Array<number>(count).fill(reset >>> 0),
      ]);
      return Object.fromEntries(entries) as RegisterState<R>;
    },
    handler: (state, hooks = {}) => blockHandler(bytes, widths, places, state as Record<string, number | number[]>, hooks),
    field(register, field, value) {
      const bits = fieldBits(register, field);
      return ((value & bitMask(bits)) >>> 0) >>> (typeof bits === "number" ? bits : bits[1]);
    },
    withField(register, field, value, content) {
      const bits = fieldBits(register, field);
      const mask = bitMask(bits);
      return ((value & ~mask) | ((content << (typeof bits === "number" ? bits : bits[1])) & mask)) >>> 0;
    },
    nameAt(offset) {
      const place = places.get(offset - (offset % bytes));
      return place && (place.isArray ? `${place.name}[${place.index}]` : place.name);
    },
  };
}

/** Bits of so many bytes. */
const MASKS: readonly number[] = [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff];

function blockHandler(
  bytes: number,
  widths: ReadonlySet<number>,
  places: ReadonlyMap<number, Place>,
  state: Record<string, number | number[]>,
  hooks: { readonly [name: string]: RegisterHook | undefined },
): MmioHandler {
  const stored = ({ name, index }: Place): number => {
    const value = state[name];
    return typeof value === "number" ? value : value[index];
  };
  const store = ({ name, index }: Place, value: number): void => {
    const old = state[name];
    if (typeof old === "number") state[name] = value >>> 0;
    else old[index] = value >>> 0;
  };
  const all = MASKS[bytes];

  function readOne(at: number, vcpu: Vcpu | undefined): number {
    const place = places.get(at);
    if (place === undefined || place.access === "wo") return 0;
    const hook = hooks[place.name];
    return ((hook?.read ? hook.read(place.index, vcpu) : stored(place)) & all) >>> 0;
  }

  /** `lanes`: bits that the access carries. */
  function writeOne(at: number, value: number, lanes: number, vcpu: Vcpu | undefined): void {
    const place = places.get(at);
    if (place === undefined || place.access === "ro") return;
    let written = (value & lanes & place.mask) >>> 0;
    if (place.access === "rw") {
      // Bytes that a narrow access doesn't carry keep what they had.
      written = (written | (stored(place) & place.mask & ~lanes)) >>> 0;
      store(place, (stored(place) & ~place.mask) | written);
    } else if (place.access === "w1c") {
      store(place, stored(place) & ~written);
    }
    hooks[place.name]?.write?.(written, place.index, vcpu);
  }

  return {
    read(offset, size, vcpu) {
      if (!widths.has(size)) return 0;
      if (size <= bytes) {
        const lane = offset % bytes;
        return ((readOne(offset - lane, vcpu) >>> (8 * lane)) & MASKS[size]) >>> 0;
      }
      let value = 0n;
      for (let at = 0; at < size; at += bytes) value |= BigInt(readOne(offset + at, vcpu) >>> 0) << BigInt(8 * at);
      return value;
    },
    write(offset, size, value, vcpu) {
      if (!widths.has(size)) return;
      if (size <= bytes) {
        const lane = offset % bytes;
        const lanes = (MASKS[size] << (8 * lane)) >>> 0;
        writeOne(offset - lane, (Number(BigInt.asUintN(32, value)) << (8 * lane)) >>> 0, lanes, vcpu);
        return;
      }
      for (let at = 0; at < size; at += bytes) {
        writeOne(offset + at, Number(BigInt.asUintN(8 * bytes, value >> BigInt(8 * at))), all, vcpu);
      }
    },
  };
}
