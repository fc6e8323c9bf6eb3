/** Registers of a vCPU by name, as people say them. */
import type { VcpuState } from "./cpu_engine.ts";

const NUMBERED = /^([XV])([0-9]|[12][0-9]|3[01])$/i;

/** `X0` to `X30`, `V0` to `V31`, `PC`, `SP` (the guest's), `PSTATE`, or a system register such as `TTBR1_EL1`. Throws for a name that is none. */
export function readRegister(state: VcpuState, name: string): bigint {
  const [, file, number] = NUMBERED.exec(name) ?? [];
  if (file !== undefined) return file.toUpperCase() === "X" ? state.x(Number(number)) : state.v(Number(number));
  switch (name.toUpperCase()) {
    case "PC":
      return state.pc;
    case "SP":
      return state.guestSp;
    case "PSTATE":
      return state.pstate;
  }
  return state.read(name);
}

/** The counterpart of {@linkcode readRegister}: no traps, no rights. Throws for a name that is none. */
export function writeRegister(state: VcpuState, name: string, value: bigint): void {
  const [, file, number] = NUMBERED.exec(name) ?? [];
  if (file !== undefined) return file.toUpperCase() === "X" ? state.setX(Number(number), value) : state.setV(Number(number), value);
  switch (name.toUpperCase()) {
    case "PC":
      state.pc = value;
      return;
    case "SP":
      state.guestSp = value;
      return;
    case "PSTATE":
      state.pstate = value;
      return;
  }
  state.write(name, value);
}
