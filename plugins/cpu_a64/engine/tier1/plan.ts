/** What a region is to be made of, and its way to a translation. */
import type { Decoder } from "../../isa/decoder.ts";
import type { DecodeEnvironment } from "../../isa/dsl.ts";
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
  { decoder, environment }: { readonly decoder: Decoder; readonly environment: DecodeEnvironment },
): { readonly translation: Translation; readonly unrolled: number } {
  let written!: WrittenRegion;
  const code = module.region(number, (f) => written = writeRegion(f, { graph, wordAt, decoder, environment, module }));
  const spans = [...graph.blocks.values()].map(({ first, count }) => ({ first, count }));
  // Blocks that nothing leads to have no code.
  const pages = [...new Set([...written.pages, ...spans.map(({ first }) => Math.floor(first / RECORDS_PER_PAGE))])];
  const words = Uint32Array.from(spans.flatMap(({ first, count }) => Array.from({ length: count }, (_, n) => wordAt(first + n))));
  return { translation: { head, pages, spans, words, exits: [...written.exits], code }, unrolled: written.unrolled };
}
