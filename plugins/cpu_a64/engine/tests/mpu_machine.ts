/** An Armv8-R CPU with code that makes one access, for tests of the MPUs. */
import type { VcpuState } from "../../../../core/mod.ts";
import { Ram } from "../../../../core/memory/ram.ts";
import { modelByName, withMpuRegions } from "../../sysregs/mod.ts";
import { A64Engine } from "../engine.ts";

export const NOP = 0xd503201f, SVC = 0xd4000001;
const HVC = 0xd4000002, BR_X0 = 0xd61f0000, DC_ZVA_X0 = 0xd50b7420;
/** LDR and STR of X1, or of vectors, at [X0], by size in bytes. */
const LOADS: Readonly<Record<number, number>> = {
  1: 0x39400001,
  2: 0x79400001,
  4: 0xb9400001,
  8: 0xf9400001,
  16: 0x3dc00001,
  32: 0xad400801,
};
const STORES: Readonly<Record<number, number>> = {
  1: 0x39000001,
  2: 0x79000001,
  4: 0xb9000001,
  8: 0xf9000001,
  16: 0x3d800001,
  32: 0xad000801,
};
/** PRBAR's AP: reads and writes at the MPU's level and below. */
export const RW = 1;
const BASE = 0x4000_0000, VECTORS = BASE + 0x1_0000;

export type Access = "read" | "write" | "execute" | "zero";

/** A region; `xn` has two bits as PRBAR has. */
export interface Region {
  readonly base: number;
  readonly limit: number;
  readonly ap: number;
  readonly xn: number;
  readonly attribute?: number;
}

/** What became of an access. */
export type Seen =
  | { readonly done: true; readonly toEl?: undefined }
  | {
    readonly done: false;
    readonly toEl: number;
    readonly ec: number;
    readonly iss: number;
    readonly far: number;
    readonly hpfar?: number;
    readonly pc: number;
  };

/** The machine: 1 MiB of RAM full of SVC, code at {@linkcode MpuMachine.CODE}, vectors of EL1 that call EL2 at VECTORS. */
export class MpuMachine {
  static readonly CODE = BASE;
  readonly #vcpu: VcpuState;
  readonly #ram: Ram;
  readonly #engine: A64Engine;
  /** Where the last access that was done ended: the address of its SVC. */
  pcAtEnd = 0;
  /** Where the last exception came from. */
  pc = 0;

