/** Words whose assembler text can't give them back, each with its reason. */

/** One reason. */
interface Skip {
  readonly reason: string;
  readonly covers: (word: number) => boolean;
}

const skips: readonly Skip[] = [
  { reason: "ADRP's text names a page, which depends on where the word lies", covers: (word) => ((word & 0x9f00_0000) >>> 0) === 0x9000_0000 },
];

/** Why a word isn't assembled, or `undefined` when it is. */
export function assemblerSkip(word: number): string | undefined {
  return skips.find(({ covers }) => covers(word))?.reason;
}
