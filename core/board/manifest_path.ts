/** Paths into a manifest's data. */

/** Where something stands in a manifest: `["domains", 0, "plugins", 1, "at"]`. */
export type ManifestPath = readonly (string | number)[];

/** True when `prefix` leads to `path` or is it. */
export function isWithin(path: ManifestPath, prefix: ManifestPath): boolean {
  return prefix.length <= path.length && prefix.every((segment, index) => String(segment) === String(path[index]));
}

/** `domains.0.plugins.1.at`. */
export function printPath(path: ManifestPath): string {
  return path.join(".");
}
