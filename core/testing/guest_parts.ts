/** Memory and vCPUs of a guest under test. */
import { readRegister, writeRegister } from "../arch/register_names.ts";
import type { Domain, Vcpu } from "../machine/domain.ts";
import type { Machine } from "../machine/machine.ts";

/** What they need of the guest. */
export interface PartsOwner {
  readonly machine: Machine;
}

/** Guest RAM by the guest's physical addresses. */
export class GuestMemory {
  readonly #owner: PartsOwner;
  readonly #domain: () => Domain;

  /** Made by `Guest.memory`. */
  constructor(owner: PartsOwner, domain: () => Domain) {
    this.#owner = owner;
    this.#domain = domain;
  }

  /** Copies bytes out. Throws a `RangeError` outside RAM. */
  read(ipa: number, size: number): Uint8Array {
    return this.#domain().readMemory(ipa, size);
  }

  /** A little-endian number of so many bytes, 4 when absent. Throws a `RangeError` outside RAM. */
  readNumber(ipa: number, size: 1 | 2 | 4 | 8 = 4): bigint {
    return this.read(ipa, size).reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
  }

  /** Writes; a replay writes it again. Throws a `RangeError` outside RAM. */
  write(ipa: number, bytes: Uint8Array): void {
    const domain = this.#domain();
    domain.writeMemory(ipa, bytes);
    this.#owner.machine.journal.came({ kind: "memory", domain: domain.name, ipa, bytes: bytes.slice() });
  }

  /** The counterpart of {@linkcode readNumber}; the low bytes count. */
  writeNumber(ipa: number, value: bigint | number, size: 1 | 2 | 4 | 8 = 4): void {
    this.write(ipa, Uint8Array.from({ length: size }, (_, n) => Number(BigInt(value) >> BigInt(8 * n) & 0xffn)));
  }
}

/** A vCPU of a guest. */
export class GuestCpu {
  readonly #owner: PartsOwner;
  readonly #vcpu: () => Vcpu;

  /** Made by `Guest.vcpu`. */
  constructor(owner: PartsOwner, vcpu: () => Vcpu) {
    this.#owner = owner;
    this.#vcpu = vcpu;
  }

  /** Within its domain. */
  get index(): number {
    return this.#vcpu().index;
  }

  /** `off`, `runnable`, or `blocked`, which waits for an interrupt. */
  get power(): Vcpu["power"] {
    return this.#vcpu().power;
  }

  /** `X0` to `X30`, `V0` to `V31`, `PC`, `SP`, `PSTATE`, or a system register such as `TTBR1_EL1`. Throws for a name that is none. */
  register(name: string): bigint {
    return readRegister(this.#vcpu().state, name);
  }

  /** The counterpart of {@linkcode register}; a replay writes it again. */
  setRegister(name: string, value: bigint): void {
    const { state, domain, index } = this.#vcpu();
    const low = BigInt.asUintN(128, value);
    writeRegister(state, name, low);
    const input = { kind: "register", domain: domain.name, vcpu: index, register: name, value: `0x${low.toString(16)}` } as const;
    this.#owner.machine.journal.came(input);
  }

  /** Memory as this vCPU's code sees it, by both its stages: as much of it as is RAM, from the first byte on. Not with `parallel: true`. */
  read(va: bigint, size: number): Uint8Array {
    return this.#owner.machine.debugger.readVirtual(this.#vcpu(), va, size);
  }
}
