/** Words whose assembler text can't give them back, each with its reason. */

/** One reason. */
interface Skip {
  readonly reason: string;
  readonly covers: (word: number) => boolean;
}

const skips: readonly Skip[] = [
  {
    reason: "ADRP's text names a page, which depends on where the word lies",
    covers: (word) => ((word & 0x9f00_0000) >>> 0) === 0x9000_0000,
  },
  {
    reason: "a logical immediate's immr has bits above the element's size, which mean nothing; an assembler writes zeros",
    covers: (word) => ((word & 0x1f80_0000) >>> 0) === 0x1200_0000 && (word >>> 16 & 63) >= elementBits(word >>> 22 & 1, word >>> 10 & 63),
  },
];

/** Size of a logical immediate's repeated element, by N and imms. */
function elementBits(N: number, imms: number): number {
  return 1 << (31 - Math.clz32(N << 6 | ~imms & 0x3f));
}

/** Why a word isn't assembled, or `undefined` when it is. */
export function assemblerSkip(word: number): string | undefined {
  return skips.find(({ covers }) => covers(word))?.reason;
}
