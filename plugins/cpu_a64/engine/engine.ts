/** The CPU engine: vCPUs time-shared on a physical CPU of this host thread. */
import type {
  CpuEngine,
  DataAccess,
  DescribedAccess,
  El2Call,
  El2Stop,
  Exit,
  Injected,
  RunWindow,
  Stop,
  VcpuConfig,
  VcpuState,
  VisibleRegister,
} from "../../../core/mod.ts";
import { decodeSystemIss, encodingName } from "../sysregs/mod.ts";
import * as at from "../state.ts";
import { describeAccess } from "./access_description.ts";
import { dataAccesses } from "./data_accesses.ts";
import { Cpu } from "./cpu.ts";
import type { CpuOptions } from "./cpu_options.ts";
import { accessAtEl2, runAtEl2 } from "./el2_code.ts";
import { READ, WRITE } from "./mmu/mod.ts";
import { EC } from "./syndrome.ts";
import { stateLayout } from "./snapshot.ts";
import { A64Vcpu } from "./vcpu.ts";
import { visibleRegisters } from "./visible_registers.ts";
import { Parallel } from "./worker/parallel.ts";

/** vCPU numbers are a byte of a TLB bank's key. */
const MAX_VCPUS = 256;

/** Executes A64. */
export class A64Engine implements CpuEngine {
  readonly cpu: Cpu;
  readonly #vcpus = new Map<number, A64Vcpu>();

