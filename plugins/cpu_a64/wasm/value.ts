/**
 * Expressions of WebAssembly as trees. A tree is emitted where it is used, so a
 * value that is used twice belongs in a local (`FunctionBuilder.let`).
 */
import type { Bytes } from "./bytes.ts";
import { type Code, LOCAL_GET } from "./code.ts";

/** Value types. */
export type Type = "i32" | "i64" | "f32" | "f64" | "v128";

/** Their encodings. */
export const typeCode: Readonly<Record<Type, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A node. `opcode` above 0xff is `prefix << 16 | code`. */
export class Value<T extends Type = Type> {
  constructor(
    readonly type: T,
    readonly opcode: number,
    readonly args: readonly Value[],
    /** Behind the opcode: an unsigned number, or what writes the immediates. */
    readonly immediate?: number | ((out: Bytes) => void),
    /** The number, when it is a constant. */
    readonly constant?: number | bigint,
    /** A local that nothing else is put into while it is in use. */
    readonly isKept: boolean = false,
  ) {}
}

export type I32 = Value<"i32">;
export type I64 = Value<"i64">;
export type F32 = Value<"f32">;
export type F64 = Value<"f64">;
export type V128 = Value<"v128">;

/** Writes a tree. */
export function emit(out: Code, value: Value): void {
  const { args, immediate } = value;
  if (value.opcode === LOCAL_GET) return out.localGet(immediate as number);
  for (let i = 0; i < args.length; i++) emit(out, args[i]);
  opcode(out, value.opcode);
  if (typeof immediate === "number") out.u32(immediate);
  else immediate?.(out);
}

/** Writes an opcode with its prefix. */
export function opcode(out: Bytes, code: number): void {
  if (code > 0xff) out.u8(code >>> 16).u32(code & 0xffff);
  else out.u8(code);
}
