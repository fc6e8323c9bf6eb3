/** Turns references into bytes: from the cache, or from where they come from. */
import { isAbsolute, join } from "@std/path";
import { Apt } from "./apt.ts";
import { cacheDirectory, ImageCache, sha256 } from "./cache.ts";
import { packCpio, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG } from "./cpio.ts";
import type { CpioEntry } from "./cpio.ts";
import { readFromDeb } from "./deb.ts";
import { ImageError, ImagesError } from "./error.ts";
import type { InitramfsFile } from "./initramfs_spec.ts";
import { parseReference } from "./reference.ts";
import type { Reference } from "./reference.ts";

/** Told what goes on, a line at a time, and only when something takes time. */
export type Progress = (line: string) => void;

/** The kernel finds the next archive of a concatenated initramfs at a multiple of 4 bytes. */
const CONCATENATION_ALIGNMENT = 4;

class Resolver {
  private readonly packages = new Map<string, Promise<string>>();
  private readonly contents = new Map<string, Promise<Uint8Array>>();
  private readonly apt: Apt;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly cache: ImageCache,
    private readonly directory: () => Promise<string>,
    private readonly baseDir: string,
    private readonly progress: Progress,
  ) {
    this.apt = new Apt(`${cache.root}/apt`, progress);
  }

  async resolve(reference: Reference): Promise<Uint8Array> {
    switch (reference.kind) {
      case "path":
        return await this.file(reference.path);
      case "url":
        return await this.cached(reference.url, () => this.download(reference.url));
      case "deb":
        return await this.cached(`deb:${reference.package}#${reference.path}`, () => this.fromPackage(reference.package, reference.path));
      case "pinned":
        return await this.pinned(reference.image, reference.sha256);
      case "list":
        return concatenate(await Promise.all(reference.images.map((image) => this.resolve(image))));
      case "initramfs":
        return packCpio(await Promise.all(reference.files.map((file) => this.entry(file))));
    }
  }

  private async entry(file: InitramfsFile<Reference>): Promise<CpioEntry> {
    const { path, mode } = file;
    switch (file.kind) {
      case "from":
        return { path, mode: S_IFREG | mode, data: await this.resolve(file.from) };
      case "text":
        return { path, mode: S_IFREG | mode, data: new TextEncoder().encode(file.text) };
      case "directory":
        return { path, mode: S_IFDIR | mode };
      case "link":
        return { path, mode: S_IFLNK | mode, data: new TextEncoder().encode(file.target) };
      case "device":
        return { path, mode: (file.block ? S_IFBLK : S_IFCHR) | mode, major: file.major, minor: file.minor };
    }
  }

  private async file(path: string): Promise<Uint8Array> {
    const full = isAbsolute(path) ? path : join(this.baseDir, path);
    try {
      return await Deno.readFile(full);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw new ImageError(`no file ${full}`);
      throw new ImageError(`can't read ${full}: ${(error as Error).message}`);
    }
  }

  private async pinned(image: Reference, wanted: string): Promise<Uint8Array> {
    const bytes = await this.resolve(image);
    const found = sha256(bytes);
    if (found === wanted) return bytes;
    throw new ImageError(`its SHA-256 is ${found}, the manifest wants ${wanted}: the image changed, or the manifest means another one`);
  }

  /** From the cache, or fetched while no other process does; within one run each reference once. */
  private cached(reference: string, fetch: () => Promise<{ bytes: Uint8Array; origin: string }>): Promise<Uint8Array> {
    let content = this.contents.get(reference);
    if (!content) {
      content = this.cache.read(reference).then((bytes) => bytes ?? this.fetchOnce(reference, fetch));
      this.contents.set(reference, content);
    }
    return content;
  }

  private fetchOnce(reference: string, fetch: () => Promise<{ bytes: Uint8Array; origin: string }>): Promise<Uint8Array> {
    const next = this.queue.then(() =>
      this.cache.exclusively(async () => {
        // Another process may have fetched it while we waited for the lock.
        const there = await this.cache.read(reference);
        if (there) return there;
        const { bytes, origin } = await fetch();
        const hash = await this.cache.write(reference, bytes, origin);
        this.progress(`${origin}: ${(bytes.length / 2 ** 20).toFixed(1)} MiB, sha256 ${hash.slice(0, 16)}…, cached`);
        return bytes;
      })
    );
    this.queue = next.catch(() => {});
    return next;
  }

  private async fromPackage(name: string, path: string): Promise<{ bytes: Uint8Array; origin: string }> {
    let deb = this.packages.get(name);
    if (!deb) {
      const number = this.packages.size;
      deb = this.directory().then(async (directory) => {
        await Deno.mkdir(`${directory}/${number}`);
        return await this.apt.download(name, `${directory}/${number}`);
      });
      this.packages.set(name, deb);
    }
    const file = await deb;
    const found = await readFromDeb(file, path);
    return { bytes: found.bytes, origin: `${decodeURIComponent(file.replace(/.*\//, ""))} ${found.path}` };
  }

  private async download(url: string): Promise<{ bytes: Uint8Array; origin: string }> {
    this.progress(`downloading ${url}`);
    let response: Response;
    try {
      response = await fetch(url);
    } catch (error) {
      throw new ImageError(`can't reach ${url} (${(error as Error).message}): is this machine offline? A path works without a network`);
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw new ImageError(`${url}: the server says ${response.status} ${response.statusText}`);
    }
    try {
      return { bytes: new Uint8Array(await response.arrayBuffer()), origin: url };
    } catch (error) {
      throw new ImageError(`${url}: the download broke off (${(error as Error).message}); try again`);
    }
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const padded = (part: Uint8Array) => Math.ceil(part.length / CONCATENATION_ALIGNMENT) * CONCATENATION_ALIGNMENT;
  const result = new Uint8Array(parts.reduce((sum, part) => sum + padded(part), 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += padded(part);
  }
  return result;
}

/**
 * Resolves references as options of kind `image` hold them; the keys of the
 * result are the references themselves. Paths are relative to `baseDir`.
 * Throws an {@linkcode ImagesError} that names all that can't be had.
 */
export async function resolveImages(
  references: Iterable<string>,
  baseDir: string,
  progress: Progress = () => {},
  cache: ImageCache = new ImageCache(cacheDirectory()),
): Promise<Map<string, Uint8Array>> {
  const wanted = [...new Set(references)];
  const failures: ImageError[] = [];
  const images = new Map<string, Uint8Array>();
  let release = () => {};
  let directory: Promise<string> | undefined;
  let cleaned: Promise<unknown> = Promise.resolve();
  // Most runs find everything in the cache: the directory for downloads appears with the first download.
  const lazyDirectory = () =>
    directory ??= new Promise<string>((resolve, reject) => {
      cleaned = cache.temporary((path) => {
        resolve(path);
        return new Promise<void>((done) => release = done);
      }).catch(reject);
    });
  const resolver = new Resolver(cache, lazyDirectory, baseDir, progress);
  await Promise.all(wanted.map(async (reference) => {
    try {
      images.set(reference, await resolver.resolve(parseReference(reference)));
    } catch (error) {
      const failure = error instanceof ImageError
        ? error
        : new ImageError(`${shorten(reference)}: ${(error as Error).message}${hint(error)}`);
      failure.reference = reference;
      failures.push(failure);
    }
  }));
  release();
  await cleaned;
  if (failures.length > 0) throw new ImagesError(failures);
  return images;
}

/** A cache that can't be written to is the one thing that goes wrong without a message of ours. */
const hint = (error: unknown) => error instanceof Deno.errors.PermissionDenied ? "; PLUGBOARD_CACHE names another cache directory" : "";

const shorten = (reference: string) => reference.length > 80 ? `${reference.slice(0, 77)}...` : reference;
