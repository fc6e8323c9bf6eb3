/** Encodings that aren't compared with QEMU, each with its reason. */
import { isSystem } from "./system_words.ts";

/** One reason to leave a word out. */
interface Skip {
  readonly reason: string;
  readonly covers: (word: number) => boolean;
}

const matches = (mask: number, value: number) => (word: number) => ((word & mask) >>> 0) === value;

const skips: readonly Skip[] = [
  { reason: "SVC calls the host's kernel", covers: matches(0xffe0_001f, 0xd400_0001) },
  { reason: "HLT is QEMU's semihosting", covers: matches(0xffe0_001f, 0xd440_0000) },
  { reason: "B to itself never ends", covers: matches(0x7fff_ffff, 0x1400_0000) },
  { reason: "a conditional branch to itself may never end", covers: (word) => selfBranch(word) },
  {
    reason: "QEMU 7.2 sign-extends FCVTZS (scalar, fixed-point) of half precision to 32 bits",
    covers: matches(0xfff0_fc00, 0x5f10_fc00),
  },
  {
    reason: "WFE and WFI wait",
    covers: (word) => word === 0xd503205f || word === 0xd503207f,
  },
];

/** B.cond, CBZ, CBNZ, TBZ and TBNZ with distance zero. */
function selfBranch(word: number): boolean {
  const short = matches(0xff00_0010, 0x5400_0000)(word) || matches(0x7e00_0000, 0x3400_0000)(word);
  if (short) return (word & 0x00ff_ffe0) === 0;
  return matches(0x7e00_0000, 0x3600_0000)(word) && (word & 0x0007_ffe0) === 0;
}

/** Why a word isn't compared, or `undefined` when it is. */
export function skipReason(word: number): string | undefined {
  return skips.find(({ covers }) => covers(word))?.reason;
}

/** Whether a declaration's `unpredictable` holds only because its random values don't compare; we have better ones. */
export const chosenByHand = isSystem;
