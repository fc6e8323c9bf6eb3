/** Disks and folders of the host that plugins have open: counted, and closed with whoever opened them at the latest. */
import type { Disk, DiskMode, DiskOpener } from "./disk.ts";
import type { Folder, FolderMode, FolderOpener } from "./folder.ts";

/** Those of a machine. */
export class OpenFiles {
  #disks = 0;
  readonly #paths = new Map<Disk, string>();
  #folders = 0;

  /** How many disks are open. */
  get disks(): number {
    return this.#disks;
  }

  /** Files of the host that are open as disks, each once. */
  get diskPaths(): string[] {
    return [...new Set([...this.#paths.values()])];
  }

  /** How many folders are open. */
  get folders(): number {
    return this.#folders;
  }

  /** Opens a disk; `own` collects what to undo when who asked goes. Throws what the opener throws. */
  disk(opener: DiskOpener, path: string, mode: DiskMode, own: (undo: () => void) => void): Disk {
    const disk = opener(path, mode);
    if (disk.path !== undefined) this.#paths.set(disk, disk.path);
    return this.#watch(disk, own, (change) => {
      this.#disks += change;
      if (change < 0) this.#paths.delete(disk);
    });
  }

  /** Opens a folder, likewise. */
  folder(opener: FolderOpener, path: string, mode: FolderMode, own: (undo: () => void) => void): Folder {
    return this.#watch(opener(path, mode), own, (change) => this.#folders += change);
  }

  #watch<T extends { close(): void }>(opened: T, own: (undo: () => void) => void, count: (change: 1 | -1) => void): T {
    const close = opened.close.bind(opened);
    let isOpen = true;
    opened.close = () => {
      if (!isOpen) return;
      isOpen = false;
      count(-1);
      close();
    };
    count(1);
    own(() => opened.close());
    return opened;
  }
}
