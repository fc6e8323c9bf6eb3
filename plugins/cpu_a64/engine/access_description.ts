/**
 * What an access does whose syndrome doesn't say (ISV is 0): loads and stores with
 * write-back, and pairs, of general registers. For hypervisors that emulate devices.
 */
import type { DescribedAccess } from "../../../core/mod.ts";

/** Takes a load or store apart. `register`: reads Xn, 31 is SP. Undefined for every other instruction. */
export function describeAccess(
  word: number,
  register: (n: number) => bigint,
): (DescribedAccess & { readonly address: bigint }) | undefined {
  const rt = word & 31, rn = (word >>> 5) & 31;
  const base = register(rn);
  const moved = (offset: number) => BigInt.asUintN(64, base + BigInt(offset));
  // Load/store register, immediate pre- and post-indexed; size 111 0 00 opc 0 imm9 x1.
  if ((word & 0x3f20_0400) === 0x3800_0400) {
    const size = word >>> 30, opc = (word >>> 22) & 3;
    if ((opc === 3 && size >= 2) || (opc === 2 && size === 3)) return undefined;
    const end = moved((word << 11) >> 23);
    return {
      address: word & 0x800 ? end : base,
      write: opc === 0,
      transfers: [{ register: rt, size: 1 << size, signExtend: opc >= 2, wide: opc === 2 || size === 3 }],
      writeback: { register: rn, value: end },
    };
  }
  // Load/store pair: opc 101 0 0 mode L imm7.
  if ((word & 0x3e00_0000) === 0x2800_0000) {
    const opc = word >>> 30, load = (word >>> 22) & 1, mode = (word >>> 23) & 3;
    if (opc === 3 || (opc === 1 && !load)) return undefined;
    const size = opc === 2 ? 8 : 4;
    const end = moved(((word << 10) >> 25) * size);
    const transfer = (n: number) => ({ register: n, size, signExtend: opc === 1, wide: opc !== 0 });
    return {
      address: mode === 1 ? base : end,
      write: load === 0,
      transfers: [transfer(rt), transfer((word >>> 10) & 31)],
      writeback: mode & 1 ? { register: rn, value: end } : undefined,
    };
  }
  return undefined;
}
