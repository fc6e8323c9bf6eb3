/**
 * Finds the basic blocks of a region: what direct branches reach from a head. Instructions have the numbers that they would have as
 * words of an array that begins with the head's page; pages around it continue the count, downwards too.
 */
import { RECORDS_PER_PAGE } from "../layout.ts";

/** How a block ends. Targets that aren't blocks of the region leave it. */
export type Ending =
  /** The next instruction begins another block, or the region ends there. */
  | { readonly kind: "next" }
  /** B or BL. */
  | { readonly kind: "branch"; readonly target: number }
  /** B.cond, CBZ, CBNZ, TBZ, TBNZ. */
  | { readonly kind: "conditional"; readonly target: number }
  /** RET: to where a call of this region returns, or away. */
  | { readonly kind: "return" }
  /** BR, BLR, and what only the interpreter executes. */
  | { readonly kind: "leave" };

/** A straight run of instructions. */
export interface Block {
  /** Number of the first instruction. It doesn't cross into another page. */
  readonly first: number;
  readonly count: number;
  readonly ending: Ending;
  /** Blocks of the region that may come next, by their first instruction. */
  readonly successors: readonly number[];
}

/** The blocks of a region by their first instruction, and where its calls return to. */
export interface Graph {
  readonly head: number;
  readonly blocks: ReadonlyMap<number, Block>;
  readonly returnSites: readonly number[];
  readonly instructions: number;
  /** Where it leaves to, and where calls that leave it return to: other regions should begin there. */
  readonly beyond: readonly number[];
  /** Where it ends for want of room: others should go on there. */
  readonly cut: readonly number[];
}

/** What is known of the code around. */
export interface Surroundings {
  /** The instruction of a number, or `undefined` for code that is cold. */
  wordAt(index: number): number | undefined;
  /** A region that begins there is gone on in, not copied: it contains the head of the one to be, say. `size`: instructions so far. */
  isElsewhere(index: number, size: number): boolean;
}

/** Most instructions of a region. */
const MAX_INSTRUCTIONS = 200;
/** Calls whose returns stay in the region. */
const MAX_RETURN_SITES = 6;
/** Longest function that a region takes in where it is called. */
const MAX_CALLEE = 40;

/** Explores from `head`. */
export function discover(head: number, { wordAt, isElsewhere }: Surroundings): Graph {
  const seen = new Map<number, Ending | undefined>();
  const leaders = new Set([head]);
  const returnSites: number[] = [];
  const beyond = new Set<number>(), cut = new Set<number>();
  const queue = [head];
  const lead = (index: number) => {
    if (leaders.has(index)) return;
    if (isElsewhere(index, seen.size)) return;
    leaders.add(index);
    queue.push(index);
  };
  for (let start = queue.shift(); start !== undefined; start = queue.shift()) {
    for (let index = start;; index++) {
      if (seen.has(index)) {
        if (index !== start) leaders.add(index);
        break;
      }
      const word = index !== start && isElsewhere(index, seen.size) ? undefined : wordAt(index);
      if (word === undefined || seen.size >= MAX_INSTRUCTIONS) {
        if (word !== undefined) cut.add(index);
        break;
      }
      if (index !== start && index % RECORDS_PER_PAGE === 0) leaders.add(index);
      const ending = endingOf(word, index);
      seen.set(index, ending);
      if (ending === undefined) continue;
      if (ending.kind === "branch" && isCall(word)) {
        const isSmall = ending.target === head || (!isElsewhere(ending.target, seen.size) && isShort(ending.target, wordAt));
        const isTaken = isSmall && returnSites.length < MAX_RETURN_SITES;
        if (isTaken) {
          lead(ending.target);
          if (!returnSites.includes(index + 1)) returnSites.push(index + 1);
          lead(index + 1);
        } else {
          for (const target of [ending.target, index + 1]) if (wordAt(target) !== undefined) beyond.add(target);
        }
      } else if (ending.kind === "branch") lead(ending.target);
      else if (ending.kind === "conditional") {
        lead(ending.target);
        lead(index + 1);
      } else if (ending.kind === "leave" && wordAt(index + 1) !== undefined) beyond.add(index + 1);
      break;
    }
  }
  const outside = (indices: ReadonlySet<number>) => [...indices].filter((index) => !seen.has(index));
  return {
    head,
    blocks: divide(seen, leaders, returnSites),
    returnSites: returnSites.filter((site) => seen.has(site)),
    instructions: seen.size,
    beyond: outside(beyond),
    cut: outside(cut),
  };
}

