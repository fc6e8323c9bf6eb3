/** The registers of one CPU model: which exist, what they reset to, and which bits a write changes. */
import { trapControls } from "./access.ts";
import { getLong, setLong, setPair, type StateBlock } from "./block.ts";
import type { Feature } from "./features.ts";
import type { CpuModel } from "./models.ts";
import { registerByPacked, registers, type SystemRegister } from "./table.ts";

/** What a vCPU is told at reset. */
export interface ResetValues {
  /** MPIDR_EL1 as the guest reads it. */
  readonly mpidr: bigint;
  /** CNTFRQ_EL0 in Hz. */
  readonly counterFrequencyHz: number;
}

/** MPIDR_EL1 bit 31 is RES1. */
const MPIDR_ONES = 1n << 31n;

/** The table, bound to a model. */
export class RegisterFile {
  /** Writable bits and bits that read as one, two words (low, high) per register, by index. */
  readonly masks: Uint32Array = new Uint32Array(registers.length * 2);
  readonly ones: Uint32Array = new Uint32Array(registers.length * 2);
  private readonly present: Uint8Array = new Uint8Array(registers.length);
  /** `1` where MSR may store 64 bits, or those of a mask within the lower word: no hook, nothing that reads as one, no control of traps. */
  readonly storable: Uint8Array = new Uint8Array(registers.length);

  constructor(readonly model: CpuModel) {
    for (const register of registers) {
      const { mask, ones } = writableBits(register, model.features);
      setLong({ words: this.masks, base: register.index * 2 }, 0, mask);
      setLong({ words: this.ones, base: register.index * 2 }, 0, ones);
      const isReplaced = register.without !== undefined && model.features.has(register.without);
      this.present[register.index] = !isReplaced && (!register.feature || model.features.has(register.feature)) ? 1 : 0;
      this.storable[register.index] = !register.hook && ones === 0n && (mask === 2n ** 64n - 1n || mask >> 32n === 0n) &&
          !trapControls.has(register.name)
        ? 1
        : 0;
    }
  }

  /** The register with this packed encoding, if the model has it. */
  find(packed: number): SystemRegister | undefined {
    const register = registerByPacked(packed, this.model.features);
    return register && this.has(register) ? register : undefined;
  }

  /** Whether the model has a register. */
  has({ index }: SystemRegister): boolean {
    return this.present[index] !== 0;
  }

  /** Stores a value as a plain register does: `(value & mask) | ones`. */
  store(block: StateBlock, register: SystemRegister, lo: number, hi: number): void {
    const i = register.index * 2;
    const { masks, ones } = this;
    setPair(block, register.offset, lo & masks[i] | ones[i], hi & masks[i + 1] | ones[i + 1]);
  }

  /** The same from a BigInt, for set-up and exits. */
  storeLong(block: StateBlock, register: SystemRegister, value: bigint): void {
    this.store(block, register, Number(value & 0xffff_ffffn), Number(value >> 32n & 0xffff_ffffn));
  }

  /** Puts every slot to its reset value. */
  reset(block: StateBlock, values: ResetValues): void {
    for (const register of registers) setLong(block, register.offset, this.resetValue(register, values));
  }

  /** The reset value of a register. */
  resetValue(register: SystemRegister, values: ResetValues): bigint {
    switch (register.name) {
      case "MPIDR_EL1":
      case "VMPIDR_EL2":
        return values.mpidr | MPIDR_ONES;
      case "CNTFRQ_EL0":
        return BigInt(values.counterFrequencyHz);
    }
    const reset = register.reset === "model" ? this.model.registers[register.name] ?? 0n : register.reset ?? 0n;
    return reset | getLong({ words: this.ones, base: register.index * 2 }, 0);
  }
}

/** What a write changes and what always reads as one, with these features. */
export function writableBits(register: SystemRegister, features: ReadonlySet<Feature>): { readonly mask: bigint; readonly ones: bigint } {
  let mask = register.mask ?? 2n ** 64n - 1n;
  let ones = register.ones ?? 0n;
  for (const [feature, bits] of Object.entries(register.featureMask ?? {})) {
    if (!features.has(feature as Feature)) continue;
    mask = bits;
    ones &= ~bits;
  }
  for (const [feature, bits] of Object.entries(register.featureBits ?? {})) {
    if (!features.has(feature as Feature)) continue;
    mask |= bits;
    ones &= ~bits;
  }
  return { mask, ones };
}
