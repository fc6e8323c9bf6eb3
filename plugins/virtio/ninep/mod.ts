/** A folder of the host for a guest, by 9P2000.L: Virtio's device 9. */
import type { VirtioBehaviour, VirtioModel } from "../model.ts";
import { mappedOwners, sameOwners } from "./owners.ts";
import { ERROR_BYTES, HEADER, MSIZE } from "./protocol.ts";
import { NinepServer } from "./server.ts";
import type { NinepState } from "./server.ts";

export type { NinepState };

/** The driver may read the tag. */
const MOUNT_TAG = 0;
const FOLDER = "folder";

/** Options. */
export interface NinepOptions {
  /** The folder, relative to the manifest. */
  readonly path: string;
  /** What the guest mounts. */
  readonly tag: string;
  /** The guest changes nothing. */
  readonly readonly: boolean;
  /** `map` or `host`. */
  readonly owner: string;
  /** The guest's user who has the host user's files. */
  readonly uid: number;
  /** The guest's group, likewise. */
  readonly gid: number;
}

const id = (doc: string) => ({ kind: "integer", default: 0, min: 0, max: 0xffff_fffe, doc }) as const;

/** The device. */
export const ninep: VirtioModel<NinepOptions, NinepState> = {
  name: "virtio_9p",
  doc: "A folder of the host for the guest: mount -t 9p -o trans=virtio,version=9p2000.L TAG /mnt.",
  options: {
    path: {
      kind: "text",
      doc: "The folder, relative to the manifest. Nothing outside of it can be reached; links are the guest's to follow.",
    },
    tag: {
      kind: "text",
      default: "share",
      doc: "What the guest mounts, at most 31 bytes.",
      check: (value) => /^[\x21-\x2b\x2d-\x7e]{1,31}$/.test(value as string) ? undefined : "1 to 31 ASCII characters, no space, no comma",
    },
    readonly: { kind: "boolean", default: true, doc: "The guest can't change anything." },
    owner: {
      kind: "choice",
      choices: ["map", "host"],
      default: "map",
      doc:
        "`map`: what is the host user's is `uid`'s and `gid`'s in the guest, everything else nobody's. `host`: the same numbers on both sides.",
    },
    uid: id("The guest's user who has the host user's files."),
    gid: id("The guest's group that has the files of the host user's group."),
  },
  shape: () => ({ deviceId: 9, features: [MOUNT_TAG], queues: [128] }),
  state: () => ({ msize: 0, fids: new Map(), devices: [] }),
  folders: ({ path, readonly }) => ({ [FOLDER]: { option: "path", path, mode: { write: !readonly } } }),
  create({ options: { tag, owner, uid, gid }, state, folder }): VirtioBehaviour {
    const shared = folder(FOLDER);
    const owners = owner === "map" ? mappedOwners(shared.user, { uid, gid }) : sameOwners(shared.user.uid === 0);
    const server = new NinepServer({ folder: shared, state, owners });
    const name = new TextEncoder().encode(tag);
    return {
      config: () => Uint8Array.of(name.length, 0, ...name),
      serve(_queue, buffer) {
        if (buffer.readable < HEADER) buffer.reject(`a 9P message of ${buffer.readable} bytes`);
        if (buffer.writable < ERROR_BYTES) buffer.reject(`room for an answer of ${buffer.writable} bytes`);
        const answer = server.answer(buffer.read(0, MSIZE.most), buffer.writable);
        buffer.write(0, answer);
        return answer.length;
      },
      reset: () => server.reset(),
      stopped: () => server.stop(),
    };
  },
};
