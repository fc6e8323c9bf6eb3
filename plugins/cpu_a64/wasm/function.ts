/** Builds one function: statements, structured control flow, locals. */
import { Bytes } from "./bytes.ts";
import { Code, LOCAL_GET, LOCAL_TEE } from "./code.ts";
import { type Store, stores } from "./ops.ts";
import { emit, type I32, opcode, type Type, typeCode, Value } from "./value.ts";

const NOTHING: readonly Value[] = [];

/** A local variable or parameter. */
export class Local<T extends Type = Type> {
  constructor(readonly type: T, readonly index: number) {}
  /** Its present value. */
  get value(): Value<T> {
    return new Value(this.type, LOCAL_GET, NOTHING, this.index);
  }
}

/** Target of a branch: the end of a block or the start of a loop. */
export interface Label {
  readonly depth: number;
}

/** A function that can be called: index in the module and its signature. */
export interface Callable {
  readonly index: number;
  readonly params: readonly Type[];
  readonly result: Type | undefined;
}

/** A function body under construction. */
export class FunctionBuilder {
  code: Code = new Code(4096);
  readonly params: readonly Local[];
  #locals: Type[] = [];
  #free = new Map<Type, Local[]>();
  #scopes: Local[][] = [];
  #depth = 0;
  /** Where the branches of {@linkcode ifUnlikely} are. */
  readonly #unlikely: number[] = [];
  #hints: readonly number[] = [];
  readonly #later: { readonly at: number; readonly body: () => void }[] = [];

  constructor(readonly paramTypes: readonly Type[], readonly result: Type | undefined) {
    this.params = paramTypes.map((type, index) => new Local(type, index));
  }

