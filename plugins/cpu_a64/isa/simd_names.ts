/** Names of SIMD&FP registers for assembler text. */

const arrangements = [["8b", "16b"], ["4h", "8h"], ["2s", "4s"], ["1d", "2d"], ["1q", "1q"]] as const;

/** Letter of an element, by log2 of its bytes. */
export const elementLetter = (size: number): string => "bhsdq"[size];

/** `8h` and the like: elements of `1 << size` bytes in 8 (`Q` 0) or 16 bytes. */
export const arrangement = (size: number, Q: number): string => arrangements[size][Q];

/** `v3.8h`. */
export const vector = (n: number, size: number, Q: number): string => `v${n}.${arrangements[size][Q]}`;

/** `v3.h[5]`. */
export const element = (n: number, size: number, index: number): string => `v${n}.${elementLetter(size)}[${index}]`;

/** `h3`. */
export const scalar = (n: number, size: number): string => `${elementLetter(size)}${n}`;

/** `{v30.8h, v31.8h, v0.8h}`: consecutive registers. */
export const list = (n: number, count: number, size: number, Q: number): string =>
  `{${Array.from({ length: count }, (_, i) => vector((n + i) & 31, size, Q)).join(", ")}}`;
