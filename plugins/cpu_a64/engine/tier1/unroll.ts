/**
 * Short loops twice: as they are, and several times in a row for iterations in which registers stay in pages that were met, so that accesses
 * by them need no checks of their own. A choice between both heads the loop.
 */
import { type ControlFlow, controlFlow, type FlowGraph } from "./control_flow.ts";
import type { Block, Graph } from "./discover.ts";

/** Most instructions of a loop that has fast copies, and of these together if there are several. */
const MAX_LOOP = 32, MAX_COPIED = 48;
const MAX_COPIES = 4;
/** Between the numbers of a block and its next copy. */
const APART = 2 ** 32;

/** A graph in which blocks may be several times. The slow copy has the numbers of its instructions. */
export interface UnrolledGraph extends FlowGraph {
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

/** Copies innermost loops that gain by it. @param gains for the blocks of a loop, its head first, each behind those that lead to it, and so many fast copies */
export function unroll(graph: Graph, gains: (blocks: readonly number[], copies: number) => boolean): UnrolledGraph {
  const copied = new Map<number, { readonly head: number; readonly copies: number }>();
  const flow = controlFlow(graph);
  for (const members of innermostLoops(graph, flow)) {
    const count = members.reduce((sum, block) => sum + graph.blocks.get(block)!.count, 0);
    const copies = Math.max(1, Math.min(MAX_COPIES, Math.floor(MAX_COPIED / count)));
    if (count > MAX_LOOP || !gains(members, copies)) continue;
    for (const block of members) copied.set(block, { head: members[0], copies });
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
  if (copied.size === 0) return { ...graph, flow, target, choice, chosenBy };
  const blocks = new Map<number, Block>();
  for (const [first, block] of graph.blocks) {
    for (let copy = 0; copy <= (copied.get(first)?.copies ?? 0); copy++) {
      const own = first + copy * APART;
      blocks.set(own, { ...block, successors: block.successors.map((to) => target(own, to)) });
    }
    if (isHead(first)) blocks.set(choiceAt(first), { first, count: 0, ending: { kind: "next" }, successors: [first + APART, first] });
  }
  const copies = { ...graph, head: isHead(graph.head) ? choiceAt(graph.head) : graph.head, blocks };
  return { ...copies, flow: controlFlow(copies), target, choice, chosenBy };
}

/** The blocks of each loop that has no other in it, and that only direct branches leave; its head first. */
function innermostLoops({ blocks }: Graph, { order, loops, nests }: ControlFlow): number[][] {
  const isIn = (block: number, head: number) => nests.get(block)?.includes(head) ?? false;
  const isFit = (block: number, head: number) =>
    nests.get(block)!.at(-1) === head && !["return", "leave"].includes(blocks.get(block)!.ending.kind);
  return [...loops]
    .map((head) => ({ head, members: order.filter((block) => isIn(block, head)) }))
    .filter(({ head, members }) => members.every((block) => isFit(block, head)))
    .map(({ members }) => members);
}

/**
 * Whether a block heads a loop that has no other in it, and whose code calls nothing: it has neither loads and stores nor floating point (Arm
 * ARM DDI 0487, "A64 instruction set encoding").
 */
export function callsNothing({ blocks, flow: { loops, nests } }: FlowGraph, header: number, wordAt: (index: number) => number): boolean {
  if (!loops.has(header)) return false;
  for (const [block, nest] of nests) {
    if (!nest.includes(header)) continue;
    if (nest.at(-1) !== header) return false;
    const { first, count } = blocks.get(block)!;
    for (let index = first; index < first + count; index++) {
      const word = wordAt(index);
      if ((word & 0x0a00_0000) === 0x0800_0000 || (word & 0x0e00_0000) === 0x0e00_0000) return false;
    }
  }
  return true;
}
