/** An MMU with MPUs, and the same state for the model. */
import { Mmu } from "../mod.ts";
import type { ModelControl, ModelRegion, ModelState } from "./mpu_model.ts";

export const RAM = 0x4000_0000, RAM_SIZE = 0x4_0000;
const RAM_START = 0x1_0000, REGISTERS = 0x400, REGIONS = 0x1000;
export const REGION_COUNT = 8;

/** Registers, regions and a little RAM in one array, as the engine has them. */
export class ProtectedMachine implements ModelState {
  readonly words: Uint32Array = new Uint32Array((RAM_START + RAM_SIZE) / 4);
  readonly #view = new DataView(this.words.buffer);
  readonly #registers: string[] = [];
  readonly mmu: Mmu;
  msa = false;
  vm = false;
  ptw = false;
  el1: ModelControl = { m: false, br: false, wxn: false, i: false, mair: 0n };
  el2: ModelControl = { m: false, br: false, wxn: false, i: false, mair: 0n };
  regions1: ModelRegion[] = [];
  regions2: ModelRegion[] = [];
  ttbr = 0n;

  constructor() {
    this.mmu = new Mmu({
      words: () => this.words,
      ramOffset: (pa) => pa >= RAM && pa < RAM + RAM_SIZE ? RAM_START + pa - RAM : -1,
      register: (name) => this.#slot(name),
      mpu: { address: REGIONS, el1: REGION_COUNT, el2: REGION_COUNT },
    });
  }

  #slot(name: string): number {
    if (!this.#registers.includes(name)) this.#registers.push(name);
    return REGISTERS + 8 * this.#registers.indexOf(name);
  }

  #set(name: string, value: bigint): void {
    this.#view.setBigUint64(this.#slot(name), value, true);
  }

  read64(pa: bigint): bigint | undefined {
    const within = Number(pa) - RAM;
    return within >= 0 && within < RAM_SIZE ? this.#view.getBigUint64(RAM_START + within, true) : undefined;
  }

  write64(pa: number, value: bigint): void {
    this.#view.setBigUint64(RAM_START + pa - RAM, value, true);
  }

  /** Puts what the fields say into registers and regions. */
  apply(): void {
    for (const [name, { m, br, wxn, i, mair }] of [["EL1", this.el1], ["EL2", this.el2]] as const) {
      this.#set(`SCTLR_${name}`, BigInt(+m | +i << 12 | +br << 17 | +wxn << 19));
      this.#set(`MAIR_${name}`, mair);
    }
    this.#set("HCR_EL2", 1n << 31n | BigInt(+this.vm | +this.ptw << 2));
    this.#set("VTCR_EL2", this.msa ? 1n << 31n : 0n);
    this.#set("TTBR0_EL1", this.ttbr);
    this.#set("TCR_EL1", 25n | 1n << 23n | 5n << 32n);
    [this.regions1, this.regions2].forEach((regions, mpu) =>
      regions.forEach(({ enabled, base, last, ap, xn, sh, attribute }, n) => {
        const at = REGIONS + (mpu * REGION_COUNT + n) * 16;
        this.#view.setBigUint64(at, base | BigInt(sh << 4 | ap << 2 | xn), true);
        this.#view.setBigUint64(at + 8, last & ~63n | BigInt(attribute << 1 | +enabled), true);
      })
    );
    this.mmu.mpu!.changed();
  }
}
