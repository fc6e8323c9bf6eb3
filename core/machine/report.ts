/** Reports for people: what a vCPU was doing when its domain ended badly. */
import { hex } from "../memory/address.ts";
import type { FaultOrigin } from "../arch/cpu_engine.ts";
import type { Vcpu } from "./domain.ts";
import { describeSyndrome } from "../arch/syndrome.ts";

const word = (value: bigint) => `0x${value.toString(16).padStart(16, "0")}`;

/** What a VA of the guest is called: `panic+0x10`. */
export type Namer = (va: bigint) => string | undefined;

/** A register; `undefined` when the engine doesn't have it. */
export function register(vcpu: Vcpu, name: string): bigint | undefined {
  try {
    return vcpu.state.read(name);
  } catch {
    return undefined;
  }
}

/** PSTATE in SPSR format: `EL1h, DAIF daif, NZCV nZCv`. Capital letters are set bits. */
export function describePstate(pstate: bigint): string {
  const letters = (text: string, from: number) =>
    [...text].map((letter, index) => (pstate >> BigInt(from - index) & 1n) !== 0n ? letter.toUpperCase() : letter.toLowerCase()).join("");
  const level = `EL${pstate >> 2n & 3n}${(pstate & 1n) !== 0n ? "h" : "t"}`;
  return `${level}, ${letters("nzcv", 31)} ${letters("daif", 9)}`;
}

/** The guest's PSTATE: while EL2 handles an exception, that is what it will return to. */
export function guestPstate(vcpu: Vcpu): bigint {
  const { pstate } = vcpu.state;
  return (pstate >> 2n & 3n) === 2n ? register(vcpu, "SPSR_EL2") ?? pstate : pstate;
}

function instructionAt(vcpu: Vcpu, va: bigint): string {
  try {
    return vcpu.state.disassemble(va) ?? "not mapped";
  } catch {
    return "not readable";
  }
}

/** One line: where it is and what it does. */
export function vcpuLine(vcpu: Vcpu, name: Namer = () => undefined): string {
  const { state } = vcpu;
  const waits = vcpu.isHeld ? "held, by a pause or for a device's answer" : "waits for an interrupt";
  const power = vcpu.power === "blocked" ? waits : vcpu.power;
  if (vcpu.power === "off" && state.retired === 0) return `vCPU ${vcpu.index} of ${vcpu.domain.name}: never started`;
  const symbol = name(state.pc);
  const place = `PC ${hex(state.pc)}${symbol === undefined ? "" : ` ${symbol}`} (${instructionAt(vcpu, state.pc)})`;
  return `vCPU ${vcpu.index} of ${vcpu.domain.name}: ${power}, ${place}, ${describePstate(guestPstate(vcpu))}`;
}

/** Several lines: PC, disassembly, syndromes, where the latest exception came from and what it began with, the general registers, and what happened before. */
export function vcpuReport(
  vcpu: Vcpu,
  what: string,
  before: readonly string[] = [],
  origin?: FaultOrigin,
  name: Namer = () => undefined,
): string {
  const { state } = vcpu;
  const place = (va: bigint) => [word(va), name(va), instructionAt(vcpu, va)].filter((text) => text !== undefined).join("  ");
  const lines = [
    `${vcpu.domain.name}, vCPU ${vcpu.index}: ${what}`,
    `  PC      ${place(state.pc)}`,
    `  PSTATE  ${describePstate(guestPstate(vcpu))}, SP ${word(state.sp)}, ${state.retired} instructions retired`,
  ];
  for (const level of ["EL1", "EL2"] as const) {
    const esr = register(vcpu, `ESR_${level}`);
    if (esr === undefined || esr === 0n) continue;
    lines.push(`  ESR_${level} ${describeSyndrome(esr)}`);
    const far = register(vcpu, `FAR_${level}`);
    if (far !== undefined) lines.push(`  FAR_${level} ${word(far)}`);
    const elr = register(vcpu, `ELR_${level}`);
    const from = register(vcpu, `SPSR_${level}`);
    if (level === "EL1" && elr !== undefined) {
      lines.push(`  from    ${place(elr)}${from === undefined ? "" : `, at ${describePstate(from)}`}`);
    }
  }
  if (origin) lines.push(`  began   ${place(origin.pc)}, ESR_EL1 ${describeSyndrome(origin.esr)}`);
  for (let n = 0; n < 31; n += 4) {
    const row = [];
    for (let i = n; i < Math.min(n + 4, 31); i++) row.push(`${`x${i}`.padStart(5)} ${word(state.x(i))}`);
    lines.push(row.join(""));
  }
  if (before.length > 0) lines.push("  before that:", ...before.map((line) => `    ${line}`));
  return lines.join("\n");
}
