/** Channels that the manifest declares: `{ linux: 10, probe: 1 }` is one from port 10 of linux to port 1 of probe. */
import type { Board, ResourceFinding } from "../../core/mod.ts";

/** One end. */
export interface StaticEnd {
  readonly domain: string;
  readonly port: number;
}

/** Both ends. */
export type StaticChannel = readonly [StaticEnd, StaticEnd];

/** What is wrong with an entry's shape, or nothing. */
export function checkChannel(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "two domains, each with its port: { linux: 10, probe: 1 }";
  }
  const entries = Object.entries(value);
  if (entries.length !== 2) return `two domains, each with its port; there ${entries.length === 1 ? "is one" : `are ${entries.length}`}`;
  const bad = entries.find(([, port]) => !Number.isInteger(port) || (port as number) < 1);
  return bad && `a port from 1 for ${bad[0]}, not ${JSON.stringify(bad[1])}`;
}

/** Entries that have the right shape. */
export function channelsOf(entries: readonly unknown[]): StaticChannel[] {
  return entries.map((entry) => {
    const [a, b] = Object.entries(entry as Record<string, number>).map(([domain, port]) => ({ domain, port }));
    return [a, b] as const;
  });
}

/** Domains that there aren't, ports beyond the limit, and ports that two channels have. */
export function channelFindings(
  entries: readonly unknown[],
  limit: number,
  board: Board,
  path: readonly (string | number)[],
): ResourceFinding[] {
  const findings: ResourceFinding[] = [];
  const known = board.domains.map(({ name }) => name);
  const taken = new Map<string, number>();
  for (const [index, channel] of channelsOf(entries).entries()) {
    for (const { domain, port } of channel) {
      const at = [...path, index, domain];
      if (!known.includes(domain)) {
        findings.push({
          title: `the channel is of ${domain}, which isn't a domain of this board`,
          found: domain,
          wanted: known.join(" or "),
          places: [{ path: at, on: "key" }],
        });
      }
      if (port > limit) {
        findings.push({
          title: `port ${port} of ${domain} is beyond the last one`,
          found: String(port),
          wanted: `1 to ${limit}`,
          places: [{ path: at }],
        });
      }
      const other = taken.get(`${domain} ${port}`);
      if (other !== undefined) {
        findings.push({
          title: `port ${port} of ${domain} is an end of two channels`,
          places: [{ path: at }, { path: [...path, other, domain], note: "and here" }],
        });
      }
      taken.set(`${domain} ${port}`, index);
    }
  }
  return findings;
}
