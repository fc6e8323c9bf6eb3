/** Operations by their names in the WebAssembly specification, grouped by signature. */
import { type F32, type F64, type I32, type I64, type Type, type V128, Value } from "./value.ts";

const SIMD = 0xfd << 16;
const ATOMIC = 0xfe << 16;

type Unary<A extends Type, R extends Type> = (a: Value<A>) => Value<R>;
type Binary<A extends Type, R extends Type> = (a: Value<A>, b: Value<A>) => Value<R>;

function table<K extends string, F>(codes: Record<K, number>, make: (code: number) => F): Record<K, F> {
  const out = {} as Record<K, F>;
  for (const key in codes) out[key] = make(codes[key]);
  return out;
}

function unary<A extends Type, R extends Type>(type: R): (code: number) => Unary<A, R> {
  return (code) => (a) => new Value(type, code, [a]);
}

function binary<A extends Type, R extends Type>(type: R): (code: number) => Binary<A, R> {
  return (code) => (a, b) => new Value(type, code, [a, b]);
}

function loader<R extends Type>(type: R, align: number): (code: number) => (address: I32, offset?: number) => Value<R> {
  return (code) => (address, offset = 0) => new Value(type, code, [address], (out) => out.u32(align).u32(offset));
}

/** `a ? b : c` without a branch. */
export function select<T extends Type>(condition: I32, yes: Value<T>, no: Value<T>): Value<T> {
  return new Value(yes.type, 0x1b, [yes, no, condition]);
}

const i32const = (value: number): I32 => new Value("i32", 0x41, [], (out) => out.s32(value), value | 0);
const i64const = (value: bigint): I64 => new Value("i64", 0x42, [], (out) => out.s64(value), BigInt.asIntN(64, value));

const integer32 = {
  ...table(
    { eq: 0x46, ne: 0x47, lt_s: 0x48, lt_u: 0x49, gt_s: 0x4a, gt_u: 0x4b, le_s: 0x4c, le_u: 0x4d, ge_s: 0x4e, ge_u: 0x4f },
    binary<"i32", "i32">("i32"),
  ),
  ...table(
    {
      add: 0x6a,
      sub: 0x6b,
      mul: 0x6c,
      div_s: 0x6d,
      div_u: 0x6e,
      rem_s: 0x6f,
      rem_u: 0x70,
      and: 0x71,
      or: 0x72,
      xor: 0x73,
      shl: 0x74,
      shr_s: 0x75,
      shr_u: 0x76,
      rotl: 0x77,
      rotr: 0x78,
    },
    binary<"i32", "i32">("i32"),
  ),
  ...table({ eqz: 0x45, clz: 0x67, ctz: 0x68, popcnt: 0x69, extend8_s: 0xc0, extend16_s: 0xc1 }, unary<"i32", "i32">("i32")),
};

/** 32-bit integers. */
export const i32 = {
  ...integer32,
  const: i32const,
  wrap: unary<"i64", "i32">("i32")(0xa7),
  reinterpret_f32: unary<"f32", "i32">("i32")(0xbc),
  load: loader("i32", 2)(0x28),
  load8_s: loader("i32", 0)(0x2c),
  load8_u: loader("i32", 0)(0x2d),
  load16_s: loader("i32", 1)(0x2e),
  load16_u: loader("i32", 1)(0x2f),
  trunc_sat_f32_s: unary<"f32", "i32">("i32")(0xfc << 16),
  trunc_sat_f32_u: unary<"f32", "i32">("i32")(0xfc << 16 | 1),
  trunc_sat_f64_s: unary<"f64", "i32">("i32")(0xfc << 16 | 2),
  trunc_sat_f64_u: unary<"f64", "i32">("i32")(0xfc << 16 | 3),
};

