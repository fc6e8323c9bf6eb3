/** Disk images of tests: made, checked and read with the programs of e2fsprogs and QEMU. */
import { assert, assertEquals } from "@std/assert";

/** What a program said. */
export interface Said {
  readonly code: number;
  readonly text: string;
}

/** Runs a program of the host; undefined when it isn't installed. Users have no sbin in their path. */
export async function tool(name: string, ...args: string[]): Promise<Said | undefined> {
  for (const directory of ["/usr/sbin", "/sbin", "/usr/bin"]) {
    try {
      const { code, stdout, stderr } = await new Deno.Command(`${directory}/${name}`, { args }).output();
      return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** For `ignore`: true, after a line that says why, when there is no e2fsprogs. With CI=true that throws: there a skip is a failure. */
export async function noFileSystems(): Promise<boolean> {
  if (await tool("mke2fs", "-V") !== undefined) return false;
  const advice = "skipped: no mke2fs: Debian's package e2fsprogs makes the disks of this test";
  if (Deno.env.get("CI") === "true") throw new Error(advice);
  console.log(advice);
  return true;
}

/** Makes an ext4 image of a size as mke2fs takes it, with what a directory holds. */
export async function makeExt4(path: string, size: string, directory?: string): Promise<void> {
  const made = await tool("mke2fs", "-q", "-F", "-t", "ext4", ...directory === undefined ? [] : ["-d", directory], path, size);
  assertEquals(made?.code, 0, made?.text);
}

/** Fails unless a file system is whole: after its journal, if need be, and without any repair. */
export async function assertWhole(path: string): Promise<void> {
  const replayed = await tool("e2fsck", "-p", "-E", "journal_only", path);
  assert(replayed !== undefined && replayed.code <= 1, replayed?.text);
  const checked = await tool("e2fsck", "-f", "-n", path);
  assertEquals(checked?.code, 0, checked?.text);
}

/** Copies a directory out of a file system. */
export async function readOut(path: string, directory: string, to: string): Promise<void> {
  const said = await tool("debugfs", "-R", `rdump ${directory} ${to}`, path);
  assertEquals(said?.code, 0, said?.text);
}

/** Hexadecimal SHA-256. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
