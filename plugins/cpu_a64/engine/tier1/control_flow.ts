/** What a graph's edges say: orders, dominators and loops. */
import type { Graph } from "./discover.ts";

/** Blocks by their numbers. */
export interface ControlFlow {
  /** In reverse postorder, the head first; those that nothing leads to are missing. */
  readonly order: readonly number[];
  /** Of each its place in the order. */
  readonly number: ReadonlyMap<number, number>;
  /** The immediate dominators; the head is its own. */
  readonly parent: ReadonlyMap<number, number>;
  /** Heads of loops: what edges lead to from blocks that they dominate. */
  readonly loops: ReadonlySet<number>;
  /** For each block in a loop the heads of the loops that it is in, the outermost first. */
  readonly nests: ReadonlyMap<number, readonly number[]>;
  dominates(a: number, b: number): boolean;
}

/** A graph, and what its edges say. */
export interface FlowGraph extends Graph {
  readonly flow: ControlFlow;
}

/** Of a whole graph. */
export function controlFlow(graph: Graph): ControlFlow {
  const { order, number } = reversePostorder(graph);
  const predecessors = predecessorsOf(graph, order);
  const parent = dominators(graph, order, number, predecessors);
  const dominates = (a: number, b: number): boolean => {
    while (number.get(b)! > number.get(a)!) b = parent.get(b)!;
    return a === b;
  };
  const loops = new Set<number>();
  for (const from of order) {
    for (const to of graph.blocks.get(from)!.successors) {
      if (number.get(to)! <= number.get(from)! && dominates(to, from)) loops.add(to);
    }
  }
  return { order, number, parent, loops, nests: loopNests(order, predecessors, loops, dominates), dominates };
}

function reversePostorder(graph: Graph): { order: number[]; number: Map<number, number> } {
  const order: number[] = [];
  const seen = new Set([graph.head]);
  const stack: { block: number; next: number }[] = [{ block: graph.head, next: 0 }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const { successors } = graph.blocks.get(top.block)!;
    if (top.next === successors.length) {
      order.push(top.block);
      stack.pop();
      continue;
    }
    const to = successors[top.next++];
    if (seen.has(to)) continue;
    seen.add(to);
    stack.push({ block: to, next: 0 });
  }
  order.reverse();
  return { order, number: new Map(order.map((block, i) => [block, i])) };
}

function predecessorsOf(graph: Graph, order: readonly number[]): Map<number, number[]> {
  const predecessors = new Map<number, number[]>();
  for (const from of order) {
    for (const to of graph.blocks.get(from)!.successors) {
      const list = predecessors.get(to);
      if (list) list.push(from);
      else predecessors.set(to, [from]);
    }
  }
  return predecessors;
}

/** The immediate dominator of each block (K. Cooper, T. Harvey, K. Kennedy, "A Simple, Fast Dominance Algorithm"). */
function dominators(
  graph: Graph,
  order: readonly number[],
  number: ReadonlyMap<number, number>,
  predecessors: ReadonlyMap<number, readonly number[]>,
): Map<number, number> {
  const parent = new Map([[graph.head, graph.head]]);
  for (let changed = true; changed;) {
    changed = false;
    for (const block of order) {
      if (block === graph.head) continue;
      let found: number | undefined;
      for (let from of predecessors.get(block)!) {
        if (!parent.has(from)) continue;
        if (found === undefined) {
          found = from;
          continue;
        }
        while (from !== found) {
          while (number.get(from)! > number.get(found)!) from = parent.get(from)!;
          while (number.get(found)! > number.get(from)!) found = parent.get(found)!;
        }
      }
      if (parent.get(block) === found) continue;
      parent.set(block, found!);
      changed = true;
    }
  }
  return parent;
}

/** For each block in a loop the heads of the loops that it is in, the outermost first. */
function loopNests(
  order: readonly number[],
  predecessors: ReadonlyMap<number, readonly number[]>,
  loops: ReadonlySet<number>,
  dominates: (a: number, b: number) => boolean,
): ReadonlyMap<number, readonly number[]> {
  const nests = new Map<number, number[]>();
  // In reverse postorder a loop's head comes before those of the loops in it.
  for (const header of order) {
    if (!loops.has(header)) continue;
    // Backwards from the edges that close the loop: its head dominates all that is met.
    const members = new Set([header]);
    const stack = predecessors.get(header)!.filter((from) => dominates(header, from));
    for (let block = stack.pop(); block !== undefined; block = stack.pop()) {
      if (members.has(block)) continue;
      members.add(block);
      stack.push(...predecessors.get(block) ?? []);
    }
    for (const block of members) {
      const nest = nests.get(block);
      if (nest) nest.push(header);
      else nests.set(block, [header]);
    }
  }
  return nests;
}
