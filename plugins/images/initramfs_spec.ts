/** An initramfs described in a manifest: which files it holds. */
import { ImageError } from "./error.ts";

/** One entry of the archive. `mode` holds permission bits. */
export type InitramfsFile<R> =
  | { readonly kind: "from"; readonly path: string; readonly mode: number; readonly from: R }
  | { readonly kind: "text"; readonly path: string; readonly mode: number; readonly text: string }
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly mode: number; readonly target: string }
  | {
    readonly kind: "device";
    readonly path: string;
    readonly mode: number;
    readonly block: boolean;
    readonly major: number;
    readonly minor: number;
  };

const kinds = ["from", "text", "directory", "link", "device"] as const;
const defaultMode = { from: 0o755, text: 0o644, directory: 0o755, link: 0o777, device: 0o600 };

function parseMode(value: unknown, fallback: number, where: string): number {
  const mode = value === undefined
    ? fallback
    : typeof value === "string" && /^(0o)?[0-7]+$/.test(value)
    ? parseInt(value.replace("0o", ""), 8)
    : value;
  if (typeof mode !== "number" || !Number.isInteger(mode) || mode < 0 || mode > 0o7777) {
    throw new ImageError(`${where}: mode ${JSON.stringify(value)}, want permission bits such as 0o755`);
  }
  return mode;
}

function parseFile<R>(value: unknown, where: string, reference: (value: unknown) => R): InitramfsFile<R> {
  const wanted = `want { path, ... } with one of ${kinds.join(", ")}`;
  if (typeof value !== "object" || value === null) throw new ImageError(`${where}: ${wanted}`);
  const object = value as Record<string, unknown>;
  const found = kinds.filter((kind) => object[kind] !== undefined);
  const stray = Object.keys(object).find((key) => ![...kinds, "path", "mode"].includes(key));
  if (stray !== undefined) throw new ImageError(`${where}: unknown key ${stray}; ${wanted}`);
  if (found.length !== 1 || typeof object.path !== "string") throw new ImageError(`${where}: ${wanted}`);
  const kind = found[0];
  const path = object.path.replace(/^\/+|\/+$/g, "");
  if (path === "" || path.split("/").some((part) => part === "" || part === "." || part === "..") || path.includes("\0")) {
    throw new ImageError(`${where}: ${JSON.stringify(object.path)} isn't a plain absolute path`);
  }
  const mode = parseMode(object.mode, defaultMode[kind], where);
  if (kind === "from") return { kind, path, mode, from: reference(object.from) };
  if (kind === "directory") return { kind, path, mode };
  if (kind === "text") return { kind, path, mode, text: String(object.text) };
  if (kind === "link") return { kind, path, mode, target: String(object.link) };
  const device = /^([cb]) (\d+) (\d+)$/.exec(String(object.device));
  if (!device) throw new ImageError(`${where}: device ${JSON.stringify(object.device)}, want "c MAJOR MINOR" or "b MAJOR MINOR"`);
  return { kind, path, mode, block: device[1] === "b", major: Number(device[2]), minor: Number(device[3]) };
}

/** Checks `{ files: [...] }`. Throws an {@linkcode ImageError} that names the entry. */
export function parseInitramfs<R>(value: unknown, reference: (value: unknown) => R): InitramfsFile<R>[] {
  const files = (value as { files?: unknown } | null)?.files;
  if (!Array.isArray(files)) throw new ImageError("initramfs: want { files: [...] }");
  return files.map((file, index) => parseFile(file, `initramfs.files[${index}]`, reference));
}
