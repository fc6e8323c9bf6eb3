/**
 * The guest frames that a back-end was given, and those that it has mapped: a reference is held to each of the latter, from the first
 * access until the page leaves the domain or the back-end goes. So a frame that it can still reach is never somebody else's.
 */
import type { CpuEngine, Domain, PhysicalMemory } from "../../core/mod.ts";

const PAGE = 4096;

/** A range of IPAs. */
export interface FrameRange {
  /** First address. */
  readonly at: number;
  /** Bytes. */
  readonly size: number;
}

/** What an access found: `outside`: not all of it was given; `gone`: given, but no page of the domain's is there now. */
export type FrameAccess = "done" | "outside" | "gone";

/** Frames of one domain, for one back-end. */
export class ForeignFrames {
  readonly #mapped = new Map<number, number>();

  /** None mapped yet. */
  constructor(
    private readonly domain: Pick<Domain, "name" | "space">,
    private readonly memory: PhysicalMemory,
    private readonly engine: Pick<CpuEngine, "memoryWritten">,
    /** What was given: sorted, apart. */
    readonly given: readonly FrameRange[],
  ) {}

  /** Frames that it holds a reference to. */
  get count(): number {
    return this.#mapped.size;
  }

  /** True when all of a range was given. */
  holds(ipa: number, size: number): boolean {
    return Number.isSafeInteger(ipa) && this.given.some(({ at, size: length }) => ipa >= at && ipa - at <= length - size);
  }

  /** Copies guest memory out. */
  read(ipa: number, into: Uint8Array): FrameAccess {
    return this.#each(ipa, into.length, (pa, from, size) => into.set(this.memory.view(pa, size), from));
  }

  /** Copies into guest memory; nothing when not all of it is there. */
  write(ipa: number, bytes: Uint8Array): FrameAccess {
    return this.#each(ipa, bytes.length, (pa, from, size) => {
      this.memory.view(pa, size).set(bytes.subarray(from, from + size));
      this.engine.memoryWritten(pa, size);
    });
  }

  /** Maps a page: one more reference. `undefined`: no page of the domain's RAM is there. */
  map(page: number): number | undefined {
    const mapped = this.#mapped.get(page);
    if (mapped !== undefined) return mapped;
    const found = this.domain.space.lookup(page * PAGE);
    if (found === undefined || this.memory.ownerOf(found.pa)?.owner !== this.domain.name) return undefined;
    this.memory.reference(this.domain.name, found.pa);
    this.#mapped.set(page, found.pa);
    return found.pa;
  }

  /** Pages leave the domain, or others come to their place: the references go. */
  leave(ipa: number, size: number): void {
    for (let page = Math.floor(ipa / PAGE); page * PAGE < ipa + size; page++) this.#drop(page);
  }

  /** All of them. */
  close(): void {
    for (const page of [...this.#mapped.keys()]) this.#drop(page);
  }

  #drop(page: number): void {
    const pa = this.#mapped.get(page);
    if (pa === undefined) return;
    this.#mapped.delete(page);
    this.memory.release(this.domain.name, pa);
  }

  #each(ipa: number, size: number, visit: (pa: number, from: number, size: number) => void): FrameAccess {
    if (!this.holds(ipa, size)) return "outside";
    const pieces: [pa: number, from: number, size: number][] = [];
    for (let done = 0; done < size;) {
      const page = Math.floor((ipa + done) / PAGE);
      const offset = ipa + done - page * PAGE;
      const pa = this.map(page);
      if (pa === undefined) return "gone";
      const count = Math.min(size - done, PAGE - offset);
      pieces.push([pa + offset, done, count]);
      done += count;
    }
    for (const piece of pieces) visit(...piece);
    return "done";
  }
}
