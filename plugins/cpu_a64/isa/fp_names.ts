/** Assembler text and fields that floating-point encodings share. */
import type { Feature, Raw } from "./dsl.ts";
import { scalar } from "./simd_names.ts";

/** log2 of the bytes of a number, by `ftype`. */
export const sizeOf = (ftype: number): number => [2, 3, 0, 1][ftype];

/** `h3`, `s3` or `d3`. */
export const float = (ftype: number, n: number): string => scalar(n, sizeOf(ftype));

/** For `when`: 2 is unallocated. */
export const isFormat = (f: Raw<"ftype">): boolean => f.ftype !== 2;

/** Half precision is an extension. */
export const halfFeature = (f: Raw<"ftype">): Feature | undefined => f.ftype === 3 ? "FP16" : undefined;
