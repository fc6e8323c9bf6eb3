/**
 * Boots a kernel the way Linux's "Booting AArch64 Linux" asks for: kernel, initrd
 * and device tree in RAM, vCPU 0 at the entry point with X0 at the device tree.
 * Firmware and bare-metal programs (ELF, raw) start the same way.
 *
 * A hostile kernel file: headers are checked before any byte goes to guest RAM,
 * decompression is bounded by the RAM's size, and what doesn't fit is an error
 * that names the option. After boot nothing of this plugin runs.
 * @module
 */
import { definePlugin, OptionError } from "../../core/mod.ts";
import type { DeviceTreeFragment, DomainContext, ImageContext, PlacedImage, Plugin } from "../../core/mod.ts";
import { DeviceTree } from "../fdt/contract.ts";
import { KernelError, loadKernel } from "./kernel.ts";
import type { Kernel, KernelFormat } from "./kernel.ts";
import { DEVICE_TREE_LIMIT, place, PlacementError } from "./layout.ts";
import type { Placement } from "./layout.ts";

/** Options; addresses are IPAs. */
export interface LinuxBootOptions {
  readonly kernel: string;
  readonly initrd?: string;
  readonly append: string;
  readonly dtb?: string;
  readonly format: KernelFormat;
  readonly load?: number;
  readonly entry?: number;
  readonly initrd_at?: number;
  readonly dtb_at?: number;
}

type Context = DomainContext<LinuxBootOptions, undefined>;

function chosen(options: LinuxBootOptions): DeviceTreeFragment {
  return { under: "/chosen", properties: options.append === "" ? {} : { bootargs: { text: options.append } } };
}

/** Start and end as two cells each, as the root's #address-cells says. */
function initrdProperties({ initrd }: Placement): DeviceTreeFragment {
  const wide = (address: number) => ({ cells: [Math.floor(address / 2 ** 32), address % 2 ** 32] });
  return {
    under: "/chosen",
    properties: initrd ? { "linux,initrd-start": wide(initrd.at), "linux,initrd-end": wide(initrd.at + initrd.size) } : {},
  };
}

/** Runs a step; what it throws points at an option. */
function attribute<T>({ fail }: Context, option: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof PlacementError) return fail(error.option, error.message);
    if (error instanceof KernelError || (error as Error)?.name === "DeviceTreeError") return fail(option, (error as Error).message);
    throw error;
  }
}

function deviceTree(context: Context, placement: Placement): Uint8Array {
  const { options } = context;
  const compiler = context.get(DeviceTree);
  const initrd = initrdProperties(placement);
  if (options.dtb === undefined) return compiler.build([initrd]);
  const given = context.host.image(options.dtb);
  return attribute(context, "dtb", () => compiler.patch(given, [chosen(options), initrd]));
}

function boot(context: Context): void {
  const { options, domain, host } = context;
  // The lowest bank: a kernel expects to lie at the start of RAM.
  const ram = domain.ram.toSorted((a, b) => a.at - b.at)[0];
  const kernel: Kernel = attribute(context, "kernel", () => loadKernel(host.image(options.kernel), { ram, ...options }));
  const initrd = options.initrd === undefined ? new Uint8Array(0) : host.image(options.initrd);
  const request = { ram, kernel, initrdSize: initrd.length, initrdAt: options.initrd_at, deviceTreeAt: options.dtb_at };
  const placement = attribute(context, "initrd", () => place(request));
  const blob = deviceTree(context, placement);
  if (blob.length > DEVICE_TREE_LIMIT) context.fail("dtb", `the device tree has ${blob.length} bytes, a kernel takes at most 2 MiB`);

  for (const { at, bytes } of kernel.segments) domain.writeMemory(at, bytes);
  if (placement.initrd) domain.writeMemory(placement.initrd.at, initrd);
  domain.writeMemory(placement.deviceTree, blob);
  domain.vcpus[0].start(BigInt(kernel.entry), BigInt(placement.deviceTree));
}

/** What `check` can know: the kernel, and what the manifest itself gives a place. */
function places(options: LinuxBootOptions, { domain, image }: ImageContext): PlacedImage[] {
  const found: PlacedImage[] = [];
  const ram = domain.memory.toSorted((a, b) => a.at - b.at)[0];
  const file = image(options.kernel);
  if (file !== undefined && ram !== undefined) {
    try {
      const { segments } = loadKernel(file, { ram, ...options });
      found.push(...segments.map(({ at, memorySize }) => ({ option: "kernel", name: "the kernel", at, size: memorySize })));
    } catch (error) {
      throw error instanceof KernelError ? new OptionError("kernel", error.message) : error;
    }
  }
  const given = (option: "initrd" | "dtb", at: number | undefined, name: string) => {
    const bytes = options[option] === undefined ? undefined : image(options[option]);
    if (bytes !== undefined && at !== undefined) found.push({ option: `${option}_at`, name, at, size: bytes.length });
  };
  given("initrd", options.initrd_at, "the initrd");
  given("dtb", options.dtb_at, "the device tree");
  return found;
}

/** The plugin. */
export const linuxBoot: Plugin<LinuxBootOptions, undefined> = definePlugin({
  name: "linux_boot",
  doc: "Places a kernel, an initrd and the device tree in RAM, and starts vCPU 0.",
  options: {
    kernel: { kind: "image", doc: "arm64 Image (also gzip-compressed), AArch64 ELF, or a raw binary." },
    initrd: { kind: "image", doc: "Initial RAM disk: a file, or an initramfs described in place; a list is concatenated.", optional: true },
    append: { kind: "text", doc: "The kernel's command line.", default: "" },
    dtb: { kind: "image", doc: "A device tree blob to use in place of the compiled one.", optional: true },
    format: {
      kind: "choice",
      choices: ["auto", "image", "elf", "raw"],
      doc: "What the kernel file is; a raw binary must be named as such.",
      default: "auto",
    },
    load: {
      kind: "address",
      doc: "Raw binary: where it goes; 512 KiB into the RAM by default.",
      optional: true,
      onlyWith: { format: ["raw"] },
    },
    entry: {
      kind: "address",
      doc: "ELF or raw binary: where vCPU 0 starts, if not where the file says.",
      optional: true,
      onlyWith: { format: ["auto", "elf", "raw"] },
    },
    initrd_at: {
      kind: "address",
      doc: "Where the initrd goes; chosen clear of the kernel by default.",
      align: 4096,
      optional: true,
      onlyWith: { initrd: "given" },
    },
    dtb_at: { kind: "address", doc: "Where the device tree goes; chosen clear of the kernel by default.", align: 8, optional: true },
  },
  needs: [DeviceTree],
  resources: (options) => ({ deviceTree: [chosen(options)] }),
  places,
  attach: (context) => context.onBoot(() => boot(context)),
});

export default linuxBoot;
