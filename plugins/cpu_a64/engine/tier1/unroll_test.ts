import { assertEquals } from "@std/assert";
import type { Block, Graph } from "./discover.ts";
import { firstOf, unroll } from "./unroll.ts";

const APART = 2 ** 32;

/** Two instructions, a loop of so many with a way around its last, and a return. */
function graphOf(count: number): Graph {
  const last = 2 + count - 1, end = 2 + count;
  const blocks: Block[] = [
    { first: 0, count: 2, ending: { kind: "next" }, successors: [2] },
    { first: 2, count: count - 1, ending: { kind: "conditional", target: 2 }, successors: [2, last] },
    { first: last, count: 1, ending: { kind: "conditional", target: 2 }, successors: [2, end] },
    { first: end, count: 1, ending: { kind: "return" }, successors: [] },
  ];
  return {
    head: 0,
    blocks: new Map(blocks.map((block) => [block.first, block])),
    returnSites: [],
    instructions: count + 3,
    beyond: [],
    cut: [],
  };
}

Deno.test("a short loop has four fast copies, one after the other, and a choice before them", () => {
  const graph = unroll(graphOf(5), (blocks, copies) => {
    assertEquals([blocks, copies], [[2, 6], 4]);
    return true;
  });
  const choice = 2 + 5 * APART;
  assertEquals([graph.target(0, 2), graph.choice(choice)], [choice, { fast: 2 + APART, slow: 2 }]);
  assertEquals(graph.blocks.get(choice), { first: 2, count: 0, ending: { kind: "next" }, successors: [2 + APART, 2] });
  for (let copy = 0; copy <= 4; copy++) {
    const next = copy === 0 || copy === 4 ? choice : 2 + (copy + 1) * APART;
    assertEquals(graph.blocks.get(2 + copy * APART)?.successors, [next, 6 + copy * APART]);
    assertEquals(graph.blocks.get(6 + copy * APART)?.successors, [next, 7]);
    assertEquals(graph.chosenBy(6 + copy * APART), copy === 0 ? undefined : choice);
  }
  assertEquals([graph.blocks.size, graph.chosenBy(0), graph.choice(2)], [2 + 2 * 5 + 1, undefined, undefined]);
});

Deno.test("a longer loop has one fast copy, a long one and one that gains nothing have none", () => {
  assertEquals(unroll(graphOf(30), () => true).blocks.size, 2 + 2 * 2 + 1);
  assertEquals(unroll(graphOf(33), () => true).blocks, graphOf(33).blocks);
  assertEquals(unroll(graphOf(5), () => false).blocks, graphOf(5).blocks);
});

Deno.test("where a region begins with such a loop, it begins with the choice; instructions before its page have numbers, too", () => {
  const graph: Graph = {
    head: -3,
    blocks: new Map([[-3, { first: -3, count: 3, ending: { kind: "conditional", target: -3 }, successors: [-3] }]]),
    returnSites: [],
    instructions: 3,
    beyond: [],
    cut: [],
  };
  const { head, blocks } = unroll(graph, () => true);
  assertEquals(head, -3 + 5 * APART);
  assertEquals([...blocks.keys()].map(firstOf), Array(6).fill(-3));
});
