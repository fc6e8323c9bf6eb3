/** How an image gets to where the guest finds it, in flash or RAM, and which ones a manifest puts where. */
import { hex, MapRefusedError } from "../../core/mod.ts";
import type { Domain, Host, HypervisorMap } from "../../core/mod.ts";
import type { Flash } from "../cfi_flash/contract.ts";
import { copyThroughMap } from "./copy.ts";

/** A range of IPAs that an image takes. */
export interface PlacedImage {
  readonly at: number;
  readonly size: number;
  /** The options that say so: whose they are. */
  readonly options: unknown;
}

/** What the `load` plugins of a domain place, in the manifest's order. */
export function loadedImages(domain: Domain, host: Host): PlacedImage[] {
  return domain.spec.plugins.filter(({ plugin }) => plugin.name === "load").map(({ options }) => {
    const { image, at } = options as { readonly image: string; readonly at: number };
    return { at, size: host.image(image).length, options };
  });
}

/** What is wrong when `what`, a range of IPAs, lies in one of the images; nothing when it doesn't. */
export function overlap(what: string, at: number, size: number, images: readonly PlacedImage[]): string | undefined {
  const other = images.find((image) => at < image.at + image.size && image.at < at + size);
  return other &&
    `${what}, ${hex(at)} to ${hex(at + size - 1)}, overlaps the image at ${hex(other.at)} to ${hex(other.at + other.size - 1)}`;
}

/**
 * Puts an image to an IPA before boot; with a map, RAM is written through EL2's own translation. Returns what is wrong, for the user, when it
 * isn't RAM or flash from end to end, or EL2 can't map it.
 */
export function placeImage(
  domain: Domain,
  flash: Flash | undefined,
  ipa: number,
  bytes: Uint8Array,
  map?: HypervisorMap,
): string | undefined {
  if (bytes.length === 0) return "an empty image";
  if (flash?.holds(ipa, bytes.length)) {
    flash.place(ipa, bytes);
    return undefined;
  }
  try {
    if (map === undefined) domain.writeMemory(ipa, bytes);
    else copyThroughMap(domain, map, ipa, bytes);
    return undefined;
  } catch (error) {
    if (error instanceof MapRefusedError) return `EL2 can't map the guest's memory: ${error.message}`;
    if (!(error instanceof RangeError)) throw error;
    const places = domain.ram.map(({ at, size }) => `RAM ${hex(at)} to ${hex(at + size - 1)}`).join(", ");
    return `${hex(bytes.length)} bytes at ${hex(ipa)} lie outside the guest's memory (${places}${
      flash ? ", and flash" : "; it has no cfi_flash"
    })`;
  }
}
