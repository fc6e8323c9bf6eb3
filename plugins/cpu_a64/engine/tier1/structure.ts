/**
 * Structured control flow for a region, by its dominator tree: loops for the targets of backward edges, blocks for
 * what several edges reach (N. Ramsey, "Beyond Relooper"). Edges into the middle of a loop leave the region.
 * What a loop goes on to when it ends stands behind it: in it, the host's compiler would take what changes there for what changes in the
 * loop.
 */
import type { FunctionBuilder, Label } from "../../wasm/mod.ts";
import type { FlowGraph } from "./control_flow.ts";

/** What writes the blocks. Edges are taken through the structure. */
export interface BlockWriter {
  /**
   * What comes next is a block's. Its dominator's code is complete; the head has none. So is that of all that leads here, unless it heads a
   * loop.
   * @param isJoined edges that lead to it were told to {@linkcode join}
   * @param loop head of the outermost loop that it is in
   */
  begin(block: number, dominator: number | undefined, isLoop: boolean, isJoined: boolean, loop: number | undefined): void;
  /** A loop in no other loop: `body` writes it, and what it dominates. */
  loop(header: number, dominator: number | undefined, body: () => void): void;
  /** Before an edge that leaves the outermost loop that `from` is in, after {@linkcode cross}. */
  leaveLoop(from: number): void;
  /** Before anything else of a block, inside of its loop if it heads one. `path`: most instructions before the next such check. */
  check(block: number, path: number): void;
  /** The block's instructions and its ending. `edge` goes on at another instruction: a block's, or outside. */
  body(block: number, edge: (target: number) => void): void;
  /** Before an edge between blocks is taken; may leave. */
  cross(from: number, to: number): void;
  /** Before an edge from a block to one that others may lead to as well, after {@linkcode cross}. */
  join(from: number): void;
  /** An edge that leaves the region. */
  leave(from: number, target: number): void;
}

/** Writes a graph's code into `f`. Every path ends by a jump. */
export function writeStructure(f: FunctionBuilder, graph: FlowGraph, writer: BlockWriter): void {
  const { order, number, parent, loops, nests, dominates } = graph.flow;
  const forwardEdges = new Map<number, number>();
  for (const from of order) {
    for (const to of graph.blocks.get(from)!.successors) {
      if (number.get(to)! > number.get(from)!) forwardEdges.set(to, (forwardEdges.get(to) ?? 0) + 1);
    }
  }
  const isMerge = (block: number) => (forwardEdges.get(block) ?? 0) > 1;
  const paths = longestPaths(graph);
  // Blocks that are branched to, by where they stand: behind others that a block dominates, or behind a loop.
  const children = new Map<number, number[]>(), behind = new Map<number, number[]>();
  const hasLabel = new Set<number>();
  for (const block of order) {
    if (block === graph.head) continue;
    const dominator = parent.get(block)!;
    const left = nests.get(dominator)?.find((header) => !nests.get(block)?.includes(header));
    if (left === undefined && !isMerge(block)) continue;
    hasLabel.add(block);
    const lists = left === undefined ? children : behind;
    const list = lists.get(left ?? dominator);
    if (list) list.push(block);
    else lists.set(left ?? dominator, [block]);
  }
  const isJoined = (block: number) => loops.has(block) || hasLabel.has(block);
  const outermostOf = (block: number) => nests.get(block)?.[0];
  const dominatorOf = (block: number) => block === graph.head ? undefined : parent.get(block);
  const labels = new Map<number, Label>();
  const loopLabels = new Map<number, Label>();

  const edge = (from: number) => (to: number): void => {
    if (!number.has(to)) return writer.leave(from, to);
    const isBackward = number.get(to)! <= number.get(from)!;
    if (isBackward && !dominates(to, from)) return writer.leave(from, to);
    writer.cross(from, to);
    if (outermostOf(from) !== undefined && outermostOf(from) !== outermostOf(to)) writer.leaveLoop(from);
    if (isJoined(to)) writer.join(from);
    if (isBackward) return f.br(loopLabels.get(to)!);
    if (hasLabel.has(to)) return f.br(labels.get(to)!);
    tree(to);
  };
  /** In reverse postorder: the one that comes last has the outermost label. */
  const before = (followers: readonly number[], body: () => void): void => {
    if (followers.length === 0) return body();
    const last = followers[followers.length - 1];
    f.block((end) => {
      labels.set(last, end);
      before(followers.slice(0, -1), body);
    });
    tree(last);
  };
  const within = (block: number): void =>
    before(children.get(block) ?? [], () => {
      writer.begin(block, dominatorOf(block), loops.has(block), isJoined(block), outermostOf(block));
      if (block === graph.head || loops.has(block)) writer.check(block, paths.get(block)!);
      writer.body(block, edge(block));
    });
  const tree = (block: number): void => {
    if (!loops.has(block)) return within(block);
    const loop = () =>
      f.loop((start) => {
        loopLabels.set(block, start);
        within(block);
      });
    before(behind.get(block) ?? [], () => {
      if (outermostOf(block) === block) writer.loop(block, dominatorOf(block), loop);
      else loop();
    });
  };
  tree(graph.head);
}

/** Most instructions from a block's start to the next head of a loop, or out. */
function longestPaths({ blocks, flow: { order, number, loops } }: FlowGraph): Map<number, number> {
  const paths = new Map<number, number>();
  for (let i = order.length - 1; i >= 0; i--) {
    const block = blocks.get(order[i])!;
    let longest = 0;
    for (const to of block.successors) {
      if (number.get(to)! > i && !loops.has(to)) longest = Math.max(longest, paths.get(to)!);
    }
    paths.set(order[i], longest + block.count);
  }
  return paths;
}
