/**
 * Guest memory in the Worker. While a request is served the domain stands still, so a page that was fetched stays true until the answer:
 * each is fetched once, and what the device writes is seen by its later reads, though guest memory changes only with the answer.
 */
import type { DeviceDma } from "../../device/contract.ts";
import { CALL_BYTES, PAGES_LIMIT } from "./area.ts";
import type { Channel } from "./channel.ts";
import { LONGEST_POST, PostKind } from "./posts.ts";

const PAGE = 4096;
/** Reads up to this size are of rings and tables, not of data. */
const SMALL = 64;

/** {@linkcode DeviceDma} by calls and posts. */
export class RemoteMemory implements DeviceDma {
  /** By number; those of this request. */
  readonly #pages = new Map<number, Uint8Array>();
  /** What was written to pages that weren't fetched. */
  readonly #patches = new Map<number, { readonly at: number; readonly bytes: Uint8Array }[]>();

  /** Pages of small reads: of this request, of the one before, and of both: rings and tables, which every request looks at. */
  #used = new Set<number>();
  #usedBefore = new Set<number>();
  #hot: number[] = [];

  constructor(private readonly channel: Channel, readonly ram: readonly { readonly at: number; readonly size: number }[]) {}

  read(ipa: number, size: number): Uint8Array | undefined {
    if (!this.#holds(ipa, size)) return undefined;
    const result = new Uint8Array(size);
    if (size <= SMALL) this.#used.add(Math.floor(ipa / PAGE));
    const last = Math.floor((ipa + size - 1) / PAGE);
    for (let page = Math.floor(ipa / PAGE); page <= last; page++) {
      const bytes = this.#pages.get(page) ?? this.#fetch(page, last);
      if (bytes === undefined) return undefined;
      const from = Math.max(ipa, page * PAGE);
      const to = Math.min(ipa + size, (page + 1) * PAGE);
      result.set(bytes.subarray(from - page * PAGE, to - page * PAGE), from - ipa);
    }
    return result;
  }

  write(ipa: number, bytes: Uint8Array): boolean {
    if (!this.#holds(ipa, bytes.length)) return false;
    for (let done = 0; done < bytes.length; done += LONGEST_POST) {
      this.channel.posts.post(PostKind.DMA_WRITE, ipa + done, 0, bytes.subarray(done, done + LONGEST_POST));
    }
    const last = Math.floor((ipa + bytes.length - 1) / PAGE);
    for (let page = Math.floor(ipa / PAGE); page <= last; page++) {
      const from = Math.max(ipa, page * PAGE);
      const part = bytes.subarray(from - ipa, (page + 1) * PAGE - ipa);
      const cached = this.#pages.get(page);
      if (cached) cached.set(part, from - page * PAGE);
      else this.#patch(page, from - page * PAGE, part.slice());
    }
    return true;
  }

  /** The request is answered: from now on the guest may change its memory. */
  forget(): void {
    this.#pages.clear();
    this.#patches.clear();
    if (this.#used.size === 0) return;
    this.#hot = [...this.#used].filter((page) => this.#usedBefore.has(page)).slice(0, PAGES_LIMIT - 1);
    this.#usedBefore = this.#used;
    this.#used = new Set();
  }

  #holds(ipa: number, size: number): boolean {
    return size >= 0 && this.ram.some(({ at, size: length }) => ipa >= at && ipa - at <= length - size);
  }

  #patch(page: number, at: number, bytes: Uint8Array): void {
    const patches = this.#patches.get(page);
    if (patches === undefined || bytes.length === PAGE) this.#patches.set(page, [{ at, bytes }]);
    else patches.push({ at, bytes });
  }

  /** Fetches a page, and those behind it that are wanted as well; a single one brings those along that every request wants. */
  #fetch(page: number, last: number): Uint8Array | undefined {
    if (page === last) {
      const wanted = [page, ...this.#hot.filter((other) => other !== page && !this.#pages.has(other))];
      for (const [n, bytes] of this.channel.pages(wanted).entries()) if (bytes) this.#keep(wanted[n], bytes);
      return this.#pages.get(page);
    }
    let end = page + 1;
    while (end <= last && !this.#pages.has(end) && (end - page) * PAGE < CALL_BYTES) end++;
    const bytes = this.channel.read(page * PAGE, (end - page) * PAGE);
    if (bytes === undefined) return undefined;
    for (let n = page; n < end; n++) this.#keep(n, bytes.subarray((n - page) * PAGE, (n - page + 1) * PAGE));
    return this.#pages.get(page);
  }

  #keep(page: number, bytes: Uint8Array): void {
    for (const patch of this.#patches.get(page) ?? []) bytes.set(patch.bytes, patch.at);
    this.#pages.set(page, bytes);
  }
}