/** 64-bit integers. */
export const i64 = {
  ...table(
    { eq: 0x51, ne: 0x52, lt_s: 0x53, lt_u: 0x54, gt_s: 0x55, gt_u: 0x56, le_s: 0x57, le_u: 0x58, ge_s: 0x59, ge_u: 0x5a },
    binary<"i64", "i32">("i32"),
  ),
  ...table(
    {
      add: 0x7c,
      sub: 0x7d,
      mul: 0x7e,
      div_s: 0x7f,
      div_u: 0x80,
      rem_s: 0x81,
      rem_u: 0x82,
      and: 0x83,
      or: 0x84,
      xor: 0x85,
      shl: 0x86,
      shr_s: 0x87,
      shr_u: 0x88,
      rotl: 0x89,
      rotr: 0x8a,
    },
    binary<"i64", "i64">("i64"),
  ),
  ...table({ clz: 0x79, ctz: 0x7a, popcnt: 0x7b, extend8_s: 0xc2, extend16_s: 0xc3, extend32_s: 0xc4 }, unary<"i64", "i64">("i64")),
  eqz: unary<"i64", "i32">("i32")(0x50),
  const: i64const,
  extend_s: unary<"i32", "i64">("i64")(0xac),
  extend_u: unary<"i32", "i64">("i64")(0xad),
  reinterpret_f64: unary<"f64", "i64">("i64")(0xbd),
  load: loader("i64", 3)(0x29),
  load8_s: loader("i64", 0)(0x30),
  load8_u: loader("i64", 0)(0x31),
  load16_s: loader("i64", 1)(0x32),
  load16_u: loader("i64", 1)(0x33),
  load32_s: loader("i64", 2)(0x34),
  load32_u: loader("i64", 2)(0x35),
  trunc_sat_f32_s: unary<"f32", "i64">("i64")(0xfc << 16 | 4),
  trunc_sat_f32_u: unary<"f32", "i64">("i64")(0xfc << 16 | 5),
  trunc_sat_f64_s: unary<"f64", "i64">("i64")(0xfc << 16 | 6),
  trunc_sat_f64_u: unary<"f64", "i64">("i64")(0xfc << 16 | 7),
};

const floatCompare = { eq: 0, ne: 1, lt: 2, gt: 3, le: 4, ge: 5 };
const floatUnary = { abs: 0, neg: 1, ceil: 2, floor: 3, trunc: 4, nearest: 5, sqrt: 6 };
const floatBinary = { add: 0, sub: 1, mul: 2, div: 3, min: 4, max: 5, copysign: 6 };
const shifted = <K extends string>(codes: Record<K, number>, by: number): Record<K, number> => table(codes, (code) => code + by);

/** Single precision. */
export const f32 = {
  ...table(shifted(floatCompare, 0x5b), binary<"f32", "i32">("i32")),
  ...table(shifted(floatUnary, 0x8b), unary<"f32", "f32">("f32")),
  ...table(shifted(floatBinary, 0x92), binary<"f32", "f32">("f32")),
  reinterpret_i32: unary<"i32", "f32">("f32")(0xbe),
  demote: unary<"f64", "f32">("f32")(0xb6),
  convert_i32_s: unary<"i32", "f32">("f32")(0xb2),
  convert_i32_u: unary<"i32", "f32">("f32")(0xb3),
  convert_i64_s: unary<"i64", "f32">("f32")(0xb4),
  convert_i64_u: unary<"i64", "f32">("f32")(0xb5),
  const: (value: number): F32 => new Value("f32", 0x43, [], (out) => out.raw(new Uint8Array(new Float32Array([value]).buffer)), value),
  load: loader("f32", 2)(0x2a),
};

/** Double precision. */
export const f64 = {
  ...table(shifted(floatCompare, 0x61), binary<"f64", "i32">("i32")),
  ...table(shifted(floatUnary, 0x99), unary<"f64", "f64">("f64")),
  ...table(shifted(floatBinary, 0xa0), binary<"f64", "f64">("f64")),
  reinterpret_i64: unary<"i64", "f64">("f64")(0xbf),
  promote: unary<"f32", "f64">("f64")(0xbb),
  convert_i32_s: unary<"i32", "f64">("f64")(0xb7),
  convert_i32_u: unary<"i32", "f64">("f64")(0xb8),
  convert_i64_s: unary<"i64", "f64">("f64")(0xb9),
  convert_i64_u: unary<"i64", "f64">("f64")(0xba),
  const: (value: number): F64 => new Value("f64", 0x44, [], (out) => out.raw(new Uint8Array(new Float64Array([value]).buffer)), value),
  load: loader("f64", 3)(0x2b),
};

const vv = binary<"v128", "v128">("v128");
const v1 = unary<"v128", "v128">("v128");
/** Relaxed SIMD: whether `a * b + c` rounds once depends on the host. */
const multiplyAdd = (code: number) => (a: V128, b: V128, c: V128): V128 => new Value("v128", SIMD | code, [a, b, c]);
const simd = <K extends string>(codes: Record<K, number>) => table(shifted(codes, SIMD), vv);
const simd1 = <K extends string>(codes: Record<K, number>) => table(shifted(codes, SIMD), v1);
const test = <K extends string>(codes: Record<K, number>) => table(shifted(codes, SIMD), unary<"v128", "i32">("i32"));
const shifts = <K extends string>(codes: Record<K, number>) =>
  table(shifted(codes, SIMD), (code) => (a: V128, by: I32): V128 => new Value("v128", code, [a, by]));

