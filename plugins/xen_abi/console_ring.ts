/**
 * The console's ring: Xen's public header io/console.h, `struct xencons_interface`, in a page at a guest frame that the guest asks for by
 * HVM_PARAM_CONSOLE_PFN.
 *
 * What can a hostile guest do here? Write any index. Differences are taken modulo 2^32; one that is larger than the ring empties it. Each
 * index is read once, and what is copied is at most a ring full.
 */
import type { GuestPage } from "../event_channels/contract.ts";

const IN = 0, IN_SIZE = 1024, OUT = 1024, OUT_SIZE = 2048;
const IN_CONS = 3072, IN_PROD = 3076, OUT_CONS = 3080, OUT_PROD = 3084;
/** Characters that wait for a guest which doesn't read. */
const MOST_WAITING = 65_536;

/** The hypervisor's side. */
export class ConsoleRing {
  constructor(
    readonly page: GuestPage,
    /** Characters that wait for room. */
    readonly waiting: number[],
    readonly print: (bytes: Uint8Array) => void,
    /** The guest is to look. */
    readonly notify: () => void,
  ) {}

  /** The guest has written, or made room. */
  look(): void {
    const printed = this.#printAll();
    const fed = this.#feed();
    if (printed || fed) this.notify();
  }

  /** A character from outside. */
  input(byte: number): void {
    if (this.waiting.length < MOST_WAITING) this.waiting.push(byte);
    if (this.#feed()) this.notify();
  }

  #printAll(): boolean {
    const { page } = this;
    const cons = page.get32(OUT_CONS), prod = page.get32(OUT_PROD);
    const count = prod - cons >>> 0;
    if (count === 0) return false;
    page.set32(OUT_CONS, prod);
    if (count > OUT_SIZE) return true;
    const from = cons % OUT_SIZE, first = Math.min(count, OUT_SIZE - from);
    this.print(page.bytes(OUT + from, first));
    if (count > first) this.print(page.bytes(OUT, count - first));
    return true;
  }

  #feed(): boolean {
    if (this.waiting.length === 0) return false;
    const { page } = this;
    const prod = page.get32(IN_PROD);
    const used = prod - page.get32(IN_CONS) >>> 0;
    const bytes = this.waiting.splice(0, Math.max(0, IN_SIZE - used));
    bytes.forEach((byte, n) => page.set8(IN + (prod + n) % IN_SIZE, byte));
    if (bytes.length > 0) page.set32(IN_PROD, prod + bytes.length >>> 0);
    return bytes.length > 0;
  }
}
