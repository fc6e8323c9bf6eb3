/** A page of a domain's RAM that the hypervisor works on: pinned by a reference, whatever becomes of its mapping. */
import { PAGE_SIZE } from "../../core/mod.ts";
import type { CpuEngine, Domain, PhysicalMemory } from "../../core/mod.ts";

/** What pinning needs. */
export interface PageHost {
  /** Whose frames. */
  readonly memory: PhysicalMemory;
  /** Told of writes: a guest may execute what it shares. */
  readonly engine: CpuEngine;
}

/** One frame. Offsets are the caller's to keep below 4096: they never come from a guest unchecked. */
export class GuestPage {
  readonly #view: DataView;
  #isPinned = true;

  private constructor(
    readonly host: PageHost,
    /** Who owns the frame. */
    readonly owner: string,
    /** Its address; `undefined`: it is in no RAM. */
    readonly pa: number | undefined,
  ) {
    const bytes = pa === undefined ? new Uint8Array(PAGE_SIZE) : host.memory.view(pa, PAGE_SIZE);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, PAGE_SIZE);
  }

  /** Pins a guest frame: writable RAM of the domain itself, not a device, nor a page of another's. `undefined` for anything else. */
  static pin(domain: Domain, host: PageHost, gfn: bigint): GuestPage | undefined {
    if (gfn < 0n || gfn >= 1n << 36n) return undefined;
    const found = domain.space.lookup(Number(gfn) * PAGE_SIZE);
    if (found === undefined || !found.mapping.write || !host.memory.isRam(found.pa, PAGE_SIZE)) return undefined;
    return host.memory.ownerOf(found.pa)?.owner === domain.name ? GuestPage.hold(host, domain.name, found.pa) : undefined;
  }

  /** One more reference to a frame of that owner's. */
  static hold(host: PageHost, owner: string, pa: number): GuestPage {
    host.memory.reference(owner, pa);
    return new GuestPage(host, owner, pa);
  }

  /** A new frame of the hypervisor's own, zeroed, in an owner's name. Throws when no frame is free. */
  static allocate(host: PageHost, owner: string): GuestPage {
    return new GuestPage(host, owner, host.memory.allocate(owner, 0));
  }

  /** A page that is nowhere yet: the guest is to say which of its own it shall be. */
  static nowhere(host: PageHost): GuestPage {
    return new GuestPage(host, "", undefined);
  }

  /** Gives the reference back. Once. */
  release(): void {
    if (!this.#isPinned) return;
    this.#isPinned = false;
    if (this.pa !== undefined) this.host.memory.release(this.owner, this.pa);
  }

  /** 8 bits, little-endian. */
  get8(at: number): number {
    return this.#view.getUint8(at);
  }

  /** 8 bits, little-endian. */
  set8(at: number, value: number): void {
    this.#view.setUint8(at, value);
    this.#written(at, 1);
  }

  /** 32 bits, little-endian. */
  get32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /** 32 bits, little-endian. */
  set32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
    this.#written(at, 4);
  }

  /** 64 bits, little-endian. */
  get64(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }

  /** 64 bits, little-endian. */
  set64(at: number, value: bigint): void {
    this.#view.setBigUint64(at, value, true);
    this.#written(at, 8);
  }

  /** A copy. */
  bytes(at: number, size: number): Uint8Array {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, size).slice();
  }

  /** Copies in. */
  write(at: number, bytes: Uint8Array): void {
    new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, bytes.length).set(bytes);
    this.#written(at, bytes.length);
  }

  #written(at: number, size: number): void {
    if (this.pa !== undefined) this.host.engine.memoryWritten(this.pa + at, size);
  }
}