function lanes<L extends Type>(type: L, splat: number, extract: Record<string, number>, replace: number) {
  return {
    splat: (a: Value<L>): V128 => new Value("v128", SIMD | splat, [a]),
    replace_lane: (v: V128, lane: number, a: Value<L>): V128 => new Value("v128", SIMD | replace, [v, a], (out) => out.u8(lane)),
    extract: (name: string) => (v: V128, lane: number): Value<L> => new Value(type, SIMD | extract[name], [v], (out) => out.u8(lane)),
  };
}

const l8 = lanes("i32", 0x0f, { s: 0x15, u: 0x16 }, 0x17);
const l16 = lanes("i32", 0x10, { s: 0x18, u: 0x19 }, 0x1a);
const l32 = lanes("i32", 0x11, { x: 0x1b }, 0x1c);
const l64 = lanes("i64", 0x12, { x: 0x1d }, 0x1e);
const lf32 = lanes("f32", 0x13, { x: 0x1f }, 0x20);
const lf64 = lanes("f64", 0x14, { x: 0x21 }, 0x22);

/** 128 bits without lanes. */
export const v128 = {
  ...simd({ and: 0x4e, andnot: 0x4f, or: 0x50, xor: 0x51 }),
  ...simd1({ not: 0x4d }),
  ...test({ any_true: 0x53 }),
  bitselect: (yes: V128, no: V128, mask: V128): V128 => new Value("v128", SIMD | 0x52, [yes, no, mask]),
  /** Low and high 64 bits. */
  const: (low: bigint, high: bigint): V128 =>
    new Value("v128", SIMD | 0x0c, [], (out) => {
      const bytes = new DataView(new ArrayBuffer(16));
      bytes.setBigUint64(0, BigInt.asUintN(64, low), true);
      bytes.setBigUint64(8, BigInt.asUintN(64, high), true);
      out.raw(new Uint8Array(bytes.buffer));
    }),
  load: loader("v128", 4)(SIMD | 0x00),
  load64_zero: loader("v128", 3)(SIMD | 0x5d),
  load32_zero: loader("v128", 2)(SIMD | 0x5c),
};

/** 16 lanes of 8 bits. */
export const i8x16 = {
  ...simd({
    swizzle: 0x0e,
    eq: 0x23,
    ne: 0x24,
    lt_s: 0x25,
    lt_u: 0x26,
    gt_s: 0x27,
    gt_u: 0x28,
    le_s: 0x29,
    le_u: 0x2a,
    ge_s: 0x2b,
    ge_u: 0x2c,
  }),
  ...simd({
    narrow_i16x8_s: 0x65,
    narrow_i16x8_u: 0x66,
    add: 0x6e,
    add_sat_s: 0x6f,
    add_sat_u: 0x70,
    sub: 0x71,
    sub_sat_s: 0x72,
    sub_sat_u: 0x73,
  }),
  ...simd({ min_s: 0x76, min_u: 0x77, max_s: 0x78, max_u: 0x79, avgr_u: 0x7b }),
  ...simd1({ abs: 0x60, neg: 0x61, popcnt: 0x62 }),
  ...test({ all_true: 0x63, bitmask: 0x64 }),
  ...shifts({ shl: 0x6b, shr_s: 0x6c, shr_u: 0x6d }),
  splat: l8.splat,
  extract_lane_s: l8.extract("s"),
  extract_lane_u: l8.extract("u"),
  replace_lane: l8.replace_lane,
  /** Sixteen indices, 0 to 31, into `a` then `b`. */
  shuffle: (a: V128, b: V128, indices: readonly number[]): V128 => new Value("v128", SIMD | 0x0d, [a, b], (out) => out.raw(indices)),
};

