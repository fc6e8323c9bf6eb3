/** Steps of a probe that reach everything: all registers of all devices, all system registers, all calls; and patterns to fill them with and to look for. */
import { assert, assertEquals } from "@std/assert";
import type { Domain, Machine } from "../../mod.ts";
import { Probe, PROBE_FREE } from "./probe_guest.ts";

/** Registers of all devices but flash and the watchdog, which would end the domain. */
export const WINDOWS: readonly (readonly [at: number, size: number])[] = [
  [0x0800_0000, 0x1_0000],
  [0x0808_0000, 0x2_0000],
  [0x080a_0000, 0x4_0000],
  [0x0900_0000, 0x1000],
  [0x0901_0000, 0x1000],
  [0x0902_0000, 0x1000],
  [0x0903_0000, 0x1000],
  [0x090b_0000, 0x1000],
  [0x0a00_0000, 0x1000],
  [0x3f00_0000, 0x1_0000],
];
export const ENCODINGS = 0x8000;
export const mrs = (packed: number, rt = 0) => (0xd530_0000 | packed << 5 | rt) >>> 0;
export const msr = (packed: number, rt = 0) => (0xd510_0000 | packed << 5 | rt) >>> 0;
/** op0, op1, CRn, CRm, op2 as MRS and MSR have them. */
export const packed = (op0: number, op1: number, crn: number, crm: number, op2: number) =>
  (op0 & 1) << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
/** MOVZ and MOVK of 32 bits. */
export const constant = (
  rd: number,
  value: number,
) => [(0xd280_0000 | (value & 0xffff) << 5 | rd) >>> 0, (0xf2a0_0000 | (value >>> 16) << 5 | rd) >>> 0];

/** Writes to these would take the guest from its steps: VBAR_EL1, SCTLR_EL1, SPSel, DAIF. */
const KEPT = new Set([packed(3, 0, 12, 0, 0), packed(3, 0, 1, 0, 0), packed(3, 0, 4, 2, 0), packed(3, 3, 4, 2, 1)]);

/** str w0, [x1]; add x1, x1, #4; cmp x1, x2; b.lo: an access that faults is skipped. */
export const store = (
  at: number,
  size: number,
) => [...constant(1, at), ...constant(2, at + size), 0xb900_0020, 0x9100_1021, 0xeb02_003f, 0x54ff_ffa3];
/** mov w3, #0; ldr w3, [x1]; str w3, [x4], #4; and on. */
export const load = (at: number, size: number, to: number) => [
  ...constant(1, at),
  ...constant(2, at + size),
  ...constant(4, to),
  0x5280_0003,
  0xb940_0023,
  0xb800_4483,
  0x9100_1021,
  0xeb02_003f,
  0x54ff_ff63,
];

/** Fills everything that it can reach with its pattern. */
export function taint(machine: Machine, domain: Domain, secret: number): void {
  const word = BigInt(secret) * 0x0101_0101_0101_0101n;
  const probe = new Probe();
  probe.fill(PROBE_FREE, domain.ram[0].at + domain.ram[0].size, word);
  // dup vN.2d, x0; mov xN, x0.
  const vectors = Array.from({ length: 32 }, (_, n) => 0x4e08_0c00 | n);
  const general = [...Array(18).keys(), 27, 28, 29].map((n) => 0xaa00_03e0 | n);
  probe.run([...vectors, ...general].map((code) => code >>> 0), word);
  for (const [at, size] of WINDOWS) probe.run(store(at, size), word);
  // Buffers of a virtio queue at the pattern's place, before the registers: then nothing can be relied on.
  const writes = Array.from({ length: ENCODINGS }, (_, n) => n).filter((n) => !KEPT.has(n)).map((n) => msr(n));
  probe.run(writes, word);
  probe.restart(domain);
  probe.finish(machine, domain);
  // The rest of its memory, its program as well.
  const { at, size } = domain.ram[0];
  domain.writeMemory(at, new Uint8Array(size).fill(secret));
  for (const vcpu of domain.vcpus) {
    for (let n = 0; n < 31; n++) vcpu.state.setX(n, word);
    for (let n = 0; n < 32; n++) vcpu.state.setV(n, word << 64n | word);
  }
}

/** Eight equal bytes in a row, or four where registers of 32 bits are. */
export function traceOf(secret: number, bytes: Uint8Array, count: number): number {
  const needle = new Uint8Array(count).fill(secret);
  for (let at = bytes.indexOf(secret); at >= 0; at = bytes.indexOf(secret, at + 1)) {
    if (needle.every((byte, n) => bytes[at + n] === byte)) return at;
  }
  return -1;
}

export const PSCI_VERSION = 0x8400_0000, SMCCC_VERSION = 0x8000_0000;
/** Of PSCI: CPU_SUSPEND and its kin, CPU_OFF, and the end of the system. */
const NO_RETURN = [1, 2, 8, 9, 0xc, 0xe, 0x12];

/** Reads all that it can reach, from the state in which it finds it. */
export function look(machine: Machine, domain: Domain, secret: number, where: string, windows = WINDOWS): void {
  const { at, size } = domain.ram[0];
  const none = (bytes: Uint8Array, count: number, what: string) => {
    const found = traceOf(secret, bytes, count);
    assertEquals(found, -1, `${where}: ${what}, at ${found.toString(16)}`);
  };
  none(domain.readMemory(at, size), 4, "memory that a domain gets");
  for (const vcpu of domain.vcpus) none(vcpu.state.save(), 4, `registers of vCPU ${vcpu.index}`);
  const probe = new Probe();
  let to = PROBE_FREE;
  for (const [from, length] of windows) {
    probe.run(load(from, length, to));
    to += length;
  }
  // mov x0, #0; mrs; str x0, [x1], #8.
  probe.run([...constant(1, to), ...Array.from({ length: ENCODINGS }, (_, n) => [0xd280_0000, mrs(n), 0xf800_8420]).flat()]);
  to += 8 * ENCODINGS;
  assert(to < at + size);
  const calls: number[] = [];
  for (let n = 0; n < 0x20; n++) {
    if (!NO_RETURN.includes(n)) calls.push(probe.call(PSCI_VERSION + n, 0x7f, 0x7f, 0x7f), probe.call(0xc400_0000 + n, 0x7f, 0x7f, 0x7f));
  }
  for (let n = 0; n < 0x20; n++) calls.push(probe.call(SMCCC_VERSION + n, 0x7f, 0x7f, 0x7f), probe.call(0xc500_0020 + n, 0x7f));
  probe.restart(domain);
  probe.finish(machine, domain, 10e9);
  none(domain.readMemory(at, size), 4, "what registers and calls give");
  // Calls change X0 to X3 at most, and what they change comes from nowhere else.
  for (const step of calls) {
    const x = probe.registers(domain, step);
    for (let n = 4; n < 18; n++) assertEquals(x[n], 0x1111_0000n + BigInt(n), `${where}: x${n} of call ${step}`);
  }
}
