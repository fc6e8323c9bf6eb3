/**
 * Floating-point operations: their numbers for the slow path, and when the host's
 * arithmetic gives Arm's result and flags. Wherever it might not, the slow path decides.
 *
 * Under round-to-nearest and without flushing, the host's finite results are Arm's. What remains are the flags: a result that is
 * inexact but neither overflows nor may be tiny raises IXC alone, which is no news once it is set; an exact one raises nothing.
 */
import { type I32, i32, select, type Value } from "./dsl.ts";
import { FpFormat, FpOp, type FpVariant } from "./fp_op_code.ts";
import { finite, type Host, type IntegerKind, isInfinityOf, isSum, isUnflushed, type ScalarHost } from "./fp_host.ts";

/** FPCR fields which the host knows nothing of: RMode, FZ. */
export const ROUNDING = 3 << 22, FLUSH = 1 << 24;

/** What the host has computed. */
export interface HostResult {
  readonly value: Value;
  /** The value is right, and IXC the only flag that it may raise. Absent when it raises none whenever it is right. */
  readonly right?: () => Value;
  /** The value is right and raises no flags. */
  readonly silent: () => Value;
  /** The value isn't tiny: FPCR.FZ doesn't flush it. Absent where none is. */
  readonly unflushed?: () => Value;
}

/** One operation on numbers of one precision. */
export interface Operation {
  /** One of `FpOp`. */
  readonly op: number;
  readonly variant?: FpVariant;
  /** Operands, by index, whose signs change first. */
  readonly negate?: readonly number[];
  /** What becomes of the result, a NaN's sign included. */
  readonly after?: "neg" | "abs";
  /** FPCR fields that must be clear for `host`. */
  readonly clear?: number;
  host?(x: Host, a: Value, b: Value, c: Value): HostResult;
  /** Needs a fused multiply-add: scalars have one, vectors where the host does. */
  readonly fused?: boolean;
  /** Vectors have no such operation on the host: element by element. */
  readonly scalarOnly?: boolean;
}

const NEAREST = ROUNDING | FLUSH;

function sum(x: Host, a: Value, b: Value, r: Value): HostResult {
  return {
    value: r,
    right: () => finite(x, r),
    silent: () => x.either(x.both(finite(x, r), isSum(x, a, b, r)), isInfinityOf(x, r, a, b)),
    unflushed: () => isUnflushed(x, r),
  };
}

const add: Operation = {
  op: FpOp.Add,
  clear: NEAREST,
  host(x, a, b) {
    const r = x.let(x.add(a, b));
    return sum(x, a, b, r);
  },
};

const sub: Operation = {
  op: FpOp.Sub,
  clear: NEAREST,
  host(x, a, b) {
    const r = x.let(x.sub(a, b));
    return sum(x, a, x.neg(b), r);
  },
};

const mul: Operation = {
  op: FpOp.Mul,
  clear: NEAREST,
  host(x, a, b) {
    const r = x.let(x.mul(a, b));
    return {
      value: r,
      right: () => x.normal(r),
      silent: () => x.either(x.isProduct(a, b, r), isInfinityOf(x, r, a, b)),
      unflushed: () => isUnflushed(x, r),
    };
  },
};

const div: Operation = {
  op: FpOp.Div,
  clear: NEAREST,
  host(x, a, b) {
    const r = x.let(x.div(a, b));
    return {
      value: r,
      right: () => x.normal(r),
      silent: () => x.both(finite(x, r), x.isProduct(r, b, a)),
      unflushed: () => isUnflushed(x, r),
    };
  },
};

const sqrt: Operation = {
  op: FpOp.Sqrt,
  clear: NEAREST,
  host(x, a) {
    const r = x.let(x.sqrt(a));
    return { value: r, right: () => x.normal(r), silent: () => x.isProduct(r, r, a) };
  },
};

function fusedSum(x: Host, a: Value, b: Value, c: Value): HostResult {
  const { value, right } = x.multiplyAdd(a, b, c);
  const r = x.let(value);
  return {
    value: r,
    right: () => x.both(right, x.normal(r)),
    silent() {
      const product = x.let(x.mul(a, b));
      return x.both(x.both(finite(x, r), x.isProduct(a, b, product)), x.both(x.eq(x.add(product, c), r), isSum(x, product, c, r)));
    },
    unflushed: () => isUnflushed(x, r),
  };
}

const mulAdd: Operation = { op: FpOp.MulAdd, clear: NEAREST, fused: true, host: fusedSum };

const recipStep: Operation = {
  op: FpOp.RecipStep,
  clear: NEAREST,
  fused: true,
  host: (x, a, b) => fusedSum(x, x.let(x.neg(a)), b, x.const(2)),
};

const rsqrtStep: Operation = {
  op: FpOp.RsqrtStep,
  clear: NEAREST,
  fused: true,
  host(x, a, b) {
    const twice = fusedSum(x, x.let(x.neg(a)), b, x.const(3));
    const r = x.let(x.mul(twice.value, x.const(0.5)));
    return {
      value: r,
      right: () => x.both(twice.right!(), x.normal(r)),
      silent: () => x.both(twice.silent(), x.normal(r)),
      unflushed: () => isUnflushed(x, r),
    };
  },
};

/** An operation that is exact whenever its result is a number. */
function exact(op: number, compute: (x: Host, a: Value, b: Value) => Value, variant?: FpVariant, clear = FLUSH): Operation {
  return {
    op,
    variant,
    clear,
    host(x, a, b) {
      const r = x.let(compute(x, a, b));
      return { value: r, silent: () => x.eq(r, r) };
    },
  };
}

