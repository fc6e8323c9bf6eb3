/** A vCPU's state as bytes: the block without what belongs to this run of the engine, and the regions of MPUs. */
import { createHash } from "node:crypto";
import { registers } from "../sysregs/mod.ts";
import * as at from "../state.ts";
import type { Cpu } from "./cpu.ts";

/** A vCPU: {@linkcode enter} puts it into its CPU's block. */
interface Entering {
  readonly cpu: Cpu;
  readonly number: number;
  enter(): Cpu;
}

/**
 * Where generated code was, which TLB it used, what tier 1 counts: true only while it runs, here. STEPPED, between the two, is the
 * architecture's.
 */
const TRANSIENT = [[at.BANKS, at.STEPPED], [at.DETOUR, at.STATE_SIZE]] as const;

/** Fields that say what else means what, and how many values they have: no file gets others in. */
const SMALL = [[at.NZCV, 16], [at.DAIF, 16], [at.EL, 4], [at.SPSEL, 2], [at.PAN, 2], [at.UAO, 2], [at.SS, 2], [at.IL, 2]] as const;
const HIGHEST_EL = 2;

/** By what tells them apart: many machines are made of one snapshot. */
const layouts = new Map<string, string>();

/** Tells layouts apart: where each register lies. */
export function stateLayout(model: string, stateSize: number): string {
  const key = `${model},${stateSize}`;
  let layout = layouts.get(key);
  if (layout === undefined) {
    const places = registers.map(({ name, offset }) => `${name}@${offset}`);
    layout = createHash("sha256").update([key, ...places].join()).digest("hex").slice(0, 32);
    layouts.set(key, layout);
  }
  return layout;
}

/** Copies the state. What the vCPU's TLB knows goes, so that this run goes on as one that begins with the copy does. */
export function saveVcpu(vcpu: Entering): Uint8Array {
  const { block, stateSize, tlb, accesses, exceptions } = vcpu.enter();
  exceptions.loop.reset();
  const bytes = block.bytes.slice(block.address, block.address + stateSize);
  for (const [from, to] of TRANSIENT) bytes.fill(0, from, to);
  tlb.invalidate((bank) => bank.vcpu === vcpu.number);
  accesses.checker?.forgetVcpu(vcpu.number);
  return bytes;
}

/** Takes back what {@linkcode saveVcpu} gave. Throws a `RangeError` for what no vCPU of this CPU can be in. */
export function restoreVcpu(vcpu: Entering, data: Uint8Array): void {
  const { stateSize } = vcpu.cpu;
  if (data.length !== stateSize) throw new RangeError(`vCPU state: ${data.length} bytes, want ${stateSize}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const isPossible = SMALL.every(([offset, values]) => view.getUint32(offset, true) < values);
  if (!isPossible || view.getUint32(at.EL, true) > HIGHEST_EL) throw new RangeError("vCPU state: a PSTATE that there isn't");
  const { block, tlb, debug, counter, mmu, accesses, exceptions } = vcpu.enter();
  block.bytes.set(data, block.address);
  for (const [from, to] of TRANSIENT) block.bytes.fill(0, block.address + from, block.address + to);
  // What may be accessed follows from the registers, whatever the file says.
  vcpu.cpu.registers.updateFastAccess();
  mmu.mpu?.changed();
  counter.writes++;
  debug.update();
  tlb.invalidate((bank) => bank.vcpu === vcpu.number);
  accesses.checker?.forgetVcpu(vcpu.number);
  exceptions.loop.reset();
}
