/**
 * PSTATE.NZCV in a region: not computed, but remembered as what set it. Conditions that follow are computed from the
 * operands; the four bits are put together where the region leaves.
 */
import { call, type Callable, type FunctionBuilder, type I32, i32, type I64, i64, type Local, select } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { conditionMasks } from "../tier0_state.ts";

/** What set the flags. */
export const Kind = {
  /** Nothing here: the state block has them, as NZCV or as what another region left. */
  block: 0,
  /** They are in the first operand, as four bits. */
  packed: 1,
  /** First operand minus second. 32-bit operands are zero-extended. */
  subtract64: 2,
  subtract32: 3,
  /** First operand plus second. */
  add64: 4,
  add32: 5,
  /** N and Z of the first operand. */
  logic64: 6,
  logic32: 7,
} as const;

/** A function of the module: (kind, first operand, second) → the four bits. @param base of the state block */
export function writePack(f: FunctionBuilder, base: number): void {
  const [kind, a, b] = f.params as [Local<"i32">, Local<"i64">, Local<"i64">];
  const nowhere = i32.const(0);
  f.if(i32.eqz(kind.value), () => {
    f.set(kind, i32.load(nowhere, base + at.FLAGS_KIND));
    f.if(i32.eqz(kind.value), () => f.return(i32.load(nowhere, base + at.NZCV)));
    f.set(a, i64.load(nowhere, base + at.FLAGS_A));
    f.set(b, i64.load(nowhere, base + at.FLAGS_B));
  });
  f.return(packed(f, kind.value, a.value, b.value));
}

/**
 * The four bits of a kind but {@linkcode Kind.block} that is known when the code runs: without branches, whose targets the host's CPU
 * could not foresee. A logic operation is an addition of 0 here; 32-bit operands are taken to the upper halves.
 */
function packed(f: FunctionBuilder, kind: I32, first: I64, second: I64): I32 {
  const shift = f.let(i64.shl(i64.extend_u(i32.and(kind, i32.const(1))), i64.const(5n)));
  const a = f.let(i64.shl(first, shift)), b = f.let(i64.shl(second, shift));
  const subtracts = f.let(i32.lt_u(kind, i32.const(Kind.add64)));
  const r = f.let(select(subtracts, i64.sub(a, b), i64.add(a, b)));
  const carry = select(subtracts, i64.ge_u(a, b), i64.lt_u(r, a));
  const differ = i64.xor(i64.xor(a, b), select(subtracts, i64.const(0n), i64.const(-1n)));
  const overflow = i64.lt_s(i64.and(differ, i64.xor(a, r)), i64.const(0n));
  const computed = pack(i64.lt_s(r, i64.const(0n)), i64.eqz(r), carry, overflow);
  return select(i32.eq(kind, i32.const(Kind.packed)), i32.wrap(first), computed);
}

/** The flags of a region under construction. */
export class Flags {
  readonly #kind: Local<"i32">;
  readonly #a: Local<"i64">;
  readonly #b: Local<"i64">;
  /** What set them at the present place of the code; `undefined` where several ways meet. */
  known: number | undefined;

  /** @param pack see {@linkcode writePack} */
  constructor(readonly f: FunctionBuilder, readonly pack: () => Callable) {
    this.#kind = f.local("i32");
    this.#a = f.local("i64");
    this.#b = f.local("i64");
  }

