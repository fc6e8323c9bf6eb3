/** Memory lines of a Tarmac trace: which bytes an instruction is going to access, and afterwards what it read and wrote. */
import { PAGE_SIZE } from "../../core/mod.ts";
import type { CpuEngine, DataAccess, Machine, Vcpu } from "../../core/mod.ts";

/** What a trace may know of the machine. */
export interface Machinery {
  readonly cpus: CpuEngine;
  readonly memory: Pick<Machine["memory"], "view">;
}

/** An access, before it is made. */
export interface Prepared {
  readonly access: DataAccess;
  /** Absent: it isn't mapped. */
  readonly pa?: number;
  /** What RAM holds; absent for devices. */
  readonly held?: bigint;
}

/** Registers of a vCPU at one time. */
export interface RegistersThen {
  /** X0 to X30, SP. */
  readonly registers: readonly bigint[];
}

/** Prepares the accesses of an instruction from the registers before it. */
export function prepare(machinery: Machinery, vcpu: Vcpu, word: number, pc: bigint, registers: readonly bigint[]): readonly Prepared[] {
  const accesses = machinery.cpus.dataAccesses?.(word, pc, (n) => registers[n]) ?? [];
  return accesses.map((access) => ({ access, pa: paOf(machinery, vcpu, access), held: ramAt(machinery, vcpu, access) }));
}

/** The lines of an instruction that was executed, without their beginning. */
export function memoryLines(
  machinery: Machinery,
  vcpu: Vcpu,
  prepared: readonly Prepared[],
  before: RegistersThen,
  after: RegistersThen,
): string[] {
  const lines: string[] = [];
  for (const { access, pa, held } of prepared) {
    const { kind, size, register, statusRegister, expected } = access;
    const known = (value: bigint | undefined) => value === undefined ? undefined : BigInt.asUintN(size * 8, value);
    const general = ({ registers }: RegistersThen) => register === undefined || register === 31 ? undefined : registers[register];
    if (kind !== "write") lines.push(line("R", access, pa, known(held ?? general(after))));
    if (kind === "read" || expected !== undefined && held !== undefined && held !== expected) continue;
    // A register that isn't 0: the monitor was lost. XZR as the status tells nothing.
    const hasFailed = statusRegister !== undefined && statusRegister !== 31 && after.registers[statusRegister] !== 0n;
    if (hasFailed) continue;
    const stored = held === undefined ? register === 31 ? 0n : general(before) : ramAt(machinery, vcpu, access);
    lines.push(line("W", access, pa, kind === "write" || held !== undefined ? known(stored) : undefined));
  }
  return lines;
}

/** The lines of an instruction that was aborted. */
export function abortedLines(prepared: readonly Prepared[]): string[] {
  return prepared.map(({ access: { kind, size, address } }) => `M${kind === "read" ? "R" : "W"}${size} ${hexAddress(address)} (ABORTED)`);
}

/** A VA as the models print it. */
export const hexAddress = (va: bigint): string => va.toString(16).padStart(va >> 32n === 0n ? 8 : 16, "0");

function paOf({ cpus }: Machinery, vcpu: Vcpu, { address, kind }: DataAccess): number | undefined {
  return cpus.translate?.(vcpu.state, address, kind !== "read")?.pa;
}

/** The bytes of an access as a number; absent when one of them isn't RAM. */
function ramAt(machinery: Machinery, vcpu: Vcpu, access: DataAccess): bigint | undefined {
  const { address, size } = access;
  const first = Math.min(size, PAGE_SIZE - Number(address % BigInt(PAGE_SIZE)));
  if (first < size) {
    const low = ramAt(machinery, vcpu, { ...access, size: first });
    const high = ramAt(machinery, vcpu, { ...access, address: address + BigInt(first), size: size - first });
    return low === undefined || high === undefined ? undefined : high << BigInt(first * 8) | low;
  }
  const pa = paOf(machinery, vcpu, access);
  if (pa === undefined) return undefined;
  try {
    return machinery.memory.view(pa, size).reduceRight((value, byte) => value << 8n | BigInt(byte), 0n);
  } catch {
    return undefined; // It isn't RAM.
  }
}

function line(direction: string, { address, size, statusRegister }: DataAccess, pa: number | undefined, data: bigint | undefined): string {
  const place = pa === undefined ? hexAddress(address) : `${hexAddress(address)}:${pa.toString(16).padStart(12, "0")}_NS`;
  return `M${direction}${size}${statusRegister === undefined ? "" : "X"} ${place} ${digits(data, size)}`;
}

/** The value as a number, in groups of 32 bits; two words for 16 bytes. */
function digits(data: bigint | undefined, size: number): string {
  const text = data === undefined ? "x".repeat(size * 2) : data.toString(16).padStart(size * 2, "0");
  if (size < 8) return text;
  const halves = text.match(/.{16}/g)!;
  return size === 8 ? `${text.slice(0, 8)}_${text.slice(8)}` : halves.join(" ");
}
