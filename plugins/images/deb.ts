/** Takes one file out of a Debian package. */
import { ImageError } from "./error.ts";
import { globToRegExp, nearest } from "./names.ts";
import { readTar } from "./tar.ts";
import type { TarEntry } from "./tar.ts";

/** Links in a package that point at one another end somewhere. */
const LINK_LIMIT = 8;

/** `/bin/x` and `/usr/bin/x` are one file on a merged system; packages say either. */
const unmerge = (path: string) => path.replace(/^\/usr\/(bin|sbin|lib)\//, "/$1/");

async function scan(
  deb: string,
  visit: (entry: TarEntry) => boolean,
  content: (entry: TarEntry, bytes: Uint8Array) => void,
): Promise<void> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("dpkg-deb", { args: ["--fsys-tarfile", deb], stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new ImageError("this machine has no dpkg-deb to open Debian packages with; give a path or an https: URL instead");
  }
  const problems = new Response(child.stderr).text();
  await readTar(child.stdout, visit, content);
  if (!(await child.status).success) throw new ImageError(`dpkg-deb can't read ${deb}: ${(await problems).trim()}`);
}

/** Reads the one file of a package that `pattern` (a path, or a glob) names, through links. Throws an {@linkcode ImageError}. */
export async function readFromDeb(deb: string, pattern: string): Promise<{ path: string; bytes: Uint8Array }> {
  const name = deb.replace(/.*\//, "").replace(/_.*/, "");
  let wanted = globToRegExp(unmerge(pattern));
  for (let round = 0; round < LINK_LIMIT; round++) {
    const seen: string[] = [];
    const matches: { entry: TarEntry; bytes?: Uint8Array }[] = [];
    await scan(deb, (entry) => {
      if (entry.type !== "directory") seen.push(entry.path);
      const match = entry.type !== "directory" && wanted.test(unmerge(entry.path));
      if (match && entry.type === "link") matches.push({ entry });
      return match;
    }, (entry, bytes) => matches.push({ entry, bytes }));
    if (matches.length === 0) {
      const near = nearest(pattern, seen);
      throw new ImageError(`package ${name} has no file ${pattern}${near.length ? `; near: ${near.join(", ")}` : ""}`);
    }
    if (matches.length > 1) {
      const list = matches.slice(0, 5).map(({ entry }) => entry.path).join(", ");
      throw new ImageError(`${pattern} matches ${matches.length} files of package ${name}: ${list}; name one`);
    }
    const [{ entry, bytes }] = matches;
    if (bytes) return { path: entry.path, bytes };
    const target = new URL(entry.target, `file://${entry.path}`).pathname;
    wanted = globToRegExp(unmerge(decodeURIComponent(target)));
  }
  throw new ImageError(`${pattern} of package ${name} is a link that leads nowhere`);
}
