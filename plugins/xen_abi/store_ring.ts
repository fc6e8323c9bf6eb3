/**
 * Xenstore's ring and its messages: Xen's public header io/xs_wire.h, `struct xenstore_domain_interface` and `struct xsd_sockmsg`.
 *
 * What can a hostile guest do here? Write any index and any bytes. Differences are taken modulo 2^32; one larger than the ring, or a message
 * longer than it may be, ends the connection. While answers wait for room, no further request is taken.
 */
import type { GuestPage } from "../event_channels/contract.ts";
import { StoreError, StoreTree } from "./store_tree.ts";
import type { StoreState } from "./store_tree.ts";

const RING = 1024, REQ = 0, RSP = 1024;
const REQ_CONS = 2048, REQ_PROD = 2052, RSP_CONS = 2056, RSP_PROD = 2060, ERROR = 2072;
const HEADER = 16, LONGEST = 4096;
/** Bytes that wait for room before requests wait too. */
const MOST_WAITING = 65_536;

const Type = {
  directory: 1,
  read: 2,
  get_perms: 3,
  watch: 4,
  unwatch: 5,
  transaction_start: 6,
  transaction_end: 7,
  get_domain_path: 10,
  write: 11,
  mkdir: 12,
  rm: 13,
  set_perms: 14,
  watch_event: 15,
  error: 16,
  reset_watches: 21,
} as const;

/** Bytes as characters, and back. */
const textOf = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** The hypervisor's side. */
export class StoreRing {
  readonly tree: StoreTree;
  /** What has come of a request, and what waits for room. */
  #request: number[] = [];
  #waiting: number[] = [];
  #isBroken = false;

  constructor(readonly page: GuestPage, state: StoreState, readonly domid: number, readonly notify: () => void) {
    this.tree = new StoreTree(
      state,
      `/local/domain/${domid}`,
      (path, token) => this.#answer(Type.watch_event, 0, 0, `${path}\0${token}\0`),
    );
  }

  /** The guest has written, or made room. */
  look(): void {
    const moved = this.#flush();
    const taken = this.#isBroken ? false : this.#takeAll();
    if (this.#flush() || moved || taken) this.notify();
  }

  #takeAll(): boolean {
    const { page } = this;
    const cons = page.get32(REQ_CONS), prod = page.get32(REQ_PROD);
    const count = prod - cons >>> 0;
    if (count > RING) {
      this.#break();
      return true;
    }
    let taken = 0;
    for (; taken < count && this.#waiting.length <= MOST_WAITING && !this.#isBroken; taken++) {
      this.#request.push(page.get8(REQ + (cons + taken) % RING));
      this.#serve();
    }
    if (taken > 0) page.set32(REQ_CONS, cons + taken >>> 0);
    return taken > 0;
  }

  /** Answers a request that is complete. */
  #serve(): void {
    if (this.#request.length < HEADER) return;
    const view = new DataView(Uint8Array.from(this.#request.slice(0, HEADER)).buffer);
    const [type, id, transaction, length] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    if (length > LONGEST) return this.#break();
    if (this.#request.length < HEADER + length) return;
    const payload = textOf(Uint8Array.from(this.#request.slice(HEADER)));
    this.#request = [];
    const queued = this.#waiting.length;
    try {
      const reply = this.#reply(type, transaction, payload);
      // A watch fires at once, but the guest wants its answer first.
      const events = this.#waiting.splice(queued);
      this.#answer(type, id, transaction, reply);
      this.#waiting.push(...events);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#waiting.length = queued;
      this.#answer(Type.error, id, transaction, `${error.code}\0`);
    }
  }

  #reply(type: number, transaction: number, payload: string): string {
    const { tree } = this;
    const fields = payload.split("\0");
    /** So many fields, each with its zero. */
    const strings = (count: number) => {
      if (fields.length !== count + 1 || fields[count] !== "") throw new StoreError("EINVAL");
      return fields;
    };
    const ok = (_done: void) => "OK\0";
    switch (type) {
      case Type.directory:
        return tree.directory(strings(1)[0], transaction).map((name) => `${name}\0`).join("").slice(0, LONGEST);
      case Type.read:
        return tree.read(strings(1)[0], transaction);
      case Type.get_perms:
        tree.read(strings(1)[0], transaction);
        return `n${this.domid}\0`;
      case Type.set_perms:
        tree.read(fields[0], transaction);
        return "OK\0";
      case Type.write: {
        const end = payload.indexOf("\0");
        if (end < 0) throw new StoreError("EINVAL");
        return ok(tree.write(payload.slice(0, end), payload.slice(end + 1), transaction));
      }
      case Type.mkdir:
        return ok(tree.write(strings(1)[0], undefined, transaction));
      case Type.rm:
        return ok(tree.remove(strings(1)[0], transaction));
      case Type.watch:
        return ok(tree.watch(strings(2)[0], fields[1]));
      case Type.unwatch:
        return ok(tree.unwatch(strings(2)[0], fields[1]));
      case Type.reset_watches:
        return ok(tree.resetWatches());
      case Type.transaction_start:
        return `${tree.start()}\0`;
      case Type.transaction_end:
        return ok(tree.end(transaction, strings(1)[0] === "T"));
      case Type.get_domain_path: {
        const id = Number(strings(1)[0]);
        if (!Number.isInteger(id) || id < 0 || id > 0x7fff) throw new StoreError("EINVAL");
        return `/local/domain/${id}\0`;
      }
      default:
        throw new StoreError("ENOSYS");
    }
  }

  #answer(type: number, id: number, transaction: number, payload: string): void {
    const header = new DataView(new ArrayBuffer(HEADER));
    [type, id, transaction, payload.length].forEach((value, n) => header.setUint32(4 * n, value, true));
    this.#waiting.push(...new Uint8Array(header.buffer), ...bytesOf(payload));
  }

  #flush(): boolean {
    if (this.#waiting.length === 0) return false;
    const { page } = this;
    const prod = page.get32(RSP_PROD), used = prod - page.get32(RSP_CONS) >>> 0;
    const bytes = this.#waiting.splice(0, Math.max(0, RING - used));
    bytes.forEach((byte, n) => page.set8(RSP + (prod + n) % RING, byte));
    if (bytes.length > 0) page.set32(RSP_PROD, prod + bytes.length >>> 0);
    return bytes.length > 0;
  }

  /** XENSTORE_ERROR_COMM or _RINGIDX: the guest has lost its way, and nothing more is taken from it. */
  #break(): void {
    this.#isBroken = true;
    this.page.set32(ERROR, 1);
  }
}
