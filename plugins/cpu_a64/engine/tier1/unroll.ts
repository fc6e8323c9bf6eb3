/**
 * Short loops twice: as they are, and several times in a row for iterations in which registers stay in pages that were met, so that accesses
 * by them need no checks of their own. A choice between both heads the loop.
 */
import type { Block, Graph } from "./discover.ts";
import { dominators, loopNests, loopsOf, reversePostorder } from "./structure.ts";

/** Most instructions of a loop that has fast copies, and of these together if there are several. */
const MAX_LOOP = 32, MAX_COPIED = 48;
const MAX_COPIES = 4;
/** Between the numbers of a block and its next copy. */
const APART = 2 ** 32;

/** A graph in which blocks may be several times. The slow copy has the numbers of its instructions. */
export interface UnrolledGraph extends Graph {
  /** The block that an edge leads to: `to` is an instruction. */
  target(from: number, to: number): number;
  /** The block has no instructions, but chooses between these. */
  choice(block: number): { readonly fast: number; readonly slow: number } | undefined;
  /** Which block chose the fast copy that the block is in. */
  chosenBy(block: number): number | undefined;
}

/** The instruction that a block begins with. */
export function firstOf(block: number): number {
  return block - copyOf(block) * APART;
}

/** 0: the slow copy; the choice is behind the last fast one. */
function copyOf(block: number): number {
  return Math.round(block / APART);
}

/** Copies innermost loops that gain by it. @param gains for the blocks of a loop, its head first, each behind those that lead to it */
export function unroll(graph: Graph, gains: (blocks: readonly number[]) => boolean): UnrolledGraph {
  const copied = new Map<number, { readonly head: number; readonly copies: number }>();
  for (const { head, blocks, count } of innermostLoops(graph)) {
    if (count > MAX_LOOP || !gains(blocks)) continue;
    const copies = Math.max(1, Math.min(MAX_COPIES, Math.floor(MAX_COPIED / count)));
    for (const block of blocks) copied.set(block, { head, copies });
  }
  const choiceAt = (head: number) => head + (copied.get(head)!.copies + 1) * APART;
  const isHead = (first: number) => copied.get(first)?.head === first;
  const target = (from: number, to: number): number => {
    const loop = copied.get(firstOf(from)), copy = copyOf(from);
    if (loop === undefined || copied.get(to)?.head !== loop.head) return isHead(to) ? choiceAt(to) : to;
    if (!isHead(to)) return to + copy * APART;
    return copy === 0 || copy === loop.copies ? choiceAt(to) : to + (copy + 1) * APART;
  };
  const choice = (block: number) => {
    const first = firstOf(block);
    return isHead(first) && block === choiceAt(first) ? { fast: first + APART, slow: first } : undefined;
  };
  const chosenBy = (block: number) => copyOf(block) === 0 || choice(block) ? undefined : choiceAt(copied.get(firstOf(block))!.head);
  const blocks = new Map<number, Block>();
  for (const [first, block] of graph.blocks) {
    for (let copy = 0; copy <= (copied.get(first)?.copies ?? 0); copy++) {
      const own = first + copy * APART;
      blocks.set(own, { ...block, successors: block.successors.map((to) => target(own, to)) });
    }
    if (isHead(first)) blocks.set(choiceAt(first), { first, count: 0, ending: { kind: "next" }, successors: [first + APART, first] });
  }
  return { ...graph, head: isHead(graph.head) ? choiceAt(graph.head) : graph.head, blocks, target, choice, chosenBy };
}

/** Loops that have no other in them, and that only branches leave. */
function innermostLoops(graph: Graph): { readonly head: number; readonly blocks: number[]; readonly count: number }[] {
  // Most regions have none: no edge leads back.
  if ([...graph.blocks.values()].every(({ first, successors }) => successors.every((to) => to > first))) return [];
  const { order, number } = reversePostorder(graph);
  const { heads, dominates } = loopsOf(graph, order, number, dominators(graph, order, number));
  const nests = loopNests(graph, order, heads, dominates);
  const loops = new Map<
    number,
    { readonly head: number; readonly blocks: number[]; count: number; isInnermost: boolean; isClosed: boolean }
  >();
  for (const block of order) {
    const { count, ending: { kind } } = graph.blocks.get(block)!;
    const nest = nests.get(block) ?? [];
    for (const head of nest) {
      let loop = loops.get(head);
      if (!loop) loops.set(head, loop = { head, blocks: [], count: 0, isInnermost: true, isClosed: true });
      loop.blocks.push(block);
      loop.count += count;
      loop.isInnermost &&= head === nest.at(-1);
      loop.isClosed &&= kind !== "return" && kind !== "leave";
    }
  }
  return [...loops.values()].filter(({ isInnermost, isClosed }) => isInnermost && isClosed);
}
