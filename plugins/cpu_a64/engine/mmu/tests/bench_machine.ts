/** A machine for the MMU's tests: registers, a little RAM in two banks, seeded random numbers. */
import { Mmu } from "../mod.ts";
import type { MmuFeatures } from "../mod.ts";
import type { ModelMachine } from "./model.ts";

const REGISTER_NAMES = [
  "SCTLR_EL1",
  "TCR_EL1",
  "TTBR0_EL1",
  "TTBR1_EL1",
  "MAIR_EL1",
  "HCR_EL2",
  "VTCR_EL2",
  "VTTBR_EL2",
  "SCTLR_EL2",
  "TCR_EL2",
  "TTBR0_EL2",
  "MAIR_EL2",
] as const;
export type RegisterName = typeof REGISTER_NAMES[number];

/** Two banks, one above 4 GiB, so that both halves of addresses count. */
export const BANKS: readonly { readonly base: number; readonly size: number }[] = [
  { base: 0x4000_0000, size: 0x10_0000 },
  { base: 0xa_8000_0000, size: 0x10_0000 },
];
/** Host offset of the first bank. */
const RAM_START = 0x1_0000;

export class BenchMachine implements ModelMachine {
  readonly words: Uint32Array = new Uint32Array((RAM_START + BANKS.reduce((sum, b) => sum + b.size, 0)) / 4);
  readonly #view = new DataView(this.words.buffer);
  readonly mmu: Mmu;

  constructor(readonly features: MmuFeatures) {
    this.mmu = new Mmu({
      words: () => this.words,
      ramOffset: (pa) => this.offset(pa),
      register: (name) => this.#registerOffset(name),
      features,
    });
  }

  /** Host offset of a PA, -1 outside RAM. */
  offset(pa: number): number {
    let start = RAM_START;
    for (const bank of BANKS) {
      if (pa >= bank.base && pa < bank.base + bank.size) return start + pa - bank.base;
      start += bank.size;
    }
    return -1;
  }

  #registerOffset(name: string): number {
    const index = REGISTER_NAMES.indexOf(name as RegisterName);
    if (index < 0) throw new Error(`the MMU asks for ${name}, which this machine lacks`);
    return 0x400 + index * 8;
  }

  register(name: string): bigint {
    return this.#view.getBigUint64(this.#registerOffset(name), true);
  }

  set(name: RegisterName, value: bigint): void {
    this.#view.setBigUint64(this.#registerOffset(name), BigInt.asUintN(64, value), true);
  }

  read64(pa: bigint): bigint | undefined {
    const offset = this.offset(Number(pa));
    return offset < 0 ? undefined : this.#view.getBigUint64(offset, true);
  }

  write64(pa: number, value: bigint): void {
    const offset = this.offset(pa);
    if (offset < 0) throw new Error(`0x${pa.toString(16)} is no RAM`);
    this.#view.setBigUint64(offset, BigInt.asUintN(64, value), true);
  }
}