/** 8 lanes of 16 bits. */
export const i16x8 = {
  ...simd({ eq: 0x2d, ne: 0x2e, lt_s: 0x2f, lt_u: 0x30, gt_s: 0x31, gt_u: 0x32, le_s: 0x33, le_u: 0x34, ge_s: 0x35, ge_u: 0x36 }),
  ...simd({
    q15mulr_sat_s: 0x82,
    narrow_i32x4_s: 0x85,
    narrow_i32x4_u: 0x86,
    add: 0x8e,
    add_sat_s: 0x8f,
    add_sat_u: 0x90,
    sub: 0x91,
    sub_sat_s: 0x92,
    sub_sat_u: 0x93,
  }),
  ...simd({ mul: 0x95, min_s: 0x96, min_u: 0x97, max_s: 0x98, max_u: 0x99, avgr_u: 0x9b }),
  ...simd({ extmul_low_i8x16_s: 0x9c, extmul_high_i8x16_s: 0x9d, extmul_low_i8x16_u: 0x9e, extmul_high_i8x16_u: 0x9f }),
  ...simd1({ abs: 0x80, neg: 0x81, extadd_pairwise_i8x16_s: 0x7c, extadd_pairwise_i8x16_u: 0x7d }),
  ...simd1({ extend_low_i8x16_s: 0x87, extend_high_i8x16_s: 0x88, extend_low_i8x16_u: 0x89, extend_high_i8x16_u: 0x8a }),
  ...test({ all_true: 0x83, bitmask: 0x84 }),
  ...shifts({ shl: 0x8b, shr_s: 0x8c, shr_u: 0x8d }),
  splat: l16.splat,
  extract_lane_s: l16.extract("s"),
  extract_lane_u: l16.extract("u"),
  replace_lane: l16.replace_lane,
};

/** 4 lanes of 32 bits. */
export const i32x4 = {
  ...simd({ eq: 0x37, ne: 0x38, lt_s: 0x39, lt_u: 0x3a, gt_s: 0x3b, gt_u: 0x3c, le_s: 0x3d, le_u: 0x3e, ge_s: 0x3f, ge_u: 0x40 }),
  ...simd({ add: 0xae, sub: 0xb1, mul: 0xb5, min_s: 0xb6, min_u: 0xb7, max_s: 0xb8, max_u: 0xb9, dot_i16x8_s: 0xba }),
  ...simd({ extmul_low_i16x8_s: 0xbc, extmul_high_i16x8_s: 0xbd, extmul_low_i16x8_u: 0xbe, extmul_high_i16x8_u: 0xbf }),
  ...simd1({ abs: 0xa0, neg: 0xa1, extadd_pairwise_i16x8_s: 0x7e, extadd_pairwise_i16x8_u: 0x7f }),
  ...simd1({ extend_low_i16x8_s: 0xa7, extend_high_i16x8_s: 0xa8, extend_low_i16x8_u: 0xa9, extend_high_i16x8_u: 0xaa }),
  ...simd1({ trunc_sat_f32x4_s: 0xf8, trunc_sat_f32x4_u: 0xf9, trunc_sat_f64x2_s_zero: 0xfc, trunc_sat_f64x2_u_zero: 0xfd }),
  ...test({ all_true: 0xa3, bitmask: 0xa4 }),
  ...shifts({ shl: 0xab, shr_s: 0xac, shr_u: 0xad }),
  splat: l32.splat,
  extract_lane: l32.extract("x"),
  replace_lane: l32.replace_lane,
};

/** 2 lanes of 64 bits. */
export const i64x2 = {
  ...simd({ eq: 0xd6, ne: 0xd7, lt_s: 0xd8, gt_s: 0xd9, le_s: 0xda, ge_s: 0xdb, add: 0xce, sub: 0xd1, mul: 0xd5 }),
  ...simd({ extmul_low_i32x4_s: 0xdc, extmul_high_i32x4_s: 0xdd, extmul_low_i32x4_u: 0xde, extmul_high_i32x4_u: 0xdf }),
  ...simd1({ abs: 0xc0, neg: 0xc1 }),
  ...simd1({ extend_low_i32x4_s: 0xc7, extend_high_i32x4_s: 0xc8, extend_low_i32x4_u: 0xc9, extend_high_i32x4_u: 0xca }),
  ...test({ all_true: 0xc3, bitmask: 0xc4 }),
  ...shifts({ shl: 0xcb, shr_s: 0xcc, shr_u: 0xcd }),
  splat: l64.splat,
  extract_lane: l64.extract("x"),
  replace_lane: l64.replace_lane,
};

/** 4 lanes of single precision. */
export const f32x4 = {
  ...simd({ eq: 0x41, ne: 0x42, lt: 0x43, gt: 0x44, le: 0x45, ge: 0x46 }),
  ...simd({ add: 0xe4, sub: 0xe5, mul: 0xe6, div: 0xe7, min: 0xe8, max: 0xe9, pmin: 0xea, pmax: 0xeb }),
  ...simd1({ abs: 0xe0, neg: 0xe1, sqrt: 0xe3, ceil: 0x67, floor: 0x68, trunc: 0x69, nearest: 0x6a }),
  ...simd1({ convert_i32x4_s: 0xfa, convert_i32x4_u: 0xfb, demote_f64x2_zero: 0x5e }),
  relaxed_madd: multiplyAdd(0x105),
  splat: lf32.splat,
  extract_lane: lf32.extract("x"),
  replace_lane: lf32.replace_lane,
};

