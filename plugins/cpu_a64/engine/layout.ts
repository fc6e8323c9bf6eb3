/** Layout of what the engine keeps in the shared memory besides the CPU's state: TLB banks and decoded records. */

/** Bytes of a decoded instruction: handler (16 bits), then operands. */
export const RECORD_SIZE = 16;
/** Records of a page, and one more that leaves for the next page. */
export const RECORDS_PER_PAGE = 1024;
/** Distance of two pages of records; not a multiple of 4 KiB, so that equal page offsets don't share cache sets. */
export const RECORD_PAGE_STRIDE = (RECORDS_PER_PAGE + 1) * RECORD_SIZE + 240;

/**
 * Data side of a TLB bank: entries of 32 bytes, two for all pages that have the same number here. A program of 4 MiB finds its page in the second
 * place half of the time when these are 9 bits, which no host foresees. With 12 it takes a little less, but other programs more.
 */
export const DTLB_BITS = 11;
export const DTLB_ENTRY_SHIFT = 5;
/** Distance of the second one, which holds what was in the first place before. */
export const DTLB_SECOND = 1 << (DTLB_BITS + DTLB_ENTRY_SHIFT);
export const DTLB_SIZE = 2 * DTLB_SECOND;
/**
 * Where a page's entry lies in the data side. Bits from 21 on take part, or buffers 2 MiB apart would share an entry; but not in the lowest
 * bit of the index, so that pages side by side never do: an access that crosses finds no entry for both.
 */
export function dataEntry(vaLo: number): number {
  return ((vaLo >>> (12 - DTLB_ENTRY_SHIFT)) ^ ((vaLo >>> 21) << (DTLB_ENTRY_SHIFT + 1))) & (((1 << DTLB_BITS) - 1) << DTLB_ENTRY_SHIFT);
}
/** In an entry: tag for reads, tag for writes (VA of the page, -1: invalid), and host address minus VA. */
export const DTLB_READ = 0;
export const DTLB_WRITE = 8;
export const DTLB_ADDEND = 16;
/** Physical frame number of the entry, 32 bits, for maintenance. */
export const DTLB_FRAME = 20;
/** 1: global (nG = 0), 32 bits. */
export const DTLB_FLAGS = 24;

/** Instruction side: direct mapped entries of 16 bytes: tag, address of the records, flags. */
export const ITLB_BITS = 11;
export const ITLB_ENTRY_SHIFT = 4;
export const ITLB_SIZE = 1 << (ITLB_BITS + ITLB_ENTRY_SHIFT);
export const ITLB_TAG = 0;
export const ITLB_RECORDS = 8;
export const ITLB_FLAGS = 12;

/** Where a page's entry lies in the instruction side, from the start of the bank. */
export function fetchEntry(vaLo: number): number {
  return DTLB_SIZE + (((vaLo >>> 12) & ((1 << ITLB_BITS) - 1)) << ITLB_ENTRY_SHIFT);
}

/** Behind the entries: what generated walks have told `Tlb.noted` about the bank lately. One word for globals, and so many for blocks. */
export const BANK_NOTED: number = DTLB_SIZE + ITLB_SIZE;
export const NOTED_SLOTS = 64;
/** Bytes that are all ones in an empty bank. */
export const BANK_CLEARED: number = BANK_NOTED + 4 * NOTED_SLOTS + 16;

/**
 * Behind these: which places of a bank have had an entry since it was emptied, so that emptying and searching it don't take as long as it is
 * large. A word: {@linkcode LOG_UNKNOWN}, as in memory that nobody wrote to; else their number plus {@linkcode LOG_EMPTY}. Then half words: offsets in the bank, in units
 * of 16 bytes, of a data entry in the first place of two, which stands for both, or of one of the instruction side.
 */
export const BANK_LOG: number = BANK_CLEARED;
export const LOG_UNKNOWN = 0, LOG_EMPTY = 1;
export const LOG_PLACES = 2040;
export const LOG_SHIFT = 4;

/** Bytes of a bank; the odd 176 keeps banks apart in the host's cache sets. */
export const BANK_SIZE: number = BANK_LOG + 4 + 2 * LOG_PLACES + 12 + 176;

/** Kinds of `slowAtomic`: only the alignment is in question, and wrong; reads and writes; writes; DC ZVA, which writes 64 bytes. */
export const Atomic = { misaligned: 0, update: 1, write: 2, zero: 3, misalignedStore: 4 } as const;

/** Exclusive-or of TARGET and a PAGE_VA that it isn't in, whatever it is: the branch there looks its page up. */
export const ELSEWHERE = 1;

/** What a handler or the run loop reports. */
export const Status = {
  /** Go on with the next instruction. */
  next: 0,
  /** Leave; the instruction did not complete. What happens next is in the engine's hands. */
  leave: 1,
  /** Branch to the address in `TARGET`. */
  branch: 2,
  /** Leave after the instruction, which completed. */
  stop: 3,
  /** The budget is used up. */
  budget: 4,
  /** A region leaves at an instruction that the interpreter must execute. */
  bail: 5,
} as const;
