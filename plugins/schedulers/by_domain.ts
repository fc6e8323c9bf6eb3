/** Options that map domains to something: `weights: { linux: 512 }`. */
import { nearest, poolOf } from "../../core/mod.ts";
import type { Board, ResourceFinding } from "../../core/mod.ts";

/** A plain mapping, or why it is none. */
export function checkMap(value: unknown, each: (entry: unknown, domain: string) => string | undefined, what: string): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `want a map from domain to ${what}`;
  for (const [domain, entry] of Object.entries(value)) {
    const wrong = each(entry, domain);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** The line of a pool in what `check` prints, where there are several. */
export function poolLines(board: Board, options: object, more: readonly string[] = []): string[] {
  const pool = poolOf(board, options);
  const domains = board.domains.filter(({ name }) => pool.has(name)).map(({ name }) => name);
  const isWhole = pool.cpus.length === board.pcpus;
  const line = `${pool.use.plugin.name}: CPU ${pool.cpus.join(", ")}: ${domains.join(", ") || "no domain"}`;
  return isWhole && more.length === 0 ? [] : [line, ...more.map((text) => `  ${text}`)];
}

/** What such an option says of a domain: a domain may be called `constructor`. */
export function entryOf<T>(map: Readonly<Record<string, T>> | undefined, domain: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, domain) ? map[domain] : undefined;
}

/** A number within bounds, for {@linkcode checkMap}. */
export function inRange(least: number, most: number, what: string): (entry: unknown, domain: string) => string | undefined {
  return (entry, domain) =>
    typeof entry === "number" && entry >= least && entry <= most
      ? undefined
      : `the ${what} of ${domain} is ${JSON.stringify(entry)}; want ${least} to ${most}`;
}

/** Names in such an option that are no domains of the scheduler's pool. */
export function foreignDomains(board: Board, options: object, option: string): ResourceFinding[] {
  const pool = poolOf(board, options);
  const map = (options as Record<string, unknown>)[option];
  return Object.keys(map ?? {}).flatMap((name): ResourceFinding[] => {
    const at = { path: [...pool.use.path, option, name], on: "key" as const };
    const index = board.domains.findIndex((domain) => domain.name === name);
    if (index < 0) {
      const close = nearest(name, board.domains.map((domain) => domain.name));
      return [{ title: `there is no domain ${JSON.stringify(name)}`, found: name, help: close && `did you mean ${close}?`, places: [at] }];
    }
    if (pool.has(name)) return [];
    return [{
      title: `domain ${name} is in another scheduler's pool`,
      found: name,
      places: [at, { path: ["domains", index, "name"] }],
    }];
  });
}
