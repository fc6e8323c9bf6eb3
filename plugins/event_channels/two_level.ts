/**
 * The two-level event ABI (Xen's public headers xen.h and event_channel.h, "2-level ABI"): 64 words of 64 bits in the shared info page,
 * and for each vCPU a word that says which of them to look at.
 *
 * All of it is guest memory: bits are set and tested there, nothing is followed from there.
 */
import type { EventDelivery } from "./delivery.ts";
import type { GuestPage } from "./guest_page.ts";

/** Words of 64 bits, 64 of them. */
export const MAX_TWO_LEVEL_PORTS = 4096;
/** 17 bits of a FIFO event word's link. */
export const MAX_FIFO_PORTS = 2 ** 17;

/** Where a vCPU's `vcpu_info` lies. */
export interface VcpuInfo {
  readonly page: GuestPage;
  /** Bytes into the page. */
  readonly offset: number;
}

/** Offsets in `vcpu_info`, and in `shared_info`, of Arm. */
export const VCPU_INFO_SIZE = 48, UPCALL_PENDING = 0, PENDING_SEL = 8;
export const SHARED_PENDING = 48, SHARED_MASK = SHARED_PENDING + 512;

/** Delivers by bits in the shared info page. */
export class TwoLevelDelivery implements EventDelivery {
  readonly maxPorts = MAX_TWO_LEVEL_PORTS;

  /** `info`: where a vCPU's info is now. `upcall`: `evtchn_upcall_pending` has become 1. */
  constructor(
    readonly shared: () => GuestPage,
    readonly info: (vcpu: number) => VcpuInfo | undefined,
    readonly upcall: (vcpu: number) => void,
  ) {}

  pend(port: number, vcpu: number): void {
    if (this.#exchange(SHARED_PENDING, port, true)) return;
    if (!this.isMasked(port)) this.#select(port, vcpu);
  }

  unmask(port: number, vcpu: number): void {
    if (this.#exchange(SHARED_MASK, port, false) && this.isPending(port)) this.#select(port, vcpu);
  }

  isPending(port: number): boolean {
    return this.#test(SHARED_PENDING, port);
  }

  isMasked(port: number): boolean {
    return this.#test(SHARED_MASK, port);
  }

  clear(port: number): void {
    this.#exchange(SHARED_PENDING, port, false);
  }

  #select(port: number, vcpu: number): void {
    const info = this.info(vcpu);
    if (info === undefined) return;
    const at = info.offset + PENDING_SEL;
    const selector = info.page.get64(at), bit = 1n << BigInt(port >>> 6);
    if ((selector & bit) !== 0n) return;
    info.page.set64(at, selector | bit);
    markUpcall(info, () => this.upcall(vcpu));
  }

  #test(table: number, port: number): boolean {
    return (this.shared().get8(table + (port >>> 3)) & 1 << (port & 7)) !== 0;
  }

  /** Sets or clears a bit. Returns what it was. */
  #exchange(table: number, port: number, value: boolean): boolean {
    const at = table + (port >>> 3), bit = 1 << (port & 7);
    const page = this.shared();
    const before = page.get8(at);
    if (((before & bit) !== 0) !== value) page.set8(at, value ? before | bit : before & ~bit);
    return (before & bit) !== 0;
  }
}

/** Sets `evtchn_upcall_pending`. */
export function markUpcall({ page, offset }: VcpuInfo, upcall: () => void): void {
  if (page.get8(offset + UPCALL_PENDING) === 0) page.set8(offset + UPCALL_PENDING, 1);
  upcall();
}
