/**
 * Puts an image to a guest address before boot, into RAM or flash: what firmware or a debugger's script finds there.
 * One use for each image.
 *
 * A hostile image is bytes at an address that the manifest names, nothing more: nobody here looks inside.
 * @module
 */
import { definePlugin, HypervisorMap } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { Flash } from "../cfi_flash/contract.ts";
import { loadedImages, overlap, placeImage } from "./contract.ts";

/** Options. */
export interface LoadOptions {
  readonly image: string;
  readonly at: number;
  readonly through?: "host" | "el2";
}

/** The plugin. */
export const load: Plugin<LoadOptions, undefined> = definePlugin<LoadOptions, undefined>({
  name: "load",
  doc: "Puts an image to an address of the guest's RAM or flash before boot.",
  options: {
    image: { kind: "image", doc: "The bytes, as they are." },
    at: { kind: "address", doc: "IPA of the first byte." },
    through: {
      kind: "choice",
      choices: ["host", "el2"],
      default: "host",
      doc:
        "Who copies into RAM: the host, at once, or EL2 through mappings of its own, as a hypervisor's loader does (one to two seconds per MiB).",
    },
  },
  places({ image, at }, context) {
    const bytes = context.image(image);
    return bytes === undefined ? [] : [{ option: "at", name: "an image", at, size: bytes.length }];
  },
  attach: (context) =>
    context.onBoot(() => {
      const { domain, host, options, fail } = context;
      const image = host.image(options.image);
      const map = options.through === "el2" ? context.find(HypervisorMap) : undefined;
      if (options.through === "el2" && map === undefined) fail("through", "the memory backend gives EL2 no map of its own");
      // Of two images in one place, the one that comes later in the manifest is the one that is wrong.
      const all = loadedImages(domain, host);
      const earlier = all.slice(0, Math.max(0, all.findIndex((other) => other.options === options)));
      const wrong = overlap("the image", options.at, image.length, earlier) ??
        placeImage(domain, context.find(Flash), options.at, image, map);
      if (wrong !== undefined) fail("at", wrong);
    }),
});

export default load;
