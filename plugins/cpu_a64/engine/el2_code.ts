/**
 * EL2's own code and its own loads and stores. Most of the hypervisor are plugins; what must be real instructions
 * (a table switch), and what must go through EL2's own translation, comes through here. No virtual time passes.
 */
import { type El2Call, type El2Stop, hex } from "../../../core/mod.ts";
import * as at from "../state.ts";
import { getWord, registerOffset } from "../sysregs/mod.ts";
import type { Cpu } from "./cpu.ts";
import { READ, UNALIGNED, WRITE } from "./mmu/mod.ts";
import { packPstate, unpackPstate } from "./pstate.ts";

/** EL2h, D, A, I and F masked. */
const PSTATE_EL2 = 0x3c9;
/** What the code may change for itself: the exception that EL2 handles is as before afterwards. */
const EXCEPTION = ["ELR_EL2", "SPSR_EL2", "ESR_EL2", "FAR_EL2", "HPFAR_EL2"].map(registerOffset);
/** What EL2's translation depends on. */
const REGIME = ["SCTLR_EL2", "TCR_EL2", "TTBR0_EL2", "MAIR_EL2"].map(registerOffset);
const ESR_EL2 = registerOffset("ESR_EL2"), ELR_EL2 = registerOffset("ELR_EL2"), FAR_EL2 = registerOffset("FAR_EL2");
/** X0 to X30 and SP. */
const GENERAL_BYTES = 32 * 8;

/** Runs code at EL2 on the vCPU in the block, one instruction at a time. */
export function runAtEl2(cpu: Cpu, call: El2Call): El2Stop {
  const { block } = cpu;
  const general = block.bytes.slice(block.address + at.X, block.address + at.X + GENERAL_BYTES);
  const pstate = packPstate(block);
  const pc = block.get64(at.PC);
  const event = block.get(at.EVENT), stepped = block.get(at.STEPPED);
  const exception = EXCEPTION.map((offset) => block.get64(offset));
  unpackPstate(block, PSTATE_EL2);
  call.x.forEach((value, n) => block.set64(at.x(n), value));
  block.set64(at.x(30), call.returnTo);
  if (call.sp !== undefined) block.set64(at.SP, call.sp);
  block.set64(at.PC, call.entry);
  cpu.context.update();
  try {
    return steps(cpu, call);
  } finally {
    unpackPstate(block, pstate);
    block.bytes.set(general, block.address + at.X);
    block.set64(at.PC, pc);
    block.set(at.EVENT, event);
    block.set(at.STEPPED, stepped);
    EXCEPTION.forEach((offset, n) => block.set64(offset, exception[n]));
    cpu.context.update();
  }
}

function steps(cpu: Cpu, call: El2Call): El2Stop {
  const { block } = cpu;
  const returnTo = BigInt.asUintN(64, call.returnTo);
  for (let retired = 0;; retired++) {
    const pc = block.get64(at.PC);
    if (pc === returnTo) return { kind: "returned", instructions: retired, x0: block.get64(at.x(0)) };
    if (retired >= call.maxInstructions) return { kind: "budget", pc };
    call.onInstruction?.(pc);
    const exit = cpu.stepAtEl2();
    if (exit?.kind === "exception") {
      return { kind: "exception", pc: block.get64(ELR_EL2), esr: block.get64(ESR_EL2), far: block.get64(FAR_EL2) };
    }
    // WFI, or ERET to a lower level: not what EL2's own code is for.
    if (exit?.kind === "wait" || getWord(block, at.EL) !== 2) return { kind: "left", pc };
  }
}

/** A vCPU's state while another one is in the block. */
interface Away {
  readonly number: number;
  readonly saved: Uint8Array;
}