  /** A new local. Inside a {@linkcode scope} it is given back at the scope's end. */
  local<T extends Type>(type: T): Local<T> {
    const free = this.#free.get(type)?.pop() as Local<T> | undefined;
    const local = free ?? new Local(type, this.paramTypes.length + this.#locals.push(type) - 1);
    this.#scopes.at(-1)?.push(local);
    return local;
  }

  /** Locals made inside are reused afterwards. */
  scope(body: () => void): void {
    this.#scopes.push([]);
    body();
    for (const local of this.#scopes.pop()!) {
      const list = this.#free.get(local.type);
      if (list) list.push(local);
      else this.#free.set(local.type, [local]);
    }
  }

  /** Locals made inside outlive all scopes, and none that a scope gave back is among them. */
  unscoped<R>(body: () => R): R {
    const scopes = this.#scopes;
    const free = this.#free;
    this.#scopes = [];
    this.#free = new Map();
    const made = body();
    this.#scopes = scopes;
    this.#free = free;
    return made;
  }

  /** Puts a value into a fresh local, so that it can be used many times. Constants, and what is in one already, stay what they are. */
  let<T extends Type>(value: Value<T>): Value<T> {
    if (value.constant !== undefined || value.isKept) return value;
    const local = this.local(value.type);
    this.set(local, value);
    return new Value(value.type, LOCAL_GET, NOTHING, local.index, undefined, true);
  }

  set<T extends Type>(local: Local<T>, value: Value<T>): void {
    emit(this.code, value);
    this.code.localSet(local.index);
  }

  /** Puts a value into a local, and has it. */
  tee<T extends Type>(local: Local<T>, value: Value<T>): Value<T> {
    return new Value(value.type, LOCAL_TEE, [value], local.index);
  }

  store(kind: Store, address: I32, value: Value, offset = 0): void {
    emit(this.code, address);
    emit(this.code, value);
    opcode(this.code, stores[kind].code);
    this.code.u32(stores[kind].align).u32(offset);
  }

  /** Orders what this thread accesses before it against what it accesses afterwards. */
  fence(): void {
    this.code.u8(0xfe).u8(3).u8(0);
  }

  /** Sets `length` bytes of the memory. */
  fill(address: I32, byte: I32, length: I32): void {
    for (const arg of [address, byte, length]) emit(this.code, arg);
    this.code.u8(0xfc).u32(11).u8(0);
  }

  /** Evaluates for its effect. */
  drop(value: Value): void {
    emit(this.code, value);
    this.code.u8(0x1a);
  }

  call(callee: Callable, ...args: Value[]): void {
    for (const arg of args) emit(this.code, arg);
    this.code.u8(0x10).u32(callee.index);
    if (callee.result) this.code.u8(0x1a);
  }

  /** `if` for what hardly ever happens: the engine keeps such code, and its spills, out of the way. */
  ifUnlikely(condition: I32, yes: () => void): void {
    emit(this.code, condition);
    this.#unlikely.push(this.code.length);
    this.code.u8(0x04).u8(0x40);
    this.#depth++;
    yes();
    this.#depth--;
    this.code.u8(0x0b);
  }

  if(condition: I32, yes: () => void, no?: () => void): void {
    emit(this.code, condition);
    this.code.u8(0x04).u8(0x40);
    this.#depth++;
    yes();
    if (no) {
      this.code.u8(0x05);
      no();
    }
    this.#depth--;
    this.code.u8(0x0b);
  }

  block(body: (end: Label) => void): void {
    this.#structure(0x02, body);
  }

  /** A block that is left with a number by {@linkcode brWith} only, which is put into `result`. */
  blockOf(result: Local<"i32">, body: (end: Label) => void): void {
    this.#structure(0x02, body, typeCode.i32);
    this.code.localSet(result.index);
  }

  loop(body: (start: Label) => void): void {
    this.#structure(0x03, body);
  }

  br(label: Label): void {
    this.code.u8(0x0c).u32(this.#depth - label.depth);
  }

  /** To the end of a {@linkcode blockOf}, with its number: always, or if `unlikely` holds, which it hardly ever does. */
  brWith(label: Label, value: I32, unlikely?: I32): void {
    emit(this.code, value);
    if (unlikely === undefined) return this.br(label);
    emit(this.code, unlikely);
    this.#unlikely.push(this.code.length);
    this.code.u8(0x0d).u32(this.#depth - label.depth).u8(0x1a);
  }

  brIf(label: Label, condition: I32): void {
    emit(this.code, condition);
    this.code.u8(0x0d).u32(this.#depth - label.depth);
  }

  brTable(index: I32, labels: readonly Label[], otherwise: Label): void {
    emit(this.code, index);
    this.code.u8(0x0e).u32(labels.length);
    for (const label of labels) this.code.u32(this.#depth - label.depth);
    this.code.u32(this.#depth - otherwise.depth);
  }

  return(value?: Value): void {
    if (value) emit(this.code, value);
    this.code.u8(0x0f);
  }

  /** Leaves for a function of a table, whose results are this one's. */
  returnCallIndirect(signature: { readonly index: number }, table: number, index: I32, ...args: Value[]): void {
    for (const arg of [...args, index]) emit(this.code, arg);
    this.code.u8(0x13).u32(signature.index).u32(table);
  }

  /** Leaves for a function of this module, whose results are this one's. */
  returnCall(callee: Callable, ...args: Value[]): void {
    for (const arg of args) emit(this.code, arg);
    this.code.u8(0x12).u32(callee.index);
  }

  unreachable(): void {
    this.code.u8(0x00);
  }

  /** Has `body` emit code for this place when all else is emitted: statements only, no branches. */
  later(body: () => void): void {
    this.code.divide();
    this.#later.push({ at: this.code.length, body });
  }

  /** The body with its locals, as the code section wants it. */
  finish(): Uint8Array {
    const early = this.code.view();
    const code = new Code(early.length + 4096);
    const hints: number[] = [];
    const copy = (from: number, to: number) => {
      for (let at = this.#unlikely[hints.length]; at < to; at = this.#unlikely[hints.length]) hints.push(at - from + code.length);
      code.raw(early.subarray(from, to));
    };
    let done = 0;
    for (const { at, body } of this.#later) {
      copy(done, done = at);
      this.code = code;
      body();
    }
    copy(done, early.length);
    const head = new Bytes();
    const runs: [Type, number][] = [];
    for (const type of this.#locals) {
      const last = runs.at(-1);
      if (last?.[0] === type) last[1]++;
      else runs.push([type, 1]);
    }
    head.u32(runs.length);
    for (const [type, count] of runs) head.u32(count).u8(typeCode[type]);
    this.#hints = hints.map((at) => at + head.length);
    const body = code.view();
    return new Bytes(head.length + body.length + 8).u32(head.length + body.length + 1).raw(head.view()).raw(body).u8(0x0b).view();
  }

  /** Where unlikely branches are in the finished body. */
  get hints(): readonly number[] {
    return this.#hints;
  }

  #structure(code: number, body: (label: Label) => void, type = 0x40): void {
    this.code.u8(code).u8(type);
    this.#depth++;
    body({ depth: this.#depth });
    this.#depth--;
    this.code.u8(0x0b);
  }
}

/** A call as an expression. */
export function call<T extends Type>(type: T, callee: Callable, ...args: Value[]): Value<T> {
  return new Value(type, 0x10, args, callee.index);
}