  constructor(readonly options: Omit<CpuOptions, "sendEvent">) {
    this.cpu = new Cpu({ ...options, sendEvent: () => this.#sendEvent() });
  }

  /** The physical CPUs, when they are threads. */
  parallel: Parallel | undefined;

  /** The machine is gone, and its memory may be another one's. */
  stop(): void {
    this.parallel?.stop();
    this.cpu.occupancy.end();
  }

  /** Starts so many physical CPUs in threads of their own. */
  async startCpus(cpus: number): Promise<void> {
    this.parallel = await Parallel.start(this.cpu, this.options, cpus);
  }

  get model(): string {
    return this.options.model.name;
  }

  get counterFrequencyHz(): number {
    return this.options.counterFrequencyHz;
  }

  get stateLayout(): string {
    return stateLayout(this.options.model.name, this.cpu.stateSize);
  }

  createVcpu(config: VcpuConfig): VcpuState {
    let number = 0;
    while (this.#vcpus.has(number)) number++;
    if (number >= MAX_VCPUS) throw new RangeError(`at most ${MAX_VCPUS} vCPUs`);
    const vcpu = new A64Vcpu(this.cpu, number, config, this.counterFrequencyHz);
    this.#vcpus.set(number, vcpu);
    return vcpu;
  }

  destroyVcpu(vcpu: VcpuState): void {
    const { number } = vcpu as A64Vcpu;
    (vcpu as A64Vcpu).recall?.();
    this.parallel?.forgetVcpu(number);
    this.cpu.tlb.forget((bank) => bank.vcpu === number);
    this.#vcpus.delete(number);
    this.cpu.occupancy.leave(vcpu as A64Vcpu);
    this.cpu.accesses.checker?.left(number);
  }

  poweredDown(vcpu: VcpuState): void {
    const { number } = vcpu as A64Vcpu;
    (vcpu as A64Vcpu).recall?.();
    this.parallel?.forgetVcpu(number);
    this.cpu.tlb.invalidate((bank) => bank.vcpu === number);
    this.cpu.accesses.checker?.forgetVcpu(number);
  }

  run(vcpu: VcpuState, window: RunWindow): Exit {
    const state = vcpu as A64Vcpu;
    this.cpu.enter(state);
    const exit = this.cpu.run(window);
    state.retired += this.cpu.lastRetired;
    return exit;
  }

  get lastRetired(): number {
    return this.cpu.lastRetired;
  }

  get lastSlow(): number {
    return this.cpu.slices.slow;
  }

  /** Retired so far in the run that is under way. */
  get retiredNow(): number {
    return this.cpu.retiredNow();
  }

  kick(): void {
    this.cpu.kick();
  }

  invalidateTlb(vmid?: number): void {
    this.cpu.accesses.checker?.invalidatedByEl2(vmid);
    this.cpu.mmu.invalidateStage2(vmid);
    this.cpu.tlb.invalidate((bank) => vmid === undefined || bank.vmid === vmid);
    this.parallel?.invalidateTlb(vmid);
  }

  memoryWritten(pa: number, size: number): void {
    const { accesses, code } = this.cpu;
    for (let page = pa - (pa % 4096); page < pa + size; page += 4096) {
      const host = accesses.ram.place(page);
      if (host >= 0 && code.holds(host)) code.drop(host);
      if (host >= 0) this.parallel?.memoryWritten(host);
    }
  }

  injectException(vcpu: VcpuState, exception: Injected): void {
    const { exceptions } = (vcpu as A64Vcpu).enter();
    if (exception.kind === "undefined") return exceptions.inject({ ec: EC.unknown, iss: 0 });
    const lo = Number(exception.va & 0xffff_ffffn), hi = Number((exception.va >> 32n) & 0xffff_ffffn);
    const fromEl0 = (Number((vcpu as A64Vcpu).read("SPSR_EL2")) & 0xc) === 0;
    const isFetch = exception.access === "fetch";
    const ec = isFetch ? (fromEl0 ? EC.instructionAbortLower : EC.instructionAbortSame) : fromEl0 ? EC.dataAbortLower : EC.dataAbortSame;
    exceptions.inject({ ec, iss: exception.status | (exception.access === "write" ? 1 << 6 : 0), farLo: lo, farHi: hi });
  }

  translate(vcpu: VcpuState, va: bigint, write: boolean): { readonly ipa: number; readonly pa: number } | undefined {
    const { mmu } = (vcpu as A64Vcpu).enter();
    const hi = Number((va >> 32n) & 0xffff_ffffn), lo = Number(va & 0xffff_ffffn);
    return mmu.translate(hi, lo, 1, write ? WRITE : READ, 0) ? { ipa: mmu.result.ipa, pa: mmu.result.pa } : undefined;
  }

  get visibleRegisters(): readonly VisibleRegister[] {
    return visibleRegisters(this.cpu.file);
  }

  setStops(stops: readonly { readonly stop: Stop; readonly vcpus?: readonly VcpuState[] }[]): void {
    const number = (vcpu: VcpuState) => (vcpu as A64Vcpu).number;
    this.cpu.stops.set(stops.map(({ stop, vcpus }) => ({ stop, vcpus: vcpus && new Set(vcpus.map(number)) })));
    this.cpu.tlb.invalidate(() => true);
  }

  describeAccess(vcpu: VcpuState): DescribedAccess | undefined {
    const state = vcpu as A64Vcpu;
    const word = state.instruction(state.pc);
    const described = word === undefined ? undefined : describeAccess(word, (n) => n === 31 ? state.guestSp : state.x(n));
    return described?.address === state.read("FAR_EL2") ? described : undefined;
  }

  dataAccesses(word: number, pc: bigint, register: (n: number) => bigint): readonly DataAccess[] {
    return dataAccesses(word, pc, register);
  }

  runAtEl2(vcpu: VcpuState, call: El2Call): El2Stop {
    return runAtEl2((vcpu as A64Vcpu).enter(), call);
  }

  accessAtEl2(vcpu: VcpuState, va: bigint, size: number, value?: bigint): bigint {
    const other = vcpu as A64Vcpu;
    other.recall?.();
    return accessAtEl2(this.cpu, this.cpu.vcpu === other.number ? undefined : other, va, size, value);
  }

  /** Name of the register that an ISS of EC 0x18 speaks of. */
  registerName(iss: number): string | undefined {
    const { packed, isRead } = decodeSystemIss(iss);
    return encodingName(packed, !isRead);
  }

  #sendEvent(): void {
    if (this.parallel) return this.parallel.control.sendEvent(this.cpu.vcpu);
    for (const vcpu of this.#vcpus.values()) {
      if (vcpu.number === this.cpu.vcpu) continue;
      new DataView(vcpu.saved.buffer).setUint32(at.EVENT, 1, true);
    }
  }
}
