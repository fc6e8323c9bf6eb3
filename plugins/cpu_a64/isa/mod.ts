/** Every declared instruction. */
import type { Declaration } from "./dsl.ts";
import { atomics } from "./atomics.ts";
import { branches } from "./branches.ts";
import { crypto } from "./crypto.ts";
import { dataImmediate } from "./data_immediate.ts";
import { dataRegister } from "./data_register.ts";
import { fpArithmetic } from "./fp_arithmetic.ts";
import { fpCompare } from "./fp_compare.ts";
import { fpConvert } from "./fp_convert.ts";
import { fpMove } from "./fp_move.ts";
import { loadsStores } from "./loads_stores.ts";
import { simdAcross } from "./simd_across.ts";
import { simdByElement } from "./simd_by_element.ts";
import { simdCopy } from "./simd_copy.ts";
import { simdFpAcross } from "./simd_fp_across.ts";
import { simdFpByElement } from "./simd_fp_by_element.ts";
import { simdFpFixed } from "./simd_fp_integer.ts";
import { simdFpResize } from "./simd_fp_resize.ts";
import { simdFpThreeSame } from "./simd_fp_three_same.ts";
import { simdFpTwoMisc } from "./simd_fp_two_misc.ts";
import { simdImmediate } from "./simd_immediate.ts";
import { simdLoadsStores } from "./simd_loads_stores.ts";
import { simdPermute } from "./simd_permute.ts";
import { simdShift } from "./simd_shift.ts";
import { simdStructures } from "./simd_structures.ts";
import { simdThreeDifferent } from "./simd_three_different.ts";
import { simdThreeSame } from "./simd_three_same.ts";
import { simdTwoMisc } from "./simd_two_misc.ts";
import { system } from "./system.ts";

/** By encoding group, in the order in which the decoder asks them. */
export const groups: Readonly<Record<string, readonly Declaration[]>> = {
  dataImmediate,
  branches,
  system,
  loadsStores,
  atomics,
  dataRegister,
  fpMove,
  fpArithmetic,
  fpCompare,
  fpConvert,
  simdLoadsStores,
  simdCopy,
  simdImmediate,
  simdPermute,
  simdThreeSame,
  simdThreeDifferent,
  simdByElement,
  simdShift,
  simdTwoMisc,
  simdAcross,
  simdStructures,
  simdFpThreeSame,
  simdFpTwoMisc,
  simdFpByElement,
  simdFpFixed,
  simdFpResize,
  simdFpAcross,
  crypto,
};

/** All declarations. */
export const declarations: readonly Declaration[] = Object.values(groups).flat();
