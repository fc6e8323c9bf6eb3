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
}

/** Most instructions of a region. */
const MAX_INSTRUCTIONS = 200;
/** Calls whose returns stay in the region. */
const MAX_RETURN_SITES = 6;

/**
 * Explores from `head`.
 *
 * @param wordAt the instruction of a number, or `undefined` for code that is cold
 */
export function discover(head: number, wordAt: (index: number) => number | undefined): Graph {
  const seen = new Map<number, Ending | undefined>();
  const leaders = new Set([head]);
  const returnSites: number[] = [];
  const queue = [head];
  const lead = (index: number) => {
    if (leaders.has(index)) return;
    leaders.add(index);
    queue.push(index);
  };
  for (let start = queue.shift(); start !== undefined; start = queue.shift()) {
    for (let index = start; seen.size < MAX_INSTRUCTIONS; index++) {
      if (index !== start && index % RECORDS_PER_PAGE === 0) leaders.add(index);
      if (seen.has(index)) {
        if (index !== start) leaders.add(index);
        break;
      }
      const word = wordAt(index);
      if (word === undefined) break;
      const ending = endingOf(word, index);
      seen.set(index, ending);
      if (ending === undefined) continue;
      if (ending.kind === "branch" || ending.kind === "conditional") lead(ending.target);
      if (ending.kind === "conditional") lead(index + 1);
      if (ending.kind === "branch" && isCall(word) && returnSites.length < MAX_RETURN_SITES && wordAt(ending.target) !== undefined) {
        if (!returnSites.includes(index + 1)) returnSites.push(index + 1);
        lead(index + 1);
      }
      break;
    }
  }
  return {
    head,
    blocks: divide(seen, leaders, returnSites),
    returnSites: returnSites.filter((site) => seen.has(site)),
    instructions: seen.size,
  };
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
