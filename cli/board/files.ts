/** Which boards a command line is about. */
import { join } from "@std/path";
import { ValidationError } from "@cliffy/command";

/** Files as they are, and of folders every manifest, by name. A file is there once. Throws a `ValidationError` for a folder without any. */
export async function boardFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    // What isn't there is told by whoever reads it.
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