/** A load by EL2, or with a value a store. `away`: the vCPU, when another one is in the block. Throws a `RangeError` for a fault. */
export function accessAtEl2(cpu: Cpu, away: Away | undefined, va: bigint, size: number, value: bigint | undefined): bigint {
  const { block } = cpu;
  if (away === undefined) return access(cpu, va, size, value);
  // Also while a guest runs: only the translation looks at these.
  const view = new DataView(away.saved.buffer, away.saved.byteOffset);
  const present = REGIME.map((offset) => block.get64(offset));
  const { mpu } = cpu.mmu;
  const regions = mpu && block.bytes.slice(mpu.el2.address, mpu.el2.address + mpu.el2.bytes);
  try {
    for (const offset of REGIME) block.set64(offset, view.getBigUint64(offset, true));
    if (mpu) {
      const from = mpu.el2.address - block.address;
      block.bytes.set(away.saved.subarray(from, from + mpu.el2.bytes), mpu.el2.address);
      mpu.select(away.number);
    }
    return access(cpu, va, size, value);
  } finally {
    REGIME.forEach((offset, n) => block.set64(offset, present[n]));
    if (mpu) {
      block.bytes.set(regions!, mpu.el2.address);
      mpu.select(cpu.vcpu);
    }
  }
}

function access(cpu: Cpu, va: bigint, size: number, value: bigint | undefined): bigint {
  const isAligned = va % BigInt(size) === 0n;
  const place = (at: bigint): { host: number; pa: number } => {
    const hi = Number((at >> 32n) & 0xffff_ffffn), lo = Number(at & 0xffff_ffffn);
    if (!cpu.mmu.translate(hi, lo, 2, value === undefined ? READ : WRITE, isAligned ? 0 : UNALIGNED)) {
      throw refused(at, cpu.mmu.fault.status);
    }
    cpu.accesses.checker?.walked(cpu.mmu.result, hi, lo, 2);
    const { pa } = cpu.mmu.result;
    return { host: cpu.accesses.ram.offset(pa), pa };
  };
  const refused = (at: bigint, status: number) =>
    new RangeError(`EL2's ${value === undefined ? "load" : "store"} of ${size} bytes at VA ${hex(at)}: ${statusText(status)}`);
  const first = place(va);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  if (first.host < 0) {
    const window = isAligned ? cpu.options.bus.find(first.pa) : undefined;
    if (window === undefined) throw refused(va, EXTERNAL);
    const offset = first.pa - window.at;
    if (value !== undefined) window.handler.write(offset, size, BigInt.asUintN(size * 8, value), undefined);
    else return BigInt.asUintN(size * 8, BigInt(window.handler.read(offset, size, undefined)));
    return 0n;
  }
  // What one translation holds for: a page, or an MPU's granule.
  const unit = cpu.mmu.result.sizeBits < 12 ? 64 : 4096;
  const within = Math.min(size, unit - (first.pa & (unit - 1)));
  const parts = [{ host: first.host, from: 0, count: within }];
  if (within < size) {
    const second = place(va + BigInt(within));
    if (second.host < 0) throw refused(va + BigInt(within), EXTERNAL);
    parts.push({ host: second.host, from: within, count: size - within });
  }
  if (value !== undefined) view.setBigUint64(0, BigInt.asUintN(size * 8, value), true);
  for (const { host, from, count } of parts) {
    if (value === undefined) bytes.set(cpu.block.bytes.subarray(host, host + count), from);
    else {
      cpu.block.bytes.set(bytes.subarray(from, from + count), host);
      cpu.code.written(host, count);
      cpu.accesses.checker?.writtenByEl2(host, count, undefined);
    }
  }
  return value === undefined ? view.getBigUint64(0, true) : 0n;
}

const EXTERNAL = 0b010000;

/** A fault status, in words. Arm ARM DDI 0487, "ESR_EL2", data abort, DFSC. */
function statusText(status: number): string {
  const level = `level ${status & 3}`;
  switch (status >> 2) {
    case 0:
      return `address size fault, ${level}`;
    case 1:
      return `translation fault, ${level}`;
    case 2:
      return `access flag fault, ${level}`;
    case 3:
      return `permission fault, ${level}`;
    case 5:
      return `external abort on a table walk, ${level}`;
  }
  return status === EXTERNAL ? "there is neither RAM nor a device" : "alignment fault";
}