  constructor(from?: MpuMachine) {
    this.#ram = from ? from.#ram : new Ram([{ at: BASE, size: 0x10_0000 }]);
    this.#engine = from ? from.#engine : new A64Engine({
      memory: this.#ram,
      bus: { claim() {}, find: () => undefined },
      model: withMpuRegions(modelByName("max-r"), { el1: 255, el2: 255 }),
      counterFrequencyHz: 62_500_000,
      smc: "trap",
    });
    if (!from) this.put(BASE, Array.from({ length: 0x10_0000 / 4 }, (_, n) => n * 4 >= 0x1_0000 && n * 4 < 0x1_0800 ? HVC : SVC));
    this.#vcpu = this.#engine.createVcpu({ mpidr: 0n });
    this.write("HCR_EL2", 1n << 31n);
    this.write("CPACR_EL1", 3n << 20n);
    this.write("VBAR_EL1", BigInt(VECTORS));
    this.write("MAIR_EL1", 0xffn);
    this.write("MAIR_EL2", 0xffn);
  }

  /** Another vCPU on the same CPU. */
  another(): MpuMachine {
    return new MpuMachine(this);
  }

  write(register: string, value: bigint): void {
    this.#vcpu.write(register, register === "SCTLR_EL1" ? value | 0x400_c000n : value);
  }

  read(register: string): bigint {
    return this.#vcpu.read(register);
  }

  x(n: number): bigint {
    return this.#vcpu.x(n);
  }

  setX(n: number, value: bigint): void {
    this.#vcpu.setX(n, value);
  }

  /** Writes words to RAM. */
  put(at: number, words: readonly number[]): void {
    this.#ram.view(at, words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
    this.#engine.memoryWritten(at, words.length * 4);
  }

  /** Whether RAM holds something else than SVCs. */
  changed(at: number, size: number): boolean {
    const bytes = this.#ram.view(at, size);
    return bytes.some((byte, i) => byte !== (SVC >>> (8 * ((at + i) & 3)) & 0xff));
  }

  /** Replaces the regions of an MPU; those that vectors need come after them, where the MPU is on. */
  regions(el: 1 | 2, regions: readonly Region[]): void {
    const all = [...regions, { base: VECTORS, limit: VECTORS + 0xfff, ap: 3, xn: 0 }];
    this.write(`PRENR_EL${el}`, 0n);
    all.forEach(({ base, limit, ap, xn, attribute = 0 }, n) => {
      this.write(`PRSELR_EL${el}`, BigInt(n === all.length - 1 ? 200 : n));
      this.write(`PRBAR_EL${el}`, BigInt(base) | BigInt(ap << 2 | xn));
      this.write(`PRLAR_EL${el}`, BigInt(limit) & ~63n | BigInt(attribute << 1 | 1));
    });
  }

  /** Makes an access from EL0 or EL1, twice in a row where that works. `size` in bytes, up to 8, or 16 and 32 for vectors. */
  access(access: Access, at: number, el: 0 | 1, size = 8): Seen {
    this.setX(0, BigInt(at));
    if (access === "execute") return this.run([BR_X0], el);
    const word = access === "zero" ? DC_ZVA_X0 : (access === "read" ? LOADS : STORES)[size];
    return this.run([word, word, SVC], el);
  }

  /** Makes an access from EL2's own code. */
  accessAtEl2(access: Access, at: number): Seen {
    const word = access === "execute" ? BR_X0 : access === "zero" ? DC_ZVA_X0 : (access === "read" ? LOADS : STORES)[8];
    return this.runAtEl2([word, word, SVC], BigInt(at));
  }

  /** A load or store of the hypervisor's plugins, of 8 bytes. Throws a `RangeError` where EL2's MPU refuses. */
  plainAccessAtEl2(at: number, value?: bigint): bigint {
    return this.#engine.accessAtEl2(this.#vcpu, BigInt(at), 8, value);
  }

  /** Runs words at {@linkcode MpuMachine.CODE} at EL2 until SVC or an abort; `x0` is X0, and X1 two SVCs. */
  runAtEl2(words: readonly number[], x0 = 0n): Seen {
    this.put(MpuMachine.CODE, words);
    const stop = this.#engine.runAtEl2(this.#vcpu, {
      entry: BigInt(MpuMachine.CODE),
      x: [x0, BigInt(SVC) << 32n | BigInt(SVC)],
      returnTo: 0n,
      maxInstructions: 100,
    });
    if (stop.kind !== "exception") throw new Error(`EL2's code ended by ${stop.kind}`);
    const ec = Number(stop.esr >> 26n);
    if (ec === 0x15) return { done: true };
    return { done: false, toEl: 2, ec, iss: Number(stop.esr & 0x1ff_ffffn), far: Number(stop.far), pc: Number(stop.pc) };
  }

  /** A word stored by the guest's EL1. */
  store32(at: number, value: number): void {
    this.setX(0, BigInt(at));
    this.setX(1, BigInt(value));
    const seen = this.run([STORES[4], SVC], 1);
    if (!seen.done) throw new Error("the store was refused");
  }

  /** Runs words at {@linkcode MpuMachine.CODE} until SVC or an abort. */
  run(words: readonly number[], el: 0 | 1): Seen {
    this.put(MpuMachine.CODE, words);
    const vcpu = this.#vcpu;
    for (const name of ["ESR_EL1", "FAR_EL1", "ELR_EL1", "ESR_EL2", "FAR_EL2", "HPFAR_EL2"]) vcpu.write(name, 0n);
    vcpu.write("ELR_EL2", BigInt(MpuMachine.CODE));
    vcpu.write("SPSR_EL2", el === 1 ? 0x3c5n : 0x3c0n);
    vcpu.pstate = 0x3c9n;
    const exit = this.#engine.run(vcpu, { budget: 5000, startNs: 0, nsPerInstruction: 1 });
    if (exit.kind !== "exception") throw new Error(`the program ended by ${exit.kind}`);
    const ofEl = (level: 1 | 2) => Number(vcpu.read(`ESR_EL${level}`));
    const toEl = ofEl(2) >>> 26 === 0x16 ? 1 : 2;
    const ec = ofEl(toEl) >>> 26;
    this.pc = Number(vcpu.read(`ELR_EL${toEl}`));
    if (toEl === 1 && ec === 0x15) {
      this.pcAtEnd = this.pc - 4;
      return { done: true };
    }
    return {
      done: false,
      toEl,
      ec,
      iss: ofEl(toEl) & 0x1ff_ffff,
      far: Number(vcpu.read(`FAR_EL${toEl}`)),
      ...(toEl === 2 ? { hpfar: Number(vcpu.read("HPFAR_EL2")) } : {}),
      pc: this.pc,
    };
  }
}