/** 2 lanes of double precision. */
export const f64x2 = {
  ...simd({ eq: 0x47, ne: 0x48, lt: 0x49, gt: 0x4a, le: 0x4b, ge: 0x4c }),
  ...simd({ add: 0xf0, sub: 0xf1, mul: 0xf2, div: 0xf3, min: 0xf4, max: 0xf5, pmin: 0xf6, pmax: 0xf7 }),
  ...simd1({ abs: 0xec, neg: 0xed, sqrt: 0xef, ceil: 0x74, floor: 0x75, trunc: 0x7a, nearest: 0x94 }),
  ...simd1({ promote_low_f32x4: 0x5f, convert_low_i32x4_s: 0xfe, convert_low_i32x4_u: 0xff }),
  relaxed_madd: multiplyAdd(0x107),
  splat: lf64.splat,
  extract_lane: lf64.extract("x"),
  replace_lane: lf64.replace_lane,
};

type Rmw32 = (address: I32, value: I32) => I32;
type Rmw64 = (address: I32, value: I64) => I64;
const rmw = <T extends "i32" | "i64">(type: T, code: number, align: number) => (address: I32, value: Value<T>): Value<T> =>
  new Value(type, ATOMIC | code, [address, value], (out) => out.u32(align).u32(0));

/** Read-modify-write, by log2 of the size in bytes. 8 to 32 bits in i32, 64 in i64; the old value comes back. */
export const atomic = {
  /** i32 forms for sizes 0 to 2, i64 for 3. */
  rmw32: (name: AtomicOp, log2Size: number): Rmw32 => rmw("i32", ATOMIC_BASE[name] + [2, 3, 0][log2Size], log2Size),
  rmw64: (name: AtomicOp): Rmw64 => rmw("i64", ATOMIC_BASE[name] + 1, 3),
  cmpxchg32: (log2Size: number) => (address: I32, expected: I32, replacement: I32): I32 =>
    new Value("i32", ATOMIC | [0x4a, 0x4b, 0x48][log2Size], [address, expected, replacement], (out) => out.u32(log2Size).u32(0)),
  /** Zero-extended, by log2 of the size. */
  load64: (log2Size: number) => (address: I32): I64 =>
    new Value("i64", ATOMIC | [0x14, 0x15, 0x16, 0x11][log2Size], [address], (out) => out.u32(log2Size).u32(0)),
  cmpxchg64: (address: I32, expected: I64, replacement: I64): I64 =>
    new Value("i64", ATOMIC | 0x49, [address, expected, replacement], (out) => out.u32(3).u32(0)),
};

/** Names of the atomic operations. */
export type AtomicOp = "add" | "sub" | "and" | "or" | "xor" | "xchg";

/** Opcode of the i32 form; i64 is one up, then i32 8 and 16 bits. */
const ATOMIC_BASE: Readonly<Record<AtomicOp, number>> = { add: 0x1e, sub: 0x25, and: 0x2c, or: 0x33, xor: 0x3a, xchg: 0x41 };

/** Stores are statements: see `FunctionBuilder.store`. Opcode and alignment by name. */
export const stores = {
  "i32": { code: 0x36, align: 2 },
  "i64": { code: 0x37, align: 3 },
  "f32": { code: 0x38, align: 2 },
  "f64": { code: 0x39, align: 3 },
  "i32.8": { code: 0x3a, align: 0 },
  "i32.16": { code: 0x3b, align: 1 },
  "i64.8": { code: 0x3c, align: 0 },
  "i64.16": { code: 0x3d, align: 1 },
  "i64.32": { code: 0x3e, align: 2 },
  "v128": { code: SIMD | 0x0b, align: 4 },
  "i32 atomic": { code: ATOMIC | 0x17, align: 2 },
  "i64 atomic": { code: ATOMIC | 0x18, align: 3 },
  "i64.8 atomic": { code: ATOMIC | 0x1b, align: 0 },
  "i64.16 atomic": { code: ATOMIC | 0x1c, align: 1 },
  "i64.32 atomic": { code: ATOMIC | 0x1d, align: 2 },
} as const;

/** Names of the stores. */
export type Store = keyof typeof stores;

export type { F32, F64, I32, I64, V128 };
