/** Which boards a `test` is about: files, folders of them, and the part of them that this shard has. */
import { join } from "@std/path";
import { ValidationError } from "@cliffy/command";

/** One of several machines that share the work. */
export interface Shard {
  /** From 1. */
  readonly index: number;
  readonly count: number;
}

/** `2/5`. Throws a `ValidationError`. */
export function parseShard(text: string): Shard {
  const [, index, count] = text.match(/^(\d{1,6})\/(\d{1,6})$/)?.map(Number) ?? [];
  if (index === undefined || index < 1 || index > count) {
    throw new ValidationError(`--shard ${text}: want i/n, with i from 1 to n, such as 1/4`);
  }
  return { index, count };
}

/** Each n-th, so that neighbours that all take long don't come together. */
export function shardOf<T>(items: readonly T[], { index, count }: Shard): T[] {
  return items.filter((_, position) => position % count === index - 1);
}

/** Files as they are, and of folders every manifest, by name. A file is there once. Throws a `ValidationError` for a folder without any. */
export async function boardFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    // What isn't there is told where its board would run.
    const isFolder = await Deno.stat(path).then((info) => info.isDirectory, () => false);
    if (!isFolder) {
      files.push(path);
      continue;
    }
    const inside: string[] = [];
    for await (const { name, isFile } of Deno.readDir(path)) if (isFile && /\.ya?ml$/.test(name)) inside.push(join(path, name));
    if (inside.length === 0) throw new ValidationError(`${path} has no board: want *.yaml in it`);
    files.push(...inside.sort());
  }
  return [...new Set(files)];
}
