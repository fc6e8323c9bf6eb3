/** The architectural state of a vCPU, as the hypervisor sees it. */
import type { Va, VcpuConfig, VcpuState } from "../../../core/mod.ts";
import * as at from "../state.ts";
import { registerByName, registerOffset } from "../sysregs/mod.ts";
import type { Cpu } from "./cpu.ts";
import { disassembly } from "./disassembly.ts";
import { READ } from "./mmu/mod.ts";
import { restoreVcpu, saveVcpu } from "./snapshot.ts";
import { bankSp, unbankSp, unpackPstate } from "./pstate.ts";

/** PSTATE at reset for a vCPU: EL1h, all interrupts masked. */
const RESET_PSTATE = 0x3c5;
/** SPSR.SS and SPSR.BTYPE. */
const SKIP_CLEARS = 1 << 21 | 3 << 10;

const ESR_EL2 = registerOffset("ESR_EL2"), FAR_EL2 = registerOffset("FAR_EL2"), HPFAR_EL2 = registerOffset("HPFAR_EL2");
const ELR_EL2 = registerOffset("ELR_EL2"), SPSR_EL2 = registerOffset("SPSR_EL2");

/** One vCPU. Its registers are in the CPU's block while it is the present one, else in a copy. */
export class A64Vcpu implements VcpuState {
  retired = 0;
  /** The block's content while another vCPU is in it. */
  readonly saved: Uint8Array;

  constructor(readonly cpu: Cpu, readonly number: number, readonly config: VcpuConfig, readonly counterFrequencyHz: number) {
    this.saved = new Uint8Array(cpu.stateSize);
    this.reset();
  }

  loop: readonly number[] | undefined;
  /** Present while it runs in another thread: brings it back. */
  recall: (() => void) | undefined;

  /** Puts this vCPU into the CPU's block. */
  enter(): Cpu {
    const { cpu } = this;
    if (this.recall) this.recall();
    cpu.enter(this);
    return cpu;
  }

  x(n: number): bigint {
    return n === 31 ? 0n : this.enter().block.get64(at.x(n));
  }

  setX(n: number, value: bigint): void {
    if (n !== 31) this.enter().block.set64(at.x(n), value);
  }

  v(n: number): bigint {
    const { block } = this.enter();
    return (block.get64(at.V + 16 * n + 8) << 64n) | block.get64(at.V + 16 * n);
  }

  setV(n: number, value: bigint): void {
    const { block } = this.enter();
    block.set64(at.V + 16 * n, value);
    block.set64(at.V + 16 * n + 8, value >> 64n);
  }

  get pc(): Va {
    const { block } = this.enter();
    return block.get(at.EL) === 2 ? this.read("ELR_EL2") : block.get64(at.PC);
  }

  set pc(value: Va) {
    const { block } = this.enter();
    if (block.get(at.EL) === 2) this.write("ELR_EL2", value);
    else block.set64(at.PC, value);
  }

  get sp(): bigint {
    return this.enter().block.get64(at.SP);
  }

  set sp(value: bigint) {
    this.enter().block.set64(at.SP, value);
  }

  get pstate(): bigint {
    return BigInt(this.enter().pstate);
  }

  set pstate(value: bigint) {
    const { block } = this.enter();
    unpackPstate(block, Number(value & 0xffff_ffffn));
  }

  read(name: string): bigint {
    const { registers, block } = this.enter();
    const register = registerByName(name);
    if (register.hook === undefined) {
      if (name.startsWith("SP_EL")) bankSp(block);
      return block.get64(register.offset);
    }
    return registers.read(register, 2);
  }

  write(name: string, value: bigint): void {
    const { registers, block } = this.enter();
    registers.write(registerByName(name), value);
    if (name.startsWith("SP_EL")) unbankSp(block);
  }

  get syndrome(): number {
    return this.enter().block.get(ESR_EL2);
  }

  get faultIpa(): number {
    const { block } = this.enter();
    return (block.get(HPFAR_EL2 + 4) & 0xff) * 2 ** 40 + (block.get(HPFAR_EL2) >>> 4) * 4096 + (block.get(FAR_EL2) & 0xfff);
  }

  skip(): void {
    const { block } = this.enter();
    const lo = block.get(ELR_EL2) + 4;
    block.setPair(ELR_EL2, lo, block.get(ELR_EL2 + 4) + (lo > 0xffff_ffff ? 1 : 0));
    block.set(SPSR_EL2, block.get(SPSR_EL2) & ~SKIP_CLEARS);
  }

  setXNumber(n: number, value: number): void {
    this.enter().block.setX(n, value, Math.floor(value / 2 ** 32));
  }

  wakeupPending(): boolean {
    return this.enter().wakeupPending();
  }

  setEvent(): void {
    this.enter().block.set(at.EVENT, 1);
  }

  reset(): void {
    const { cpu } = this;
    cpu.enter(this);
    const { block } = cpu;
    block.bytes.fill(0, block.address, block.address + cpu.stateSize);
    cpu.counter.writes++;
    cpu.mmu.mpu?.changed();
    cpu.file.reset(block, { mpidr: this.config.mpidr, counterFrequencyHz: this.counterFrequencyHz });
    // EL2 presents the model's identity to EL1 until the hypervisor says otherwise.
    block.set64(registerByName("VPIDR_EL2").offset, block.get64(registerByName("MIDR_EL1").offset));
    unpackPstate(block, RESET_PSTATE);
    cpu.registers.updateFastAccess();
    cpu.debug.update();
    cpu.tlb.invalidate((bank) => bank.vcpu === this.number);
    cpu.accesses.checker?.forgetVcpu(this.number);
  }

  save(): Uint8Array {
    return saveVcpu(this);
  }

  restore(data: Uint8Array, retired?: number): void {
    restoreVcpu(this, data);
    this.retired = retired ?? this.retired;
  }

  /** SP of the code that EL2 interrupted: by SPSR_EL2's mode, while EL2 handles an exception. */
  get guestSp(): bigint {
    if (this.enter().block.get(at.EL) !== 2) return this.sp;
    return this.read((this.read("SPSR_EL2") & 0xfn) === 5n ? "SP_EL1" : "SP_EL0");
  }

  set guestSp(value: bigint) {
    if (this.enter().block.get(at.EL) !== 2) this.sp = value;
    else this.write((this.read("SPSR_EL2") & 0xfn) === 5n ? "SP_EL1" : "SP_EL0", value);
  }

  /** The instruction word at a VA, read as the interrupted code would; `undefined` where nothing is mapped. */
  instruction(va: Va): number | undefined {
    const cpu = this.enter();
    const el = cpu.block.get(at.EL);
    const guestEl = el === 2 ? Number((this.read("SPSR_EL2") >> 2n) & 3n) : el;
    const hi = Number((va >> 32n) & 0xffff_ffffn);
    const lo = Number(va & 0xffff_fffcn);
    if (!cpu.mmu.translate(hi, lo, guestEl, READ, 0)) return undefined;
    const host = cpu.accesses.ram.offset(cpu.mmu.result.pa);
    return host < 0 ? undefined : cpu.block.words[host >>> 2];
  }

  disassemble(va: Va): string | undefined {
    const word = this.instruction(va);
    return word === undefined ? undefined : disassembly(this.cpu.decoder, word, va);
  }
}
