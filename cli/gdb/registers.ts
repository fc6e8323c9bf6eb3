/** The registers of a vCPU as GDB numbers them: what a target description declares, read and written. */
import type { Debugger, Vcpu } from "../../core/mod.ts";

/** A register. */
export interface Register {
  readonly name: string;
  readonly bits: 32 | 64 | 128;
  /** Which feature of the description declares it. */
  readonly feature: "core" | "fpu" | "system";
  /** A type of GDB's; without one a plain number. */
  readonly type?: string;
  read(vcpu: Vcpu): bigint;
  /** Throws a `RangeError` for what it can't be. */
  write(machine: Debugger, vcpu: Vcpu, value: bigint): void;
}

const MODES = 0x1fn, EL2 = 2n;
/** EL0t, EL1t and EL1h in PSTATE.M: what a guest can be in. */
const GUEST_MODES = [0n, 4n, 5n];

/** All of them, in GDB's order. */
export function registersOf(machine: Debugger): readonly Register[] {
  const core: Register[] = Array.from({ length: 31 }, (_, n) => ({
    name: `x${n}`,
    bits: 64,
    feature: "core",
    read: ({ state }) => state.x(n),
    write: (machine, vcpu, value) => machine.writeRegister(vcpu, `X${n}`, value),
  }));
  core.push(
    {
      name: "sp",
      bits: 64,
      feature: "core",
      type: "data_ptr",
      read: ({ state }) => state.guestSp,
      write: (machine, vcpu, value) => machine.writeRegister(vcpu, "SP", value),
    },
    {
      name: "pc",
      bits: 64,
      feature: "core",
      type: "code_ptr",
      read: ({ state }) => state.pc,
      write: (machine, vcpu, value) => machine.writeRegister(vcpu, "PC", value),
    },
    {
      name: "cpsr",
      bits: 32,
      feature: "core",
      type: "cpsr_flags",
      read: pstateOf,
      write: setPstate,
    },
  );
  const fpu: Register[] = Array.from({ length: 32 }, (_, n) => ({
    name: `v${n}`,
    bits: 128,
    feature: "fpu",
    type: "aarch64v",
    read: ({ state }) => state.v(n),
    write: (machine, vcpu, value) => machine.writeRegister(vcpu, `V${n}`, value),
  }));
  for (const name of ["FPSR", "FPCR"]) {
    fpu.push({
      name: name.toLowerCase(),
      bits: 32,
      feature: "fpu",
      read: ({ state }) => state.read(name),
      write: (machine, vcpu, value) => machine.writeRegister(vcpu, name, value),
    });
  }
  const system = machine.systemRegisters.map(({ name, isWritable }): Register => ({
    name,
    bits: 64,
    feature: "system",
    read: ({ state }) => state.read(name),
    write(machine, vcpu, value) {
      if (!isWritable) throw new RangeError(`${name} is the hypervisor's`);
      machine.writeRegister(vcpu, name, value);
    },
  }));
  return [...core, ...fpu, ...system];
}

/** While EL2 handles an exception, what it interrupted. */
function pstateOf({ state }: Vcpu): bigint {
  return isAtEl2(state.pstate) ? state.read("SPSR_EL2") : state.pstate;
}

function setPstate(machine: Debugger, vcpu: Vcpu, value: bigint): void {
  if (!GUEST_MODES.includes(value & MODES)) throw new RangeError("PSTATE.M: want EL0t, EL1t or EL1h");
  machine.writeRegister(vcpu, isAtEl2(vcpu.state.pstate) ? "SPSR_EL2" : "PSTATE", value);
}

function isAtEl2(pstate: bigint): boolean {
  return (pstate >> 2n & 3n) === EL2;
}

/** A value as GDB wants it: bytes in the target's order, in hexadecimal. */
export function registerText(value: bigint, bits: number): string {
  const digits = BigInt.asUintN(bits, value).toString(16).padStart(bits / 4, "0");
  return (digits.match(/../g) ?? []).reverse().join("");
}

/** The counterpart of {@linkcode registerText}; `undefined` for anything else. */
export function registerValue(text: string, bits: number): bigint | undefined {
  if (text.length !== bits / 4 || !/^[0-9a-f]+$/i.test(text)) return undefined;
  return BigInt(`0x${(text.match(/../g) ?? []).reverse().join("")}`);
}
