/**
 * PSTATE.NZCV in a region: not computed, but remembered as what set it. Conditions that follow are computed from the
 * operands; the four bits are put together where the region leaves.
 */
import { type FunctionBuilder, type I32, i32, type I64, i64, type Local } from "../../wasm/mod.ts";
import { conditionMasks } from "../tier0_state.ts";

/** What set the flags. */
export const Kind = {
  /** Nothing: they are in the state block. */
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

const allKinds: ReadonlySet<number> = new Set(Object.values(Kind).filter((kind) => kind !== Kind.block));

/** The flags of a region under construction. */
export class Flags {
  readonly #kind: Local<"i32">;
  readonly #a: Local<"i64">;
  readonly #b: Local<"i64">;
  readonly #used = new Set<number>();
  /** What set them at the present place of the code; `undefined` where several ways meet. */
  known: number | undefined;

  /** @param inBlock the flags in the state block */
  constructor(readonly f: FunctionBuilder, readonly inBlock: I32) {
    this.#kind = f.local("i32");
    this.#a = f.local("i64");
    this.#b = f.local("i64");
  }

  /** The flags are set by these operands from here on. */
  set(kind: number, a: I64, b?: I64): void {
    const { f } = this;
    f.set(this.#a, a);
    if (b !== undefined) f.set(this.#b, b);
    f.set(this.#kind, i32.const(kind));
    this.#used.add(kind);
    this.known = kind;
  }

  /** All four, as a number. */
  value(): I32 {
    const { f } = this;
    if (this.known !== undefined) return this.#packed(this.known);
    const result = f.local("i32");
    f.set(result, this.inBlock);
    this.#choose((kind) => f.set(result, this.#packed(kind)));
    return result.value;
  }

  /** Stores them where the region leaves: called last, behind all code that sets flags. */
  finish(store: (value: I32) => void): void {
    if (this.#used.size > 0) this.#choose((kind) => store(this.#packed(kind)), this.#used);
  }

  /** Kinds whose setters are yet to come can reach a place around a loop: only the end of a region knows which there are. */
  #choose(take: (kind: number) => void, among: ReadonlySet<number> = allKinds): void {
    const { f } = this;
    const kinds = [...among];
    f.block((end) => {
      const labels = [...allKinds, 0].map(() => end);
      const nest = (n: number): void => {
        if (n < 0) return f.brTable(this.#kind.value, labels, end);
        f.block((label) => {
          labels[kinds[n]] = label;
          nest(n - 1);
        });
        take(kinds[n]);
        f.br(end);
      };
      nest(kinds.length - 1);
    });
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

  /** The four bits. */
  #packed(kind: number): I32 {
    const a = this.#a.value, b = this.#b.value;
    const a32 = i32.wrap(a), b32 = i32.wrap(b);
    switch (kind) {
      case Kind.packed:
        return a32;
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
    return this.inBlock;
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
