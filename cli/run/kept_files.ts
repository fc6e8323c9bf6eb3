/**
 * What plugins keep from one run to the next: files of the user's cache directory that nobody else can read or write. The name says of which
 * version of the program and of what they are. Any number of processes may use them: a file appears whole, by renaming.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import type { HostCache } from "../../core/mod.ts";
import { cacheDirectory } from "../../plugins/images/mod.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = fs.constants;
/** Most bytes of all files; the ones used longest ago go. */
const MOST_BYTES = 64 << 20;
/** Drafts of processes that are gone. */
const DRAFT = /\.draft$/, DRAFT_MS = 3600 * 1000;

/** Where they are. */
export function keptDirectory(): string {
  return `${cacheDirectory()}/translations`;
}

/** Files of a directory, which appears when first needed. What can't be read or written isn't kept. */
export class KeptFiles implements HostCache {
  #version: string | undefined;

  /** @param version of the program; asked once, when first needed. Nothing is kept of a program that doesn't say. */
  constructor(readonly directory: string, readonly version: () => string | undefined) {}

  read(key: string): Uint8Array | undefined {
    const path = this.#path(key);
    if (path === undefined) return undefined;
    try {
      const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW);
      try {
        const stat = fs.fstatSync(fd);
        if (!isOurs(stat) || !stat.isFile() || stat.size > MOST_BYTES) return undefined;
        const now = new Date();
        fs.futimesSync(fd, now, now);
        return new Uint8Array(fs.readFileSync(fd));
      } finally {
        fs.closeSync(fd);
      }
    } catch {
      return undefined;
    }
  }

  write(key: string, bytes: Uint8Array): void {
    const path = this.#path(key);
    if (path === undefined || bytes.length > MOST_BYTES) return;
    const draft = `${path}.${crypto.randomUUID()}.draft`;
    try {
      fs.mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      if (!this.#isPrivate()) return;
      const fd = fs.openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at);
      } finally {
        fs.closeSync(fd);
      }
      fs.renameSync(draft, path);
      this.#prune();
    } catch {
      discard(draft);
    }
  }

  #path(key: string): string | undefined {
    this.#version ??= this.version();
    if (this.#version === undefined) return undefined;
    return `${this.directory}/${createHash("sha256").update(`${this.#version}\0${key}`).digest("hex")}`;
  }

  /** A directory that somebody else could put files into is none for code. */
  #isPrivate(): boolean {
    const fd = fs.openSync(this.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return isOurs(fs.fstatSync(fd));
    } finally {
      fs.closeSync(fd);
    }
  }

  #prune(): void {
    const files = fs.readdirSync(this.directory).flatMap((name) => {
      const path = `${this.directory}/${name}`;
      const stat = fs.lstatSync(path, { throwIfNoEntry: false });
      return stat?.isFile() ? [{ path, bytes: stat.size, usedMs: stat.mtimeMs }] : [];
    });
    let room = MOST_BYTES;
    for (const { path, bytes, usedMs } of files.sort((a, b) => b.usedMs - a.usedMs)) {
      const isLeft = DRAFT.test(path) && Date.now() - usedMs > DRAFT_MS;
      if (isLeft || bytes > room) discard(path);
      else room -= bytes;
    }
  }
}

function discard(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // It never was.
  }
}

/** The user's, and nobody else may write. */
function isOurs({ uid, mode }: fs.Stats): boolean {
  return (Deno.uid() === null || uid === Deno.uid()) && (mode & 0o022) === 0;
}

/** Says which version of the CPU engine this is: what its sources say, or where they came from. */
export function engineVersion(sources: URL = new URL("../../plugins/cpu_a64/", import.meta.url)): string | undefined {
  if (sources.protocol !== "file:") return sources.href;
  const hash = createHash("sha256");
  const add = (folder: URL) => {
    for (const { name, isDirectory } of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
      if (isDirectory) add(new URL(`${name}/`, folder));
      else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) {
        hash.update(name).update("\0").update(Deno.readFileSync(new URL(name, folder)));
      }
    }
  };
  try {
    add(sources);
    return hash.digest("hex");
  } catch {
    return undefined;
  }
}
