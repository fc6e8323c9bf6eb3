/** Builds a module: one imported memory, imported functions and tables, functions, exports. */
import { Bytes } from "./bytes.ts";
import { type Callable, FunctionBuilder } from "./function.ts";
import { emit, type I32, type Type, typeCode, Value } from "./value.ts";

/** A signature, as an index of the type section. */
export interface Signature {
  readonly index: number;
  readonly params: readonly Type[];
  readonly result: Type | undefined;
}

/** Where branches are that have a hint. */
type Hints = readonly number[] | Int32Array;

/** A module under construction. Declare all imports before the first function. */
export class ModuleBuilder {
  #signatures: Signature[] = [];
  #imports: { module: string; name: string; signature: Signature }[] = [];
  #tables: { module: string; name: string }[] = [];
  #functions: { signature: Signature; builder: { finish(): Uint8Array; readonly hints: Hints }; export?: string }[] = [];
  #elements: { table: number; at: number; callee: Callable }[] = [];

  /** @param memory Limits of the imported shared memory `env.memory`, in pages of 64 KiB. */
  constructor(readonly memory: { readonly minimum: number; readonly maximum: number }) {}

  signature(params: readonly Type[], result?: Type): Signature {
    const key = `${params}>${result}`;
    const found = this.#signatures.find((s) => `${s.params}>${s.result}` === key);
    if (found) return found;
    const made = { index: this.#signatures.length, params, result };
    this.#signatures.push(made);
    return made;
  }

  importFunction(module: string, name: string, params: readonly Type[], result?: Type): Callable {
    if (this.#functions.length > 0) throw new Error(`import ${name} after a function`);
    const signature = this.signature(params, result);
    return { index: this.#imports.push({ module, name, signature }) - 1, params, result };
  }

  /** An imported table of functions; returns its index. */
  importTable(module: string, name: string): number {
    return this.#tables.push({ module, name }) - 1;
  }

  /** A function; `build` fills its body. */
  function(params: readonly Type[], result: Type | undefined, build: (f: FunctionBuilder) => void, exportName?: string): Callable {
    const builder = new FunctionBuilder(params, result);
    const index = this.#imports.length + this.#functions.push({ signature: this.signature(params, result), builder, export: exportName }) -
      1;
    build(builder);
    return { index, params, result };
  }

  /** A function whose body a builder of another module finished, with the places of its hints: what it calls must have the same numbers here. */
  finished(params: readonly Type[], result: Type | undefined, body: Uint8Array, hints: Hints, exportName?: string): Callable {
    const builder = { finish: () => body, hints };
    const signature = this.signature(params, result);
    const index = this.#imports.length + this.#functions.push({ signature, builder, export: exportName }) - 1;
    return { index, params, result };
  }

  /** Has a function put into a table where the module is instantiated. */
  element(table: number, at: number, callee: Callable): void {
    this.#elements.push({ table, at, callee });
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new Bytes().raw([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    section(out, 1, this.#signatures, (s, signature) => {
      s.u8(0x60).u32(signature.params.length);
      for (const type of signature.params) s.u8(typeCode[type]);
      if (signature.result) s.u8(1).u8(typeCode[signature.result]);
      else s.u8(0);
    });
    const imports: ((s: Bytes) => void)[] = [
      (s) => s.name("env").name("memory").u8(2).u8(3).u32(this.memory.minimum).u32(this.memory.maximum),
      ...this.#imports.map(({ module, name, signature }) => (s: Bytes) => void s.name(module).name(name).u8(0).u32(signature.index)),
      ...this.#tables.map(({ module, name }) => (s: Bytes) => void s.name(module).name(name).u8(1).u8(0x70).u8(0).u32(0)),
    ];
    section(out, 2, imports, (s, write) => write(s));
    section(out, 3, this.#functions, (s, f) => s.u32(f.signature.index));
    const exported = this.#functions.flatMap((f, i) => f.export ? [{ name: f.export, index: this.#imports.length + i }] : []);
    section(out, 7, exported, (s, e) => s.name(e.name).u8(0).u32(e.index));
    // Active segments of function indices, with the table's number.
    section(out, 9, this.#elements, (s, { table, at, callee }) => {
      s.u8(2).u32(table).u8(0x41).s32(at).u8(0x0b).u8(0).u32(1).u32(callee.index);
    });
    const bodies = this.#functions.map(({ builder }) => builder.finish());
    this.#branchHints(out);
    section(out, 10, bodies, (s, body) => s.raw(body));
    return out.view().slice();
  }

  /** Tells which branches are unlikely (WebAssembly, "Branch Hinting"). */
  #branchHints(out: Bytes): void {
    const hinted = this.#functions.flatMap(({ builder }, i) =>
      builder.hints.length > 0 ? [{ index: this.#imports.length + i, hints: builder.hints }] : []
    );
    if (hinted.length === 0) return;
    const body = new Bytes().name("metadata.code.branch_hint").u32(hinted.length);
    for (const { index, hints } of hinted) {
      body.u32(index).u32(hints.length);
      for (const at of hints) body.u32(at).u8(1).u8(0);
    }
    out.u8(0).u32(body.length).raw(body.view());
  }
}

function section<T>(out: Bytes, id: number, items: readonly T[], write: (s: Bytes, item: T) => void): void {
  if (items.length === 0) return;
  const body = new Bytes().u32(items.length);
  for (const item of items) write(body, item);
  out.u8(id).u32(body.length).raw(body.view());
}

/** Calls through a table, as an expression. */
export function callIndirect<T extends Type>(type: T, signature: Signature, table: number, index: I32, ...args: Value[]): Value<T> {
  return new Value(type, 0x11, [...args, index], (out) => out.u32(signature.index).u32(table));
}

export { emit };
