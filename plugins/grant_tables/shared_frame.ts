/** A frame that the hypervisor shares with one domain, at a guest frame that the guest chooses: the shared info page, grant frames. */
import type { Mapping } from "../../core/mod.ts";
import { Errno, GuestPage } from "../event_channels/contract.ts";
import type { PageHost } from "../event_channels/contract.ts";
import type { Physmap } from "./physmap.ts";

const SHARED: Mapping = { read: true, write: true, execute: false, type: "normal-wb" };

/** The frame is the hypervisor's; where addresses aren't translated it is nowhere until it becomes a page of the guest's own, pinned. */
export class SharedFrame {
  #page: GuestPage;
  /** Where the guest has put it; the last place, when there are several. */
  gfn: bigint | undefined;

  /** Throws when no frame is free. */
  constructor(readonly host: PageHost, readonly physmap: Physmap, owner: string) {
    this.#page = physmap.isDirect ? GuestPage.nowhere(host) : GuestPage.allocate(host, owner);
  }

  /** Where it is now. */
  get page(): GuestPage {
    return this.#page;
  }

  /** Puts it at a guest frame. 0 or an error. */
  placeAt(gfn: bigint): number {
    if (this.#page.pa !== undefined && !this.physmap.isDirect) {
      const placed = this.physmap.place(gfn, this.#page.pa, SHARED, () => {
        if (this.gfn === gfn) this.gfn = undefined;
      });
      if (placed === 0) this.gfn = gfn;
      return placed;
    }
    const page = GuestPage.pin(this.physmap.domain, this.host, gfn);
    if (page === undefined) return Errno.EINVAL;
    page.write(0, this.#page.bytes(0, 4096));
    this.#page.release();
    this.#page = page;
    this.gfn = gfn;
    return 0;
  }

  /** The domain goes, and with it every mapping of it. */
  release(): void {
    this.#page.release();
  }
}
