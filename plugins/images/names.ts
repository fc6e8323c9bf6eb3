/** Names with wildcards, their order, and near misses. */

/** `*` and `?` as in a shell, except that a name without a slash matches whole. `*` stays within one path part. */
export function globToRegExp(glob: string): RegExp {
  const source = glob.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
  return new RegExp(`^${source}$`);
}

export const isGlob = (name: string): boolean => /[*?]/.test(name);

/** Compares names with numbers in them as people do: `6.1.0-9` before `6.1.0-10`. */
export function compareVersions(a: string, b: string): number {
  const parts = (name: string) => name.split(/(\d+)/);
  const [left, right] = [parts(a), parts(b)];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    if (left[index] === right[index]) continue;
    const numbers = index % 2 === 1;
    return numbers ? Number(left[index]) - Number(right[index]) : left[index] < right[index] ? -1 : 1;
  }
  return left.length - right.length;
}

/** Parts of a name that say something: `linux-image-6.1` gives `linux`, `image`, `6`, `1`. */
const parts = (name: string) => name.toLowerCase().split(/[^a-z0-9]+/).filter((part) => part !== "");

/** Those of `candidates` that share most with `name`, best first. */
export function nearest(name: string, candidates: Iterable<string>, count = 5): string[] {
  const wanted = parts(name);
  const score = (candidate: string): number => {
    const has = new Set(parts(candidate));
    const shared = wanted.filter((part) => has.has(part)).length;
    return shared * 4 - has.size + (parts(candidate).at(-1) === wanted.at(-1) ? 6 : 0);
  };
  return [...candidates]
    .map((candidate) => ({ candidate, score: score(candidate) }))
    .filter((entry) => entry.score > 0)
    .toSorted((a, b) => b.score - a.score || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, count)
    .map(({ candidate }) => candidate);
}
