/**
 * Images that boards name: files, `https:` URLs, files inside Debian packages,
 * and initramfs archives described in the manifest. All are fetched before the
 * machine is built; plugins get bytes.
 *
 * What comes from outside is bounded and checked: packages by apt's signatures,
 * cached contents by their SHA-256, and a manifest may pin one.
 * @module
 */
export { Apt } from "./apt.ts";
export { cacheDirectory, ImageCache } from "./cache.ts";
export { ImageError, ImagesError } from "./error.ts";
export { imageUses, parseReference } from "./reference.ts";
export type { ImageUse, Reference } from "./reference.ts";
export { resolveImages } from "./resolve.ts";
export type { Progress } from "./resolve.ts";
