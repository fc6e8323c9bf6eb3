/** Where the initrd and the device tree go: clear of the kernel and of each other. */
import { hex } from "../../core/mod.ts";
import type { Kernel } from "./kernel.ts";

/** Where things went. */
export interface Placement {
  readonly initrd?: { readonly at: number; readonly size: number };
  readonly deviceTree: number;
}

/** What to place. Sizes in bytes; the addresses are the user's wishes. */
export interface PlacementRequest {
  readonly ram: { readonly at: number; readonly size: number };
  readonly kernel: Kernel;
  readonly initrdSize: number;
  readonly initrdAt?: number;
  readonly deviceTreeAt?: number;
}

/** Something doesn't fit; `option` is the one to blame. */
export class PlacementError extends Error {
  override readonly name = "PlacementError";
  constructor(readonly option: string, message: string) {
    super(message);
  }
}

/** The kernel maps the blob with one 2 MiB block, and takes no larger one. */
export const DEVICE_TREE_LIMIT = 0x20_0000;
const PAGE = 4096;
/** Distance from the start of RAM at which kernels that say nothing of their size (raw binaries) don't get anything in their way. */
const FAR = 0x800_0000;

const alignUp = (value: number, alignment: number) => Math.ceil(value / alignment) * alignment;
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

interface Range {
  readonly name: string;
  readonly at: number;
  readonly end: number;
}

/** Places initrd and device tree, or throws a {@linkcode PlacementError}. */
export function place(request: PlacementRequest): Placement {
  const { ram, kernel, initrdSize } = request;
  const ramEnd = ram.at + ram.size;
  const taken: Range[] = kernel.segments.map(({ at, memorySize }) => ({ name: "the kernel", at, end: at + memorySize }));

  const claim = (option: string, name: string, at: number, size: number): number => {
    const range = { name, at, end: at + size };
    if (at < ram.at || range.end > ramEnd) {
      throw new PlacementError(
        option,
        `${name} of ${mebibytes(size)} at ${hex(at)} doesn't fit the RAM, ${hex(ram.at)} to ${hex(ramEnd)} (${
          mebibytes(ram.size)
        }), beside the kernel, ` +
          `which takes it up to ${hex(kernel.end)}`,
      );
    }
    const other = taken.find((other) => at < other.end && other.at < range.end);
    if (other) {
      throw new PlacementError(
        option,
        `${name}, ${hex(at)} to ${hex(range.end)}, overlaps ${other.name}, ${hex(other.at)} to ${hex(other.end)}`,
      );
    }
    taken.push(range);
    return at;
  };

  const arrange = (floor: number): Placement => {
    const top = () => Math.max(floor, ...taken.map(({ end }) => end).filter((end) => end > floor));
    const initrd = initrdSize === 0 ? undefined : {
      at: claim(
        request.initrdAt === undefined ? "initrd" : "initrd_at",
        "the initrd",
        request.initrdAt ?? alignUp(floor, PAGE),
        initrdSize,
      ),
      size: initrdSize,
    };
    const option = request.deviceTreeAt === undefined ? "initrd" : "dtb_at";
    const deviceTree = claim(option, "the device tree", request.deviceTreeAt ?? alignUp(top(), DEVICE_TREE_LIMIT), DEVICE_TREE_LIMIT);
    return { initrd, deviceTree };
  };

  const near = alignUp(kernel.end, DEVICE_TREE_LIMIT);
  const far = Math.max(near, alignUp(ram.at + Math.min(ram.size / 2, FAR), DEVICE_TREE_LIMIT));
  const kernelOnly = taken.length;
  try {
    return arrange(far);
  } catch (error) {
    if (near === far || !(error instanceof PlacementError)) throw error;
    taken.length = kernelOnly;
    return arrange(near);
  }
}
