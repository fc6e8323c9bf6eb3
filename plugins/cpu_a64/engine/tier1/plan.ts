/** What a region is to be made of, and its way to a translation. */
import type { Interpreter } from "../interpreter.ts";
import { RECORDS_PER_PAGE } from "../layout.ts";
import type { Graph } from "./discover.ts";
import { writeRegion, type WrittenRegion } from "./region.ts";
import type { RegionModule } from "./region_module.ts";
import type { SlotOf, Translation } from "./translation.ts";

/** A region to be. */
export interface Plan {
  readonly slot: number;
  readonly head: number;
  readonly graph: Graph;
  readonly slotOf: SlotOf;
  readonly wordAt: (index: number) => number;
}

/** Writes a region into a module. Throws where this compiler has a fault; then nothing of it is in the module. */
export function translate(
  { graph, head, wordAt }: Plan,
  number: number,
  module: RegionModule,
  { decoder, operands }: Interpreter,
): { readonly translation: Translation; readonly unrolled: number } {
  let written!: WrittenRegion;
  const code = module.region(number, (f) => written = writeRegion(f, { graph, wordAt, decoder, operands, module }));
  const spans = [...graph.blocks.values()].map(({ first, count }) => ({ first, count }));
  // Blocks that nothing leads to have no code.
  const pages = [...new Set([...written.pages, ...spans.map(({ first }) => Math.floor(first / RECORDS_PER_PAGE))])];
  const words = new Uint32Array(spans.reduce((sum, { count }) => sum + count, 0));
  let at = 0;
  for (const { first, count } of spans) for (let n = 0; n < count; n++) words[at++] = wordAt(first + n);
  return { translation: { head, pages, spans, words, exits: [...written.exits], code }, unrolled: written.unrolled };
}
