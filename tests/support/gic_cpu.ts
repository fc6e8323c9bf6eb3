/** A vCPU for tests of interrupt controllers: its ICH and ICC registers are the engine's own virtual CPU interface, nothing else is there. */
import type { Vcpu } from "../../core/mod.ts";
import { FakeVcpuState } from "../../core/testing.ts";
import { GicCpuInterface } from "../../plugins/cpu_a64/engine/gic_cpu_interface.ts";

const NAMES = ["ICH_HCR_EL2", "ICH_VMCR_EL2", "ICH_VTR_EL2", "ICH_AP0R0_EL2", "ICH_AP1R0_EL2"];
for (let n = 0; n < 16; n++) NAMES.push(`ICH_LR${n}_EL2`);
const VTR = 2;

/** The registers. */
export class GicCpu extends FakeVcpuState {
  readonly words: Uint32Array = new Uint32Array(2 * NAMES.length);
  readonly gic: GicCpuInterface;

  /** `isLegacy`: its CPU interface is the one in memory. */
  constructor(index: number, listRegisters: number, isLegacy = false) {
    super({ mpidr: BigInt(index >> 4) << 8n | BigInt(index & 15) });
    this.words[2 * VTR] = 0x9020_0000 | (listRegisters - 1);
    this.gic = new GicCpuInterface(() => this.words, (name) => 8 * NAMES.indexOf(name), () => isLegacy);
  }

  /** Of ICH_LR<n>_EL2: INTID, and the word with state, group and priority. */
  list(n: number): readonly [low: number, high: number] {
    const at = 2 * NAMES.indexOf("ICH_LR0_EL2") + 2 * n;
    return [this.words[at], this.words[at + 1]];
  }

  /** What a power-up does before anybody's hooks. */
  override reset(): void {
    const vtr = this.words[2 * VTR];
    this.words.fill(0);
    this.words[2 * VTR] = vtr;
  }

  override read(name: string): bigint {
    return this.gic.handles(name) ? this.gic.readRegister(name) : super.read(name);
  }

  override write(name: string, value: bigint): void {
    if (this.gic.handles(name)) this.gic.writeRegister(name, value);
    else super.write(name, value);
  }
}

/** As much of a vCPU as an interrupt controller uses. */
export interface GicVcpu extends Vcpu {
  readonly state: GicCpu;
  power: "off" | "runnable" | "blocked";
  /** How often it was kicked. */
  kicks: number;
}

/** Makes one. */
export function gicVcpu(index: number, listRegisters: number): GicVcpu {
  const vcpu = { index, state: new GicCpu(index, listRegisters), power: "runnable", kicks: 0, kick: () => void vcpu.kicks++ };
  return vcpu as unknown as GicVcpu;
}
