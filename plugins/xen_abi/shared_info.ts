/**
 * The shared info page and each vCPU's info (Xen's public header xen.h, `struct shared_info` and `struct vcpu_info`), and the PPI that
 * says that there are events.
 *
 * What can a hostile guest do here? Write what it likes into both. The hypervisor reads one byte back, to see whether the guest has taken
 * note; where a vCPU's info lies was checked when it was registered, and its page is pinned.
 */
import type { Domain, InterruptLine } from "../../core/mod.ts";
import { Errno, FifoDelivery, fifoState, GuestPage, markUpcall, TwoLevelDelivery, VCPU_INFO_SIZE } from "../event_channels/contract.ts";
import type { DomainChannels, EventDelivery, PageHost, VcpuInfo } from "../event_channels/contract.ts";
import type { SharedFrame } from "../grant_tables/contract.ts";

/** Offsets of the wall clock. */
const WC_SEC = 1076, WC_NSEC = 1080, WC_SEC_HI = 1084;
const PENDING_SEL = 8;
/** ENXIO: the info would leave its page. */
const ENXIO = -6;

/** One domain's. */
export class SharedInfo {
  readonly #registered = new Map<number, VcpuInfo>();
  readonly #levels: boolean[];
  #fifo: FifoDelivery | undefined;

  constructor(
    readonly domain: Domain,
    readonly host: PageHost,
    readonly frame: SharedFrame,
    readonly ports: DomainChannels,
    readonly lines: readonly InterruptLine[],
    /** Looks at every event that is delivered. */
    readonly watch: (delivery: EventDelivery) => EventDelivery = (delivery) => delivery,
  ) {
    this.#levels = lines.map(() => false);
    this.#deliverByBits();
  }

  /** The guest has said where it wants something. */
  get isUsed(): boolean {
    return this.frame.gfn !== undefined || this.#registered.size > 0 || this.#fifo !== undefined;
  }

  /** Where a vCPU's info is; the first one's is in the shared page until it is registered. */
  info(vcpu: number): VcpuInfo | undefined {
    return this.#registered.get(vcpu) ?? (vcpu === 0 ? { page: this.frame.page, offset: 0 } : undefined);
  }

  /** VCPUOP_register_vcpu_info: once for each vCPU. */
  register(vcpu: number, gfn: bigint, offset: number): number {
    if (offset > 4096 - VCPU_INFO_SIZE) return ENXIO;
    if (this.#registered.has(vcpu) || offset % 8 !== 0) return Errno.EINVAL;
    const page = GuestPage.pin(this.domain, this.host, gfn);
    if (page === undefined) return Errno.EINVAL;
    const before = this.info(vcpu);
    const info = { page, offset };
    page.write(offset, before?.page.bytes(before.offset, VCPU_INFO_SIZE) ?? new Uint8Array(VCPU_INFO_SIZE));
    this.#registered.set(vcpu, info);
    // What came meanwhile must not be lost: the guest is to look everywhere.
    page.set64(offset + PENDING_SEL, 0xffff_ffff_ffff_ffffn);
    markUpcall(info, () => this.#set(vcpu, true));
    return 0;
  }

  /** Makes a vCPU look: it polls, and is to return. */
  wake(vcpu: number): void {
    const info = this.info(vcpu);
    if (info !== undefined) markUpcall(info, () => this.#set(vcpu, true));
  }

  /** The line is high while the guest hasn't cleared `evtchn_upcall_pending`. */
  sample(vcpu: number): void {
    if (!this.#levels[vcpu]) return;
    const info = this.info(vcpu);
    if (info === undefined || info.page.get8(info.offset) === 0) this.#set(vcpu, false);
  }

  /** UTC at virtual time 0 of the guest. */
  setWallClock(ns: bigint): void {
    const { page } = this.frame;
    const seconds = ns / 1_000_000_000n;
    page.set32(WC_SEC, Number(seconds & 0xffff_ffffn));
    page.set32(WC_SEC_HI, Number(seconds >> 32n & 0xffff_ffffn));
    page.set32(WC_NSEC, Number(ns % 1_000_000_000n));
  }

  /** EVTCHNOP_init_control: the domain's events are delivered by FIFO queues from the first one on. */
  initControl(vcpu: number, gfn: bigint, offset: number, blockSize: number): number {
    if (vcpu >= this.domain.vcpus.length) return Errno.ENOENT;
    if (offset > 4096 - blockSize || offset % 8 !== 0 || this.#fifo?.hasControlBlock(vcpu)) return Errno.EINVAL;
    const page = GuestPage.pin(this.domain, this.host, gfn);
    if (page === undefined) return Errno.EINVAL;
    const isFirst = this.#fifo === undefined;
    this.#fifo ??= new FifoDelivery(fifoState(this.domain.vcpus.length), (v) => this.info(v), (v) => this.#set(v, true));
    this.#fifo.addControlBlock(vcpu, page, offset);
    if (isFirst) this.ports.deliverBy(this.watch(this.#fifo));
    return 0;
  }

  /** EVTCHNOP_expand_array. */
  expandArray(gfn: bigint): number {
    if (this.#fifo === undefined) return Errno.ENOSYS;
    const page = GuestPage.pin(this.domain, this.host, gfn);
    if (page === undefined) return Errno.EINVAL;
    if (this.#fifo.addArrayPage(page)) return 0;
    page.release();
    return Errno.ENOSPC;
  }

  /** EVTCHNOP_reset: back to the two-level ABI. */
  reset(): void {
    const fifo = this.#fifo;
    this.#fifo = undefined;
    this.#deliverByBits();
    fifo?.release();
  }

  /** The domain goes. */
  release(): void {
    this.#fifo?.release();
    for (const { page } of this.#registered.values()) page.release();
    this.#registered.clear();
  }

  #deliverByBits(): void {
    const bits = new TwoLevelDelivery(() => this.frame.page, (v) => this.info(v), (v) => this.#set(v, true));
    this.ports.deliverBy(this.watch(bits));
  }

  #set(vcpu: number, level: boolean): void {
    this.#levels[vcpu] = level;
    this.lines[vcpu].set(level);
  }
}