const min = exact(FpOp.Min, (x, a, b) => x.min(a, b));
const max = exact(FpOp.Max, (x, a, b) => x.max(a, b));
const minNum = exact(FpOp.MinNum, (x, a, b) => x.min(a, b));
const maxNum = exact(FpOp.MaxNum, (x, a, b) => x.max(a, b));

const isOrdered = (x: Host, a: Value, b: Value): Value => x.both(x.eq(a, a), x.eq(b, b));

const isQuiet = (x: Host, a: Value, b: Value): Value => x.both(x.quiet(a), x.quiet(b));

/** An element of ones or zeros. */
function test(op: number, holds: (x: Host, a: Value, b: Value) => Value): Operation {
  const isSilent = op === FpOp.CompareEq ? isQuiet : isOrdered;
  return { op, clear: FLUSH, host: (x, a, b) => ({ value: x.fill(holds(x, a, b)), silent: () => isSilent(x, a, b) }) };
}

/** FCMP and FCMPE: NZCV, 0b0011 for NaNs. */
function compare(op: number): Operation {
  return {
    op,
    clear: FLUSH,
    host(x, a, b) {
      const [equal, less, greater] = [x.eq(a, b), x.lt(a, b), x.gt(a, b)] as I32[];
      const unequal = select(less, i32.const(0b1000), select(greater, i32.const(0b0010), i32.const(0b0011)));
      return {
        value: select(equal, i32.const(0b0110), unequal),
        silent: () => op === FpOp.Compare ? isQuiet(x, a, b) : isOrdered(x, a, b),
      };
    },
  };
}

/** Arithmetic by its name in this project. */
export const arithmetic = {
  add,
  sub,
  mul,
  mulX: { ...mul, op: FpOp.MulX },
  div,
  sqrt,
  mulAdd,
  min,
  max,
  minNum,
  maxNum,
  recipStep,
  rsqrtStep,
  compare: compare(FpOp.Compare),
  compareE: compare(FpOp.CompareE),
  eq: test(FpOp.CompareEq, (x, a, b) => x.eq(a, b)),
  ge: test(FpOp.CompareGe, (x, a, b) => x.ge(a, b)),
  gt: test(FpOp.CompareGt, (x, a, b) => x.gt(a, b)),
  absGe: test(FpOp.AbsCompareGe, (x, a, b) => x.ge(x.abs(a), x.abs(b))),
  absGt: test(FpOp.AbsCompareGt, (x, a, b) => x.gt(x.abs(a), x.abs(b))),
  recipEstimate: { op: FpOp.RecipEstimate },
  rsqrtEstimate: { op: FpOp.RsqrtEstimate },
  recipExponent: { op: FpOp.RecipExponent },
} as const satisfies Record<string, Operation>;

/** Rounding modes by the letter in a mnemonic, as `FpVariant` has them; `I` and `X` use FPCR's. */
const modes: Readonly<Record<string, number | undefined>> = { N: 0, P: 1, M: 2, Z: 3, A: 4 };

/** The nearest integer in a mode's direction, as a number. */
function integral(x: Host, a: Value, mode: number): Value {
  switch (mode) {
    case 1:
      return x.ceil(a);
    case 2:
      return x.floor(a);
    case 3:
      return x.trunc(a);
    case 4: {
      const whole = x.let(x.trunc(a));
      const away = x.ge(x.abs(x.sub(a, whole)), x.const(0.5));
      return x.choose(away, x.add(whole, x.copysign(x.const(1), a)), whole);
    }
    default:
      return x.nearest(a);
  }
}

/** FRINT with a letter. */
export function roundToIntegral(letter: string): Operation {
  const mode = modes[letter];
  if (letter !== "X") {
    const variant = mode === undefined ? {} : { rounding: mode };
    return exact(FpOp.RoundToIntegral, (x, a) => integral(x, a, mode ?? 0), variant, mode === undefined ? NEAREST : FLUSH);
  }
  return {
    op: FpOp.RoundToIntegral,
    variant: { exact: true },
    clear: NEAREST,
    host(x, a) {
      const r = x.let(x.nearest(a));
      return { value: r, right: () => x.eq(r, r), silent: () => x.eq(r, a) };
    },
  };
}

/** FCVT to the precision `target`, of scalars. */
export function resize(target: number): Operation {
  const slow = { op: FpOp.Convert, variant: { target } };
  if (target === FpFormat.Half) return slow;
  return {
    ...slow,
    clear: target === FpFormat.Double ? FLUSH : NEAREST,
    host(x: ScalarHost, a) {
      const r = x.let(x.resize(a));
      return {
        value: r,
        right: () => x.normalResized(r),
        silent: () => x.isResized(a, r),
        unflushed: () => x.either(x.normalResized(r), x.eq(a, x.const(0))),
      };
    },
  };
}

/** FCVT to an integer. `scale`: 2 to the number of fraction bits, which the caller adds to the code. */
export function toInteger(letter: string, to: IntegerKind, scale?: Value): Operation {
  const mode = modes[letter]!;
  const end = 2 ** (to.unsigned ? to.size : to.size - 1);
  return {
    op: FpOp.ToFixed,
    variant: { rounding: mode, ...to },
    clear: FLUSH,
    scalarOnly: to.size === 64,
    host(x, a) {
      const scaled = scale ? x.let(x.mul(a, scale)) : a;
      const r = x.let(integral(x, scaled, mode));
      const within = () => x.both(x.ge(r, x.const(to.unsigned ? 0 : -end)), x.lt(r, x.const(end)));
      return { value: x.toInteger(r, to), right: within, silent: () => x.both(within(), x.eq(r, scaled)) };
    },
  };
}
