/** What an option of kind `image` may say, parsed. */
import type { Board, OptionSpec } from "../../core/mod.ts";
import { ImageError } from "./error.ts";
import { parseInitramfs } from "./initramfs_spec.ts";
import type { InitramfsFile } from "./initramfs_spec.ts";

/** A parsed reference. */
export type Reference =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "url"; readonly url: string }
  /** A file (its path may be a glob) inside a Debian package (its name may be a glob). */
  | { readonly kind: "deb"; readonly package: string; readonly path: string }
  /** Must have this SHA-256, in hexadecimal. */
  | { readonly kind: "pinned"; readonly image: Reference; readonly sha256: string }
  /** One after the other, as the kernel takes initramfs archives. */
  | { readonly kind: "list"; readonly images: readonly Reference[] }
  | { readonly kind: "initramfs"; readonly files: readonly InitramfsFile<Reference>[] };

function parseText(text: string): Reference {
  if (text.startsWith("deb:")) {
    const match = /^deb:([a-z0-9*?][a-z0-9+.*?-]*)#(\/.+)$/.exec(text);
    if (!match) {
      throw new ImageError(`${text}: want deb:PACKAGE#/PATH, for instance deb:busybox-static#/bin/busybox; both may hold * and ?`);
    }
    return { kind: "deb", package: match[1], path: match[2] };
  }
  if (/^https:\/\//.test(text)) return { kind: "url", url: text };
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//.exec(text)?.[1];
  if (scheme === "http") throw new ImageError(`${text}: http: can't be trusted on the way; use https:, or download it and give a path`);
  if (scheme) throw new ImageError(`${text}: unknown scheme ${scheme}: want a path, an https: URL or deb:PACKAGE#PATH`);
  return { kind: "path", path: text };
}

function parseValue(value: unknown): Reference {
  if (typeof value === "string") return parseText(value);
  if (Array.isArray(value)) return { kind: "list", images: value.map(parseValue) };
  if (typeof value === "object" && value !== null) {
    const object = value as Record<string, unknown>;
    const keys = Object.keys(object).toSorted().join(" ");
    if (keys === "initramfs") return { kind: "initramfs", files: parseInitramfs(object.initramfs, parseValue) };
    if (keys === "image sha256") {
      const sha256 = String(object.sha256).toLowerCase();
      if (!/^[0-9a-f]{64}$/.test(sha256)) throw new ImageError(`sha256: ${sha256} isn't 64 hexadecimal digits`);
      return { kind: "pinned", image: parseValue(object.image), sha256 };
    }
  }
  throw new ImageError("want a path, an https: URL, deb:PACKAGE#PATH, a list of these, { image, sha256 } or { initramfs: { files } }");
}

/** Parses an option's value; lists and objects come as JSON text. Throws an {@linkcode ImageError}. */
export function parseReference(reference: string): Reference {
  if (!/^\s*[[{]/.test(reference)) return parseText(reference);
  let value: unknown;
  try {
    value = JSON.parse(reference);
  } catch {
    return parseText(reference);
  }
  return parseValue(value);
}

/** An image that a board asks for, and the option that asks. */
export interface ImageUse {
  readonly reference: string;
  /** Where the manifest says it, the option's name included. */
  readonly path: readonly (string | number)[];
}

/** Every image that a board's options name. */
export function imageUses(board: Board): ImageUse[] {
  const uses = [...board.plugins, ...board.domains.flatMap((domain) => domain.plugins)];
  const found: ImageUse[] = [];
  for (const { plugin, options, path } of uses) {
    for (const [name, spec] of Object.entries(plugin.options as Readonly<Record<string, OptionSpec>>)) {
      if (spec.kind !== "image") continue;
      for (const reference of [options[name]].flat()) if (typeof reference === "string") found.push({ reference, path: [...path, name] });
    }
  }
  return found;
}
