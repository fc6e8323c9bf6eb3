/** Arm ARM DDI 0487, "Floating-point compare", "Floating-point conditional compare", "Floating-point conditional select". */
import { a64, type Declaration, i32, type I64, i64, select, type Semantics } from "./dsl.ts";
import { compute, readBits } from "./fp_compute.ts";
import { float, halfFeature, isFormat } from "./fp_names.ts";
import { arithmetic } from "./fp_operations.ts";
import { conditions } from "./names.ts";

/** Compares and sets NZCV; `signalling`: quiet NaNs are invalid, too. */
function compareFlags(m: Semantics, ftype: number, signalling: number, a: I64, b: I64): void {
  m.setNzcv(i32.wrap(compute(m, signalling ? arithmetic.compareE : arithmetic.compare, ftype, [a, b])));
}

const compare = a64({
  bits: "00011110 ftype:2 1 Rm:5 001000 Rn:5 e z 000",
  known: ["ftype", "e", "z"],
  fp: true,
  when: isFormat,
  feature: halfFeature,
  // Rm should be zero in the forms with zero.
  unpredictable: (f) => f.z === 1 && f.Rm !== 0,
  asm: (f) => `fcmp${f.e ? "e" : ""} ${float(f.ftype, f.Rn)}, ${f.z ? "#0.0" : float(f.ftype, f.Rm)}`,
  emit(m, { ftype, e, z, Rm, Rn }) {
    compareFlags(m, ftype, e, readBits(m, Rn, ftype), z ? i64.const(0n) : readBits(m, Rm, ftype));
  },
});

const conditionalCompare = a64({
  bits: "00011110 ftype:2 1 Rm:5 cond:4 01 Rn:5 op nzcv:4",
  known: ["ftype", "op"],
  fp: true,
  when: isFormat,
  feature: halfFeature,
  asm: (f) => `fccmp${f.op ? "e" : ""} ${float(f.ftype, f.Rn)}, ${float(f.ftype, f.Rm)}, #${f.nzcv}, ${conditions[f.cond]}`,
  emit(m, { ftype, op, Rm, cond, Rn }) {
    m.if(
      m.condition(cond),
      () => compareFlags(m, ftype, op, readBits(m, Rn, ftype), readBits(m, Rm, ftype)),
      () => m.setNzcv(m.u8((f) => f.nzcv)),
    );
  },
});

const conditionalSelect = a64({
  bits: "00011110 ftype:2 1 Rm:5 cond:4 11 Rn:5 Rd:5",
  known: ["ftype"],
  fp: true,
  when: isFormat,
  feature: halfFeature,
  asm: (f) => `fcsel ${float(f.ftype, f.Rd)}, ${float(f.ftype, f.Rn)}, ${float(f.ftype, f.Rm)}, ${conditions[f.cond]}`,
  emit(m, { ftype, Rm, cond, Rn, Rd }) {
    m.setVLow64(Rd, select(m.condition(cond), readBits(m, Rn, ftype), readBits(m, Rm, ftype)));
  },
});

/** All of them. */
export const fpCompare: readonly Declaration[] = [compare, conditionalCompare, conditionalSelect];
