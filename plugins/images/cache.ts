/**
 * Cache of fetched images: contents by their SHA-256, and for every reference
 * a small record of which content it is. Any number of processes may use it:
 * files appear by renaming, and whoever has to fetch holds a lock.
 */
import { createHash } from "node:crypto";

/** What is known of a reference. */
interface ImageRecord {
  readonly reference: string;
  readonly sha256: string;
  readonly size: number;
  /** Where it came from: package file and path, or URL. */
  readonly origin: string;
  /** When the content was last hashed and right, and its file's time then (Unix, milliseconds). */
  readonly verifiedMs: number;
  readonly mtimeMs: number;
}

/** A file with the size and time of the last check isn't hashed again for a day; smaller ones always are. */
const TRUST_MS = 24 * 3600 * 1000;
const ALWAYS_HASH_BYTES = 2 ** 20;

/** Hexadecimal SHA-256. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** `$PLUGBOARD_CACHE`, `$XDG_CACHE_HOME/plugboard` or `~/.cache/plugboard`. */
export function cacheDirectory(env: (name: string) => string | undefined = (name) => Deno.env.get(name)): string {
  const own = env("PLUGBOARD_CACHE");
  if (own) return own;
  const shared = env("XDG_CACHE_HOME") || (env("HOME") ? `${env("HOME")}/.cache` : undefined);
  return shared ? `${shared}/plugboard` : `${env("TMPDIR") ?? "/tmp"}/plugboard-cache`;
}

/** The cache below a directory, which appears when first needed. */
export class ImageCache {
  constructor(readonly root: string) {}

  private contentPath(hash: string): string {
    return `${this.root}/sha256/${hash}`;
  }

  private recordPath(reference: string): string {
    return `${this.root}/references/${sha256(reference)}.json`;
  }

  /** The content of a reference, if it is here and still what it was. */
  async read(reference: string): Promise<Uint8Array | undefined> {
    let record: ImageRecord;
    let bytes: Uint8Array;
    let mtimeMs: number;
    try {
      record = JSON.parse(await Deno.readTextFile(this.recordPath(reference)));
      const path = this.contentPath(record.sha256);
      mtimeMs = (await Deno.stat(path)).mtime?.getTime() ?? 0;
      bytes = await Deno.readFile(path);
    } catch {
      return undefined;
    }
    const known = bytes.length === record.size && mtimeMs === record.mtimeMs && Date.now() - record.verifiedMs < TRUST_MS;
    if (known && bytes.length > ALWAYS_HASH_BYTES) return bytes;
    if (sha256(bytes) !== record.sha256) return undefined;
    if (!known) await this.record({ ...record, mtimeMs, verifiedMs: Date.now() });
    return bytes;
  }

  /** Stores a content and what it is called. Returns its SHA-256. */
  async write(reference: string, bytes: Uint8Array, origin: string): Promise<string> {
    const hash = sha256(bytes);
    await this.replace(this.contentPath(hash), bytes);
    const mtimeMs = (await Deno.stat(this.contentPath(hash))).mtime?.getTime() ?? 0;
    await this.record({ reference, sha256: hash, size: bytes.length, origin, verifiedMs: Date.now(), mtimeMs });
    return hash;
  }

  private async record(record: ImageRecord): Promise<void> {
    const text = new TextEncoder().encode(`${JSON.stringify(record, undefined, 2)}\n`);
    // A cache that can't be written to still serves.
    await this.replace(this.recordPath(record.reference), text).catch(() => {});
  }

  private async replace(path: string, bytes: Uint8Array): Promise<void> {
    await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
    const draft = `${path}.${Deno.pid}.${crypto.randomUUID()}`;
    try {
      await Deno.writeFile(draft, bytes);
      await Deno.rename(draft, path);
    } catch (error) {
      await Deno.remove(draft).catch(() => {});
      throw error;
    }
  }

  /** Runs `work` while no other process fetches. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    await Deno.mkdir(this.root, { recursive: true });
    using file = await Deno.open(`${this.root}/lock`, { create: true, write: true });
    await file.lock(true);
    return await work();
  }

  /** Runs `work` with an empty directory that is gone afterwards. */
  async temporary<T>(work: (directory: string) => Promise<T>): Promise<T> {
    await Deno.mkdir(this.root, { recursive: true });
    const directory = await Deno.makeTempDir({ dir: this.root, prefix: "fetch-" });
    try {
      return await work(directory);
    } finally {
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    }
  }
}
