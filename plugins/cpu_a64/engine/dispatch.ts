/** How the interpreter's loop finds its next record and what executes it. */
import { type FunctionBuilder, type I32, i32, type I64, i64 } from "../wasm/mod.ts";
import { ITLB_BITS, ITLB_ENTRY_SHIFT } from "./layout.ts";

/** Address of the record of a VA in the page that starts at `records`. */
export function recordOf(records: I32, va: I64): I32 {
  return i32.add(records, i32.shl(i32.and(i32.wrap(va), i32.const(0xffc)), i32.const(2)));
}

/** Where a VA's page has its entry of the instruction side of a TLB bank, `DTLB_SIZE` bytes before it. */
export function fetchEntryIn(bank: I32, va: I64): I32 {
  const index = i32.wrap(i64.shr_u(va, i64.const(BigInt(12 - ITLB_ENTRY_SHIFT))));
  return i32.add(bank, i32.and(index, i32.const(((1 << ITLB_BITS) - 1) << ITLB_ENTRY_SHIFT)));
}

/** `switch (index)` over bodies that all leave by themselves. */
export function dispatch(f: FunctionBuilder, index: I32, bodies: readonly (() => void)[], otherwise: { readonly depth: number }): void {
  const labels: { readonly depth: number }[] = [];
  const nest = (n: number): void => {
    if (n < 0) return f.brTable(index, labels, otherwise);
    f.block((end) => {
      labels[n] = end;
      nest(n - 1);
    });
    bodies[n]();
  };
  nest(bodies.length - 1);
}
