/** A whole machine at one moment, as a value: made by `Machine.save`, written to files by `writeSnapshot`. */
import { createHash } from "node:crypto";
import type { Board, DomainSpec, PluginUse } from "../board/board.ts";
import { decode, encode } from "./codec.ts";
import type { Pages } from "./pages.ts";
import { SnapshotError } from "./snapshot_error.ts";
import type { MachineState } from "./state.ts";

/** What a snapshot says of itself. */
export interface SnapshotAbout {
  /** The board's name, for people. */
  readonly board: string;
  /** Of everything in the manifest that a run depends on. */
  readonly boardHash: string;
  /** Of how the CPU engine lays a vCPU's registers out. */
  readonly layout: string;
  /** Virtual nanoseconds since boot. */
  readonly nowNs: number;
  /** Instructions retired by all vCPUs. */
  readonly instructions: number;
  /** SHA-256 of the board's images by reference; of a snapshot that was read from a file. */
  readonly images?: Readonly<Record<string, string>>;
  /** Files of the host that are disks. */
  readonly disks: readonly DiskIdentity[];
}

/** A file, so that it can be told whether it changed. */
export interface DiskIdentity {
  /** Absolute. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Unix milliseconds. */
  readonly mtimeMs: number;
}

/** Where a snapshot comes from. */
export interface SnapshotOrigin {
  /** Specifications of its domains. */
  readonly specs?: readonly DomainSpec[];
  /** The board's images. */
  readonly images?: ReadonlyMap<string, Uint8Array>;
  /** It was made here, and nobody has changed it. */
  readonly isOurs?: boolean;
  /** Closes the file that it was read from. */
  close?(): void;
}

/** A machine at one moment. */
export class Snapshot {
  /** Made by `Machine.save` and `readSnapshot`. */
  constructor(
    /** What it is of. */
    readonly about: SnapshotAbout,
    /**
     * Everything but the memory's content, encoded.
     * @internal
     */
    readonly state: Uint8Array,
    /**
     * The memory's content.
     * @internal
     */
    readonly pages: Pages,
    private readonly origin: SnapshotOrigin = {},
  ) {}

  /**
   * True when it was made in this process.
   * @internal
   */
  get isOurs(): boolean {
    return this.origin.isOurs ?? false;
  }

  /**
   * Specifications of its domains where the manifest may not have them.
   * @internal
   */
  get specs(): readonly DomainSpec[] {
    return this.origin.specs ?? [];
  }

  /**
   * The board's images, which its file doesn't hold but by their hashes.
   * @internal
   */
  get images(): ReadonlyMap<string, Uint8Array> {
    return this.origin.images ?? new Map();
  }

  /** Closes the file, when it was read from one: it can't be restored any more then. */
  close(): void {
    this.origin.close?.();
  }

  /** {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Decodes the state. Throws a {@linkcode SnapshotError}.
   * @internal
   */
  decode(): MachineState {
    try {
      return decode(this.state) as MachineState;
    } catch (error) {
      throw new SnapshotError(`the snapshot's state isn't what it should be: ${(error as Error).message}`);
    }
  }

  /**
   * Throws a {@linkcode SnapshotError} that says why a machine of this board can't be made of it.
   * @internal
   */
  checkBoard(board: Board, layout: string): void {
    if (this.about.boardHash !== boardHash(board)) {
      throw new SnapshotError(
        `the snapshot is of another board (${this.about.board}), or the manifest or its overrides have changed since`,
      );
    }
    if (this.about.layout !== layout) throw new SnapshotError("the snapshot is of another version of the CPU engine");
  }
}

const hashes = new WeakMap<Board, string>();

/** Tells boards apart: all that a run depends on, but for the content of images and how time is paced. */
export function boardHash(board: Board): string {
  let hash = hashes.get(board);
  if (hash === undefined) hashes.set(board, hash = hashOf(board));
  return hash;
}

function hashOf(board: Board): string {
  const uses = (list: readonly PluginUse[]) => list.map(({ plugin, options }) => [plugin.name, options]);
  const { name, seed, nsPerInstruction, pcpus, memory, plugins, domains } = board;
  const parts = {
    name,
    seed,
    nsPerInstruction,
    pcpus,
    memory: memory.map(({ at, size }) => [at, size]),
    plugins: uses(plugins),
    domains: domains.map((spec) => [spec.name, spec.vcpus, spec.memory.map(({ at, size }) => [at, size]), uses(spec.plugins)]),
  };
  return createHash("sha256").update(encode(parts)).digest("hex");
}
