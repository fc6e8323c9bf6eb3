/**
 * Puts an image to a guest address before boot, into RAM or flash: what firmware or a debugger's script finds there.
 * One use for each image.
 *
 * A hostile image is bytes at an address that the manifest names, nothing more: nobody here looks inside.
 * @module
 */
import { definePlugin, hex } from "../../core/mod.ts";
import type { DomainContext, Plugin } from "../../core/mod.ts";
import { Flash, placeImage } from "../cfi_flash/contract.ts";

/** Options. */
export interface LoadOptions {
  readonly image: string;
  readonly at: number;
}

/** The plugin. */
export const load: Plugin<LoadOptions, undefined> = definePlugin<LoadOptions, undefined>({
  name: "load",
  doc: "Puts an image to an address of the guest's RAM or flash before boot.",
  options: {
    image: { kind: "image", doc: "The bytes, as they are." },
    at: { kind: "address", doc: "IPA of the first byte." },
  },
  attach: (context) =>
    context.onBoot(() => {
      refuseOverlap(context);
      const wrong = placeImage(context.domain, context.find(Flash), context.options.at, context.host.image(context.options.image));
      if (wrong !== undefined) context.fail("at", wrong);
    }),
});

/** Two images in one place: the one that comes later in the manifest is the one that is wrong. */
function refuseOverlap({ domain, host, options, fail }: DomainContext<LoadOptions, undefined>): void {
  const end = options.at + host.image(options.image).length;
  for (const use of domain.spec.plugins.filter(({ plugin }) => plugin.name === load.name)) {
    const other = use.options as unknown as LoadOptions;
    if (other === options) return;
    const { image, at } = other;
    const otherEnd = at + host.image(image).length;
    if (options.at < otherEnd && at < end) {
      fail("at", `${hex(options.at)} to ${hex(end - 1)} overlaps the image at ${hex(at)} to ${hex(otherEnd - 1)}`);
    }
  }
}

export default load;
