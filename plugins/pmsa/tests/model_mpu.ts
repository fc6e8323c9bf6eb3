/** An EL2 MPU that remembers its regions and nothing else: the register rules of Arm DDI 0600, written without the plugin's code. */
import { FakeEngine, FakeVcpuState } from "../../../core/testing.ts";
import { hex } from "../../../core/mod.ts";
import type { PhysicalBus, PhysicalMemory, VcpuConfig, VcpuState } from "../../../core/mod.ts";

/** What a region says, decoded. */
export interface Decoded {
  readonly index: number;
  readonly base: bigint;
  /** Inclusive. */
  readonly limit: bigint;
  /** AP, SH and XN. */
  readonly flags: bigint;
  readonly attrIndex: bigint;
}

/** Regions and selector. */
export class ModelMpu {
  readonly prbar: bigint[];
  readonly prlar: bigint[];
  prselr = 0n;
  sctlr = 0n;

  constructor(readonly count: number) {
    // At reset they are UNKNOWN: something that would hurt if it were left.
    this.prbar = new Array(count).fill(0n);
    this.prlar = new Array(count).fill(0xffff_ffff_ffc1n);
  }

  get enabled(): Decoded[] {
    return this.prlar.flatMap((limit, index) => {
      if ((limit & 1n) === 0n) return [];
      const base = this.prbar[index];
      return [{ index, base: base & ~0x3fn, limit: limit | 0x3fn, flags: base & 0x3fn, attrIndex: limit >> 1n & 7n }];
    });
  }

  /** False when the register isn't an MPU's. */
  write(register: string, value: bigint): boolean {
    if (register === "PRSELR_EL2") this.prselr = value & 0xffn;
    else if (register === "SCTLR_EL2") this.sctlr = value;
    else if (register === "PRENR_EL2") {
      for (let n = 0; n < Math.min(32, this.count); n++) this.prlar[n] = this.prlar[n] & ~1n | value >> BigInt(n) & 1n;
    } else {
      const region = this.#region(register);
      if (region === undefined) return false;
      const file = register.startsWith("PRBAR") ? this.prbar : this.prlar;
      if (region < this.count) file[region] = value & (register.startsWith("PRBAR") ? 0xffff_ffff_ffffn : 0xffff_ffff_ffdfn);
    }
    return true;
  }

  read(register: string): bigint | undefined {
    if (register === "PRSELR_EL2") return this.prselr;
    if (register === "SCTLR_EL2") return this.sctlr;
    if (register === "MPUIR_EL2") return BigInt(this.count);
    if (register === "PRENR_EL2") return this.prlar.slice(0, 32).reduceRight((mask, limit) => mask << 1n | limit & 1n, 0n);
    const region = this.#region(register);
    if (region === undefined) return undefined;
    return (register.startsWith("PRBAR") ? this.prbar : this.prlar)[region] ?? 0n;
  }

  #region(register: string): number | undefined {
    const match = /^PR[BL]AR(\d*)_EL2$/.exec(register);
    if (!match) return undefined;
    return match[1] === "" ? Number(this.prselr) : Number(this.prselr & 0xf0n) | Number(match[1]);
  }
}

/** A vCPU with such an MPU. */
export class MpuVcpuState extends FakeVcpuState {
  mpu: ModelMpu;

  constructor(config: VcpuConfig, readonly count: number, readonly msaFrac: bigint) {
    super(config);
    this.mpu = new ModelMpu(count);
  }

  override read(register: string): bigint {
    if (register === "ID_AA64MMFR0_EL1") return 15n << 48n | this.msaFrac << 52n;
    return this.mpu.read(register) ?? super.read(register);
  }

  override write(register: string, value: bigint): void {
    if (!this.mpu.write(register, value)) super.write(register, value);
  }

  /** EL2 as well: unlike its base class, like the engine. */
  override reset(): void {
    super.reset();
    this.registers.clear();
    this.mpu = new ModelMpu(this.count);
  }
}

/** An engine of such vCPUs. */
export class MpuEngine extends FakeEngine {
  readonly states: MpuVcpuState[] = [];
  /** VMIDs whose entries were dropped. */
  readonly invalidated: (number | undefined)[] = [];

  constructor(readonly regions: number, readonly msaFrac: bigint, readonly memory: PhysicalMemory, readonly bus: PhysicalBus) {
    super();
  }

  /** EL2's access, byte by byte: one region for each, which lets it. */
  accessAtEl2(vcpu: VcpuState, va: bigint, size: number, value?: bigint): bigint {
    const { mpu } = vcpu as MpuVcpuState;
    const regions = Array.from({ length: size }, (_, n) => {
      const found = mpu.enabled.filter(({ base, limit }) => va + BigInt(n) >= base && va + BigInt(n) <= limit);
      if (found.length !== 1) throw new RangeError(`translation fault at ${hex(va + BigInt(n))}: ${found.length} regions`);
      return found[0];
    });
    if (value !== undefined && regions.some(({ flags }) => (flags & 8n) !== 0n)) throw new RangeError("permission fault");
    const pa = Number(va), attribute = vcpu.read("MAIR_EL2") >> regions[0].attrIndex * 8n & 0xffn;
    if ((attribute & 0xf0n) === 0n && pa % size !== 0) throw new RangeError("alignment fault: unaligned, and the memory is Device");
    if (!this.memory.isRam(pa, size)) {
      const device = this.bus.find(pa);
      if (device === undefined) throw new RangeError("neither RAM nor a device");
      if (value === undefined) return BigInt.asUintN(8 * size, BigInt(device.handler.read(pa - device.at, size, undefined)));
      device.handler.write(pa - device.at, size, value, undefined);
      return 0n;
    }
    const bytes = this.memory.view(pa, size);
    if (value === undefined) return bytes.reduceRight((word, byte) => word << 8n | BigInt(byte), 0n);
    for (let n = 0; n < size; n++) bytes[n] = Number(value >> BigInt(8 * n) & 0xffn);
    return 0n;
  }

  override createVcpu(config: VcpuConfig): MpuVcpuState {
    const state = new MpuVcpuState(config, this.regions, this.msaFrac);
    this.states.push(state);
    this.vcpus.add(state);
    return state;
  }

  override invalidateTlb(vmid?: number): void {
    this.invalidated.push(vmid);
  }
}