/** A function without calls and loops, whose ways all end with RET or in cold code. */
function isShort(start: number, wordAt: (index: number) => number | undefined): boolean {
  const seen = new Set<number>();
  const queue = [start];
  for (let from = queue.pop(); from !== undefined; from = queue.pop()) {
    for (let index = from; !seen.has(index); index++) {
      const word = wordAt(index);
      if (word === undefined) break;
      seen.add(index);
      if (seen.size > MAX_CALLEE) return false;
      const ending = endingOf(word, index);
      if (ending === undefined) continue;
      if (ending.kind === "leave" || isCall(word)) return false;
      if (ending.kind === "branch" || ending.kind === "conditional") {
        if (ending.target <= index) return false;
        queue.push(ending.target);
      }
      if (ending.kind === "conditional") continue;
      break;
    }
  }
  return seen.size > 0;
}

function divide(
  seen: ReadonlyMap<number, Ending | undefined>,
  leaders: ReadonlySet<number>,
  returnSites: readonly number[],
): Map<number, Block> {
  const blocks = new Map<number, Block>();
  for (const first of leaders) {
    if (!seen.has(first)) continue;
    let index = first;
    let ending: Ending | undefined;
    for (;; index++) {
      ending = seen.get(index);
      if (ending !== undefined) break;
      if (!seen.has(index + 1) || leaders.has(index + 1)) {
        ending = { kind: "next" };
        break;
      }
    }
    const reached = ending.kind === "next"
      ? [index + 1]
      : ending.kind === "branch"
      ? [ending.target]
      : ending.kind === "conditional"
      ? [ending.target, index + 1]
      : ending.kind === "return"
      ? returnSites
      : [];
    blocks.set(first, { first, count: index - first + 1, ending, successors: reached.filter((to) => seen.has(to) && leaders.has(to)) });
  }
  return blocks;
}

/** BL. */
function isCall(word: number): boolean {
  return (word & 0xfc00_0000) >>> 0 === 0x9400_0000;
}

/** How an instruction ends its block, if it does. Arm ARM DDI 0487, "Branches, Exception Generating and System instructions". */
function endingOf(word: number, index: number): Ending | undefined {
  // B, BL.
  if ((word & 0x7c00_0000) === 0x1400_0000) return { kind: "branch", target: index + ((word << 6) >> 6) };
  // B.cond, CBZ, CBNZ: imm19; TBZ, TBNZ: imm14.
  if ((word & 0xff00_0010) >>> 0 === 0x5400_0000 || (word & 0x7e00_0000) === 0x3400_0000) {
    return { kind: "conditional", target: index + ((word << 8) >> 13) };
  }
  if ((word & 0x7e00_0000) === 0x3600_0000) return { kind: "conditional", target: index + ((word << 13) >> 18) };
  if (word >>> 0 === 0xd65f_03c0) return { kind: "return" };
  // The other branches to registers, ERET; exception generation; UDF.
  if ((word & 0xfe00_0000) >>> 0 === 0xd600_0000 || (word & 0xff00_0000) >>> 0 === 0xd400_0000 || word >>> 16 === 0) {
    return { kind: "leave" };
  }
  // WFE, WFI, SEV, SEVL; MSR (immediate) but of DAIFSet and DAIFClr; SYS and SYSL but DC ZVA.
  if ((word & 0xffff_ff1f) >>> 0 === 0xd503_201f && ((word >>> 5) & 7) >= 2 && ((word >>> 5) & 7) <= 5) return { kind: "leave" };
  if ((word & 0xfff8_f01f) >>> 0 === 0xd500_401f && (word & 0xffff_f0df) >>> 0 !== 0xd503_40df) return { kind: "leave" };
  if ((word & 0xffd8_0000) >>> 0 === 0xd508_0000 && (word & 0xffff_ffe0) >>> 0 !== 0xd50b_7420) return { kind: "leave" };
  return undefined;
}
