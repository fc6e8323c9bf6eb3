/** What must hold between the cache colours of a board's domains. */
import type { Board, DomainSpec } from "./board.ts";
import type { Findings } from "./findings.ts";
import type { CacheColours } from "../memory/cache_colours.ts";
import { printSize } from "./option_values.ts";

/** Checks them: each is one of the cache's, frames suffice, and who shares one is told. */
export function checkColours(board: Board, findings: Findings): void {
  const { cacheColours: of = 1, domains } = board;
  const ram = board.memory.reduce((sum, { size }) => sum + size, 0);
  /** Who has a colour. */
  const first = new Map<number, number>();
  for (const [index, domain] of domains.entries()) {
    const path = ["domains", index, "cacheColours"];
    const beyond = domain.cacheColours?.find((colour) => colour >= of);
    if (beyond !== undefined) {
      const title = of === 1
        ? `domain ${domain.name} has cache colours, and the board has none`
        : `domain ${domain.name} has the cache colour ${beyond}; there is 0 to ${of - 1}`;
      const help = of === 1 ? "say cacheColours at the top as well: the cache's size, divided by its ways and by 4 KiB" : undefined;
      findings.add({ code: "M0409", title, found: String(beyond), help }, { path }, ...of === 1 ? [] : [{ path: ["cacheColours"] }]);
      continue;
    }
    const colours = coloursOf(board, domain);
    if (colours === undefined) continue;
    const size = domain.memory.reduce((sum, range) => sum + range.size, 0);
    const room = ram / of * colours.own.size;
    if (size > room) {
      findings.add(
        {
          code: "M0409",
          title: `domain ${domain.name} asks for ${printSize(size)}, and has ${colours.own.size} of ${of} cache colours: ${
            printSize(room)
          } of the board's RAM`,
          found: printSize(size),
          wanted: `at most ${printSize(room)}`,
        },
        { path: ["domains", index, "memory"] },
        domain.cacheColours === undefined ? { path: ["cacheColours"] } : { path },
      );
    }
    const shared = domain.cacheColours?.find((colour) => first.has(colour));
    if (shared !== undefined) {
      const other = domains[first.get(shared)!];
      findings.add(
        {
          severity: "warning",
          code: "M0410",
          title: `${domain.name} and ${other.name} share the cache colour ${shared}: each can push the other's lines out of the cache`,
          found: String(shared),
        },
        { path },
        { path: ["domains", first.get(shared)!, "cacheColours"] },
      );
    }
    for (const colour of domain.cacheColours ?? []) if (!first.has(colour)) first.set(colour, index);
  }
}

/** A domain's colours: those that the manifest says, or those that it says of nobody. `undefined`: the board has none. */
export function coloursOf(board: Board, spec: DomainSpec): CacheColours | undefined {
  const { cacheColours: of = 1 } = board;
  if (of === 1) return undefined;
  if (spec.cacheColours !== undefined) return { of, own: new Set(spec.cacheColours) };
  const named = new Set(board.domains.flatMap(({ cacheColours = [] }) => cacheColours));
  return { of, own: new Set(Array.from({ length: of }, (_, colour) => colour).filter((colour) => !named.has(colour))) };
}