  /** The flags are set by these operands from here on. */
  set(kind: number, a: I64, b?: I64): void {
    const { f } = this;
    f.set(this.#a, a);
    if (b !== undefined) f.set(this.#b, b);
    else if (kind !== Kind.packed) f.set(this.#b, i64.const(0n));
    f.set(this.#kind, i32.const(kind === Kind.logic64 ? Kind.add64 : kind === Kind.logic32 ? Kind.add32 : kind));
    this.known = kind;
  }

  /** All four, as a number. */
  value(): I32 {
    const [kind, a, b] = this.operands;
    return this.known ? packKnown(this.known, a, b) : call("i32", this.pack(), kind, a, b);
  }

  /** What set them, at the present place of the code: kind and operands, as `pack` takes them. */
  get operands(): readonly [I32, I64, I64] {
    return [this.#kind.value, this.#a.value, this.#b.value];
  }

  /** Whether a condition holds, as 0 or 1. */
  condition(cond: number): I32 {
    if (cond >= 14) return i32.const(1);
    const fast = this.#compared(cond & ~1);
    if (fast !== undefined) return cond & 1 ? i32.eqz(fast) : fast;
    return i32.and(i32.shr_u(i32.const(conditionMasks[cond]), this.value()), i32.const(1));
  }

  /** An even condition, straight from the operands. */
  #compared(cond: number): I32 | undefined {
    const a = this.#a.value, b = this.#b.value;
    const a32 = i32.wrap(a), b32 = i32.wrap(b);
    switch (this.known) {
      case Kind.subtract64:
        return [
          i64.eq(a, b),
          i64.ge_u(a, b),
          i64.lt_s(i64.sub(a, b), i64.const(0n)),
          undefined,
          i64.gt_u(a, b),
          i64.ge_s(a, b),
          i64.gt_s(a, b),
        ][
          cond >> 1
        ];
      case Kind.subtract32:
        return [
          i32.eq(a32, b32),
          i32.ge_u(a32, b32),
          i32.lt_s(i32.sub(a32, b32), i32.const(0)),
          undefined,
          i32.gt_u(a32, b32),
          i32.ge_s(a32, b32),
          i32.gt_s(a32, b32),
        ][
          cond >> 1
        ];
      case Kind.add64: {
        const r = i64.add(a, b);
        return [i64.eqz(r), i64.lt_u(r, a), i64.lt_s(r, i64.const(0n))][cond >> 1];
      }
      case Kind.add32: {
        const r = i32.add(a32, b32);
        return [i32.eqz(r), i32.lt_u(r, a32), i32.lt_s(r, i32.const(0))][cond >> 1];
      }
      case Kind.logic64:
        return logicCondition(cond, i64.eqz(a), i64.lt_s(a, i64.const(0n)), i64.ge_s(a, i64.const(0n)), i64.gt_s(a, i64.const(0n)));
      case Kind.logic32:
        return logicCondition(cond, i32.eqz(a32), i32.lt_s(a32, i32.const(0)), i32.ge_s(a32, i32.const(0)), i32.gt_s(a32, i32.const(0)));
    }
    return undefined;
  }
}

/** With C and V clear. */
function logicCondition(cond: number, zero: I32, negative: I32, notNegative: I32, positive: I32): I32 {
  return [zero, i32.const(0), negative, i32.const(0), i32.const(0), notNegative, positive][cond >> 1];
}

function pack(n: I32, z: I32, c?: I32, v?: I32): I32 {
  const nz = i32.or(i32.shl(n, i32.const(3)), i32.shl(z, i32.const(2)));
  return c === undefined || v === undefined ? nz : i32.or(nz, i32.or(i32.shl(c, i32.const(1)), v));
}

/** The four bits of a kind but {@linkcode Kind.block}. */
function packKnown(kind: number, a: I64, b: I64): I32 {
  const a32 = i32.wrap(a), b32 = i32.wrap(b);
  switch (kind) {
    case Kind.subtract64: {
      const r = i64.sub(a, b);
      const overflow = i64.lt_s(i64.and(i64.xor(a, b), i64.xor(a, r)), i64.const(0n));
      return pack(i64.lt_s(r, i64.const(0n)), i64.eq(a, b), i64.ge_u(a, b), overflow);
    }
    case Kind.subtract32: {
      const r = i32.sub(a32, b32);
      const overflow = i32.lt_s(i32.and(i32.xor(a32, b32), i32.xor(a32, r)), i32.const(0));
      return pack(i32.lt_s(r, i32.const(0)), i32.eq(a32, b32), i32.ge_u(a32, b32), overflow);
    }
    case Kind.add64: {
      const r = i64.add(a, b);
      const overflow = i64.lt_s(i64.and(i64.xor(a, r), i64.xor(b, r)), i64.const(0n));
      return pack(i64.lt_s(r, i64.const(0n)), i64.eqz(r), i64.lt_u(r, a), overflow);
    }
    case Kind.add32: {
      const r = i32.add(a32, b32);
      const overflow = i32.lt_s(i32.and(i32.xor(a32, r), i32.xor(b32, r)), i32.const(0));
      return pack(i32.lt_s(r, i32.const(0)), i32.eqz(r), i32.lt_u(r, a32), overflow);
    }
    case Kind.logic64:
      return pack(i64.lt_s(a, i64.const(0n)), i64.eqz(a));
    case Kind.logic32:
      return pack(i32.lt_s(a32, i32.const(0)), i32.eqz(a32));
  }
  return a32;
}
