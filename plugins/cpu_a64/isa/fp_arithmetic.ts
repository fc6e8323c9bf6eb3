/** Arm ARM DDI 0487, "Data Processing -- Scalar Floating-Point and Advanced SIMD": scalar arithmetic. */
import { a64, type Declaration, type I64, i64, type Semantics } from "./dsl.ts";
import { compute, computeRegister, readBits, widthOf } from "./fp_compute.ts";
import { float, halfFeature, isFormat } from "./fp_names.ts";
import { arithmetic, type Operation, resize, roundToIntegral } from "./fp_operations.ts";

const oneSource: Readonly<Record<number, { name: string; bits?: (value: I64, sign: bigint) => I64; operation?: Operation }>> = {
  0b000000: { name: "fmov", bits: (value) => value },
  0b000001: { name: "fabs", bits: (value, sign) => i64.and(value, i64.const(sign - 1n)) },
  0b000010: { name: "fneg", bits: (value, sign) => i64.xor(value, i64.const(sign)) },
  0b000011: { name: "fsqrt", operation: arithmetic.sqrt },
  0b001000: { name: "frintn", operation: roundToIntegral("N") },
  0b001001: { name: "frintp", operation: roundToIntegral("P") },
  0b001010: { name: "frintm", operation: roundToIntegral("M") },
  0b001011: { name: "frintz", operation: roundToIntegral("Z") },
  0b001100: { name: "frinta", operation: roundToIntegral("A") },
  0b001110: { name: "frintx", operation: roundToIntegral("X") },
  0b001111: { name: "frinti", operation: roundToIntegral("I") },
};

// Arm ARM DDI 0487, "Floating-point data-processing (1 source)".
const dataProcessing1 = a64({
  bits: "00011110 ftype:2 1 opcode:6 10000 Rn:5 Rd:5",
  known: ["ftype", "opcode"],
  fp: true,
  when: (f) => isFormat(f) && f.opcode in oneSource,
  feature: halfFeature,
  asm: (f) => `${oneSource[f.opcode].name} ${float(f.ftype, f.Rd)}, ${float(f.ftype, f.Rn)}`,
  emit(m, { ftype, opcode, Rn, Rd }) {
    const { bits, operation } = oneSource[opcode];
    if (operation) computeRegister(m as Semantics, operation, ftype, Rd, [Rn]);
    else m.setVLow64(Rd, bits!(readBits(m, Rn, ftype), 1n << BigInt(widthOf(ftype) - 1)));
  },
});

const convert = a64({
  bits: "00011110 ftype:2 1 0001 opc:2 10000 Rn:5 Rd:5",
  known: ["ftype", "opc"],
  fp: true,
  when: (f) => isFormat(f) && f.opc !== 2 && f.opc !== f.ftype,
  asm: (f) => `fcvt ${float(f.opc, f.Rd)}, ${float(f.ftype, f.Rn)}`,
  emit(m, { ftype, opc, Rn, Rd }) {
    m.setVLow64(Rd, compute(m, resize(opc), ftype, [readBits(m, Rn, ftype)]));
  },
});

const twoSources: Readonly<Record<number, { name: string; operation: Operation }>> = {
  0b0000: { name: "fmul", operation: arithmetic.mul },
  0b0001: { name: "fdiv", operation: arithmetic.div },
  0b0010: { name: "fadd", operation: arithmetic.add },
  0b0011: { name: "fsub", operation: arithmetic.sub },
  0b0100: { name: "fmax", operation: arithmetic.max },
  0b0101: { name: "fmin", operation: arithmetic.min },
  0b0110: { name: "fmaxnm", operation: arithmetic.maxNum },
  0b0111: { name: "fminnm", operation: arithmetic.minNum },
  0b1000: { name: "fnmul", operation: { ...arithmetic.mul, after: "neg" } },
};

// Arm ARM DDI 0487, "Floating-point data-processing (2 source)".
const dataProcessing2 = a64({
  bits: "00011110 ftype:2 1 Rm:5 opcode:4 10 Rn:5 Rd:5",
  known: ["ftype", "opcode"],
  fp: true,
  when: (f) => isFormat(f) && f.opcode in twoSources,
  feature: halfFeature,
  asm: (f) => `${twoSources[f.opcode].name} ${[f.Rd, f.Rn, f.Rm].map((n) => float(f.ftype, n)).join(", ")}`,
  emit(m, { ftype, opcode, Rm, Rn, Rd }) {
    computeRegister(m as Semantics, twoSources[opcode].operation, ftype, Rd, [Rn, Rm]);
  },
});

// Arm ARM DDI 0487, "Floating-point data-processing (3 source)".
const dataProcessing3 = a64({
  bits: "00011111 ftype:2 o1 Rm:5 o0 Ra:5 Rn:5 Rd:5",
  known: ["ftype", "o1", "o0"],
  fp: true,
  when: isFormat,
  feature: halfFeature,
  asm: (f) => {
    const name = [["fmadd", "fmsub"], ["fnmadd", "fnmsub"]][f.o1][f.o0];
    return `${name} ${[f.Rd, f.Rn, f.Rm, f.Ra].map((n) => float(f.ftype, n)).join(", ")}`;
  },
  emit(m, { ftype, o1, o0, Rm, Ra, Rn, Rd }) {
    // The product's sign is that of its first operand; FNMADD negates both, FNMSUB the addend.
    const negate = [...(o1 !== o0 ? [0] : []), ...(o1 ? [2] : [])];
    computeRegister(m as Semantics, { ...arithmetic.mulAdd, negate }, ftype, Rd, [Rn, Rm, Ra]);
  },
});

/** All of them. */
export const fpArithmetic: readonly Declaration[] = [dataProcessing1, convert, dataProcessing2, dataProcessing3];
