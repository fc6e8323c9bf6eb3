/** The virtio block device as a model: which disk, and how it may be used. */
import type { Disk } from "../../../core/mod.ts";
import type { DiskRequest, VirtioContext, VirtioModel } from "../model.ts";
import { BlkDevice } from "./device.ts";
import { OverlayDisk } from "./overlay.ts";
import type { OverlayBlocks } from "./overlay.ts";
import { Blk, ID_BYTES } from "./protocol.ts";
import { Qcow2Disk } from "./qcow2.ts";

/** Options; sizes in bytes. */
export interface BlkOptions {
  readonly file?: string;
  readonly image?: string;
  readonly format: string;
  readonly readonly: boolean;
  readonly snapshot: boolean;
  readonly snapshot_limit: number;
  readonly serial: string;
  readonly block_size: string;
  readonly queues: number;
  readonly queue_size: number;
}

/** State: what a snapshot holds survives a reboot, not the end of the run. */
export interface BlkState {
  readonly overlay: OverlayBlocks;
  writeback: boolean;
}

const DISK = "disk";

function request({ file, image, readonly, snapshot }: BlkOptions): DiskRequest | undefined {
  if (file !== undefined) return { option: "file", path: file, mode: { write: !readonly && !snapshot } };
  return image === undefined ? undefined : { option: "image", image };
}

function openFormat({ options, fail }: VirtioContext<BlkOptions, BlkState>, file: Disk): Disk {
  if (options.format === "raw") return file;
  try {
    return new Qcow2Disk(file);
  } catch (error) {
    return fail(options.file === undefined ? "image" : "file", error instanceof Error ? error.message : String(error));
  }
}

/** The device. */
export const blk: VirtioModel<BlkOptions, BlkState> = {
  name: "virtio_blk",
  doc: "Virtio block device on a disk image, raw or qcow2.",
  options: {
    file: { kind: "text", optional: true, doc: "Disk image of the host, relative to the manifest." },
    image: { kind: "image", optional: true, doc: "Instead of `file`: an image that is fetched into memory. Writes to it vanish." },
    format: {
      kind: "choice",
      choices: ["raw", "qcow2"],
      default: "raw",
      doc: "Of the image; never guessed, because a guest can write anything to the start of a raw one.",
    },
    readonly: { kind: "boolean", default: false, doc: "The guest can't write." },
    snapshot: { kind: "boolean", default: false, doc: "Writes go to memory and vanish with the run; the file stays as it is." },
    snapshot_limit: {
      kind: "size",
      default: 2 ** 30,
      min: 2 ** 20,
      doc: "Memory that a snapshot may take; writes beyond it fail.",
    },
    serial: {
      kind: "text",
      default: "plugboard",
      doc: "Its serial number, at most 20 bytes.",
      check: (value) => new TextEncoder().encode(value as string).length <= ID_BYTES ? undefined : "at most 20 bytes",
    },
    block_size: { kind: "choice", choices: ["512", "4096"], default: "512", doc: "Bytes of a logical block." },
    queues: { kind: "integer", default: 1, min: 1, max: 16, doc: "Queues: one for each vCPU is best." },
    queue_size: {
      kind: "integer",
      default: 256,
      min: 4,
      max: 1024,
      doc: "Entries of each queue at most, a power of two.",
      check: (value) => Number.isInteger(Math.log2(value as number)) ? undefined : "a power of two",
    },
  },
  findings(options) {
    const { file, image } = options;
    if (file === undefined && image === undefined) return [{ title: "virtio_blk has no disk: it wants `file` or `image`" }];
    if (file !== undefined && image !== undefined) return [{ title: "virtio_blk has two disks: it wants `file` or `image`, not both" }];
    return [];
  },
  shape: ({ readonly, queues, queue_size }) => ({
    deviceId: 2,
    features: [
      Blk.SIZE_MAX,
      Blk.SEG_MAX,
      Blk.BLK_SIZE,
      Blk.TOPOLOGY,
      Blk.FLUSH,
      Blk.CONFIG_WCE,
      ...readonly ? [Blk.RO] : [Blk.DISCARD, Blk.WRITE_ZEROES],
      ...queues > 1 ? [Blk.MQ] : [],
    ],
    queues: new Array(queues).fill(queue_size),
  }),
  state: () => ({ overlay: new Map(), writeback: true }),
  keep: ({ overlay }) => ({ overlay, writeback: true }),
  disks(options): Record<string, DiskRequest> {
    const wanted = request(options);
    return wanted === undefined ? {} : { [DISK]: wanted };
  },
  create(context) {
    const { options, state, has, trace, fail } = context;
    const below = openFormat(context, context.disk(DISK));
    const blockSize = Number(options.block_size);
    if (below.sizeBytes < blockSize) {
      fail(options.file === undefined ? "image" : "file", `the disk has ${below.sizeBytes} bytes, not one block`);
    }
    const direct = options.readonly || below.writable;
    return new BlkDevice({
      disk: direct ? below : new OverlayDisk(below, state.overlay, options.snapshot_limit),
      readOnly: options.readonly,
      serial: options.serial,
      blockSize,
      queues: options.queues,
      state,
      has,
      trace,
    });
  },
};
