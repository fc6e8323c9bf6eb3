/**
 * Starts firmware as a reset does: vCPU 0 at its entry point, at EL1 with the MMU off, every other vCPU off until PSCI
 * turns it on. The device tree lies at the start of RAM, where firmware for QEMU's `virt` machine looks, and X0 points at it.
 *
 * A hostile image is bytes at an address that the manifest names. After boot nothing of this plugin runs.
 * @module
 */
import { definePlugin } from "../../core/mod.ts";
import type { DomainContext, Plugin } from "../../core/mod.ts";
import { Flash } from "../cfi_flash/contract.ts";
import { DeviceTree } from "../fdt/contract.ts";
import { loadedImages, overlap, placeImage } from "../load/contract.ts";

/** Options; addresses are IPAs. */
export interface FirmwareOptions {
  readonly image: string;
  readonly at: number;
  readonly entry?: number;
  readonly dtb?: string;
  readonly dtb_at?: number;
}

/** The plugin. */
export const firmware: Plugin<FirmwareOptions, undefined> = definePlugin<FirmwareOptions, undefined>({
  name: "firmware",
  doc: "Places firmware in flash or RAM and starts vCPU 0 in it, with the device tree at the start of RAM.",
  options: {
    image: { kind: "image", doc: "The firmware: a raw binary." },
    at: { kind: "address", default: 0, doc: "Where it goes, in RAM or in the flash that cfi_flash gives." },
    entry: { kind: "address", align: 4, optional: true, doc: "Where vCPU 0 starts, if not at the firmware's first byte." },
    dtb: { kind: "image", optional: true, doc: "A device tree blob to use in place of the compiled one." },
    dtb_at: { kind: "address", align: 8, optional: true, doc: "Where the device tree goes, if not at the start of RAM." },
  },
  needs: [DeviceTree],
  places({ image, at, dtb, dtb_at }, context) {
    const [code, tree] = [context.image(image), dtb === undefined ? undefined : context.image(dtb)];
    const start = dtb_at ?? Math.min(...context.domain.memory.map((bank) => bank.at));
    return [
      ...code === undefined ? [] : [{ option: "at", name: "the firmware", at, size: code.length }],
      ...tree === undefined
        ? []
        : [{ option: dtb_at === undefined ? "dtb" : "dtb_at", name: "the device tree", at: start, size: tree.length }],
    ];
  },
  attach: (context) => context.onBoot(() => boot(context)),
});

function boot(context: DomainContext<FirmwareOptions, undefined>): void {
  const { options, domain, host, fail } = context;
  const image = host.image(options.image);
  const loaded = loadedImages(domain, host);
  const wrong = overlap("the firmware", options.at, image.length, loaded) ?? placeImage(domain, context.find(Flash), options.at, image);
  if (wrong !== undefined) fail("at", wrong);

  const blob = deviceTree(context);
  const dtbAt = options.dtb_at ?? Math.min(...domain.ram.map(({ at }) => at));
  const others = [{ at: options.at, size: image.length, options }, ...loaded];
  const misplaced = overlap("the device tree", dtbAt, blob.length, others) ?? placeImage(domain, undefined, dtbAt, blob);
  if (misplaced !== undefined) fail(options.dtb_at === undefined ? "at" : "dtb_at", misplaced);
  domain.vcpus[0].start(BigInt(options.entry ?? options.at), BigInt(dtbAt));
}

function deviceTree({ options, host, get, fail }: DomainContext<FirmwareOptions, undefined>): Uint8Array {
  if (options.dtb === undefined) return get(DeviceTree).build([]);
  try {
    return get(DeviceTree).patch(host.image(options.dtb), []);
  } catch (error) {
    if ((error as Error)?.name === "DeviceTreeError") return fail("dtb", (error as Error).message);
    throw error;
  }
}

export default firmware;
