/** Accesses in the fast copies of a loop: those by one register are checked together, before the first of them. */
import { type I32, i32, type I64, i64, type Local, type Value } from "../../wasm/mod.ts";

/** Most bytes from the first to the end of the last access that are checked together. */
const MAX_SPAN = 1024;
/** Farthest from where the register pointed to. */
const MAX_DISTANCE = 1 << 20;

const ZERO = i64.const(0n);
const ADD = i64.add(ZERO, ZERO).opcode, SUB = i64.sub(ZERO, ZERO).opcode;
const EXTEND_S = i64.extend_s(i32.const(0)).opcode, EXTEND_U = i64.extend_u(i32.const(0)).opcode;

/** A general register as it was where the check is made, and so many bytes. */
interface Origin {
  readonly register: number;
  readonly distance: number;
}

/** What each register is; `undefined`: something else. */
export type Origins = readonly (Origin | undefined)[];

/** What registers are where the check is made. */
export const UNMOVED: Origins = Array.from({ length: 32 }, (_, register) => ({ register, distance: 0 }));

/** Accesses that are checked together. */
interface Group {
  /** What they are relative to. */
  readonly register: number;
  /** Address of the window that they are to be in. */
  readonly window: number;
  /** Where the first begins, and the last ends. */
  low: number;
  high: number;
  accesses: number;
  /** Host address of where the register points to. */
  readonly host: Local<"i32">;
}

/** What the fast copies of one loop have in common. */
export class JointChecks {
  readonly groups: Group[] = [];
  readonly #origins = new WeakMap<Value, Origin>();

  /** An expression's value is this. */
  note<V extends Value>(value: V, origin: Origin | undefined): V {
    if (origin) this.#origins.set(value, origin);
    return value;
  }

  originOf(value: Value): Origin | undefined {
    const noted = this.#origins.get(value);
    if (noted || (value.opcode !== ADD && value.opcode !== SUB)) return noted;
    const [from, by] = value.args;
    const origin = this.originOf(from), bytes = numberOf(by);
    if (origin === undefined || bytes === undefined) return undefined;
    return { register: origin.register, distance: origin.distance + (value.opcode === ADD ? bytes : -bytes) };
  }

  /** Host address of an access, checked with others; `undefined`: it is to be checked by itself. */
  access(va: I64, size: number, window: number, local: () => Local<"i32">): { readonly host: I32; readonly register: number } | undefined {
    const origin = this.originOf(va);
    if (origin === undefined || Math.abs(origin.distance) > MAX_DISTANCE) return undefined;
    const { register, distance } = origin;
    let group = this.groups.find((other) => other.register === register && other.window === window);
    const low = Math.min(distance, group?.low ?? distance), high = Math.max(distance + size, group?.high ?? distance);
    if (high - low > MAX_SPAN) return undefined;
    if (group === undefined) this.groups.push(group = { register, window, low, high, accesses: 0, host: local() });
    Object.assign(group, { low, high, accesses: group.accesses + 1 });
    return { host: i32.add(group.host.value, i32.const(distance)), register };
  }

  /** How many accesses are relative to registers that an iteration moves by a fixed distance, if at all. */
  steady(after: Origins): number {
    return this.groups.reduce((sum, { register, accesses }) => sum + (after[register]?.register === register ? accesses : 0), 0);
  }
}

/** What is the same in both. */
export function common(one: Origins, other: Origins | undefined): Origins {
  if (other === undefined || one === other) return one;
  return one.map((origin, n) => origin?.register === other[n]?.register && origin?.distance === other[n]?.distance ? origin : undefined);
}

/** The number of a constant, which may be extended. */
function numberOf(value: Value): number | undefined {
  if (value.constant !== undefined) return Number(value.constant);
  if (value.opcode !== EXTEND_S && value.opcode !== EXTEND_U) return undefined;
  const { constant } = value.args[0];
  if (constant === undefined) return undefined;
  return value.opcode === EXTEND_S ? Number(constant) | 0 : Number(constant) >>> 0;
}
