/** Exact IEEE 754 arithmetic with Arm's rules: the door to this folder. @module */

export { Environment, FpcrBit, FpsrFlag, Rounding } from "./environment.ts";
export { evaluate } from "./evaluate.ts";
export { F16, F32, F64, type Format } from "./format.ts";
export { FpFormat, FpOp, fpOpCode, type FpVariant, variantOf } from "../../isa/fp_op_code.ts";
export { SoftFloat } from "./soft_float.ts";
