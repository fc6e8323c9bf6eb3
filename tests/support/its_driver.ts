/** What a driver of an ITS does, on a bench: tables in guest memory, commands through the queue. Flat tables, 64 KiB pages. */
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { gicv3, its } from "../../plugins/gic/mod.ts";
import { MessageInterrupts } from "../../plugins/gic/contract.ts";

export const GICR = 0x080a_0000;
export const GITS = 0x0808_0000;
export const RAM = 0x4000_0000;
export const RAM_SIZE = 0x40_0000;
export const QUEUE = RAM;
export const QUEUE_SIZE = 0x1_0000;
export const DEVICE_TABLE = RAM + 0x1_0000;
export const COLLECTION_TABLE = RAM + 0x2_0000;
export const PROPERTIES = RAM + 0x3_0000;
/** Pending tables, 64 KiB for each vCPU. */
export const PENDING = RAM + 0x10_0000;
/** Translation tables, 64 KiB apart. */
export const ITTS = RAM + 0x20_0000;
export const FIRST_LPI = 8192;
export const gicr = (v: number): number => GICR + v * 0x2_0000;

const VALID = 1n << 63n;
const TABLE_64K = VALID | 2n << 8n;

/** Fields of a command; those that it doesn't have are ignored. */
export interface Command {
  readonly opcode: number;
  readonly device?: number;
  readonly event?: number;
  readonly intid?: number;
  readonly collection?: number;
  readonly target?: number;
  readonly second?: number;
  readonly valid?: boolean;
  readonly table?: number;
  readonly bits?: number;
}

/** Opcodes. */
export const Op = {
  MOVI: 0x01,
  INT: 0x03,
  CLEAR: 0x04,
  SYNC: 0x05,
  MAPD: 0x08,
  MAPC: 0x09,
  MAPTI: 0x0a,
  MAPI: 0x0b,
  INV: 0x0c,
  INVALL: 0x0d,
  MOVALL: 0x0e,
  DISCARD: 0x0f,
} as const;

/** Encodes a command. Arm IHI 0069, "ITS commands". */
export function encode(command: Command): Uint8Array {
  const { opcode, device = 0, event = 0, intid = 0, collection = 0, target = 0, second = 0, valid = true, table = 0, bits = 0 } = command;
  const view = new DataView(new ArrayBuffer(32));
  view.setBigUint64(0, BigInt(opcode) | BigInt(device) << 32n, true);
  view.setBigUint64(8, opcode === Op.MAPD ? BigInt(bits - 1) : BigInt(event) | BigInt(intid) << 32n, true);
  const flags = valid && (opcode === Op.MAPD || opcode === Op.MAPC) ? VALID : 0n;
  const body = opcode === Op.MAPD ? BigInt(table) : BigInt(collection) | BigInt(target) << 16n;
  view.setBigUint64(16, flags | body, true);
  view.setBigUint64(24, BigInt(second) << 16n, true);
  return new Uint8Array(view.buffer);
}

/** A bench with a GICv3 and an ITS whose driver has set everything up; nothing is mapped yet. */
export class ItsDriver {
  /** Where the next command goes. */
  write = 0;
  /** Traces of the ITS and of LPIs so far. */
  readonly kit: Bench;

  private constructor(readonly vcpus: number) {
    this.kit = bench({ vcpus, interrupts: false, memory: { at: RAM, size: RAM_SIZE } });
  }

  /** Attached; with `enabled` the guest has programmed it as well. */
  static async start(vcpus = 3, enabled = true): Promise<ItsDriver> {
    const driver = new ItsDriver(vcpus);
    const { kit } = driver;
    kit.domain.vcpus.forEach(({ state }) => state.write("ICH_VTR_EL2", 0x9000_0003n));
    await kit.attach(gicv3, { distributor: 0x0800_0000, redistributors: GICR, spis: 64 });
    await kit.attach(its, { at: GITS });
    kit.domain.vcpus.forEach((vcpu) => vcpu.start(0x4000_0000n, 0n));
    if (enabled) driver.enable();
    return driver;
  }

  enable(): void {
    const { kit } = this;
    kit.write32(0x0800_0000, 3);
    for (let v = 0; v < this.vcpus; v++) {
      kit.write64(gicr(v) + 0x70, BigInt(PROPERTIES) | 15n);
      kit.write64(gicr(v) + 0x78, BigInt(PENDING + v * 0x1_0000));
      kit.write32(gicr(v), 1);
    }
    kit.write64(GITS + 0x100, TABLE_64K | BigInt(DEVICE_TABLE));
    kit.write64(GITS + 0x108, TABLE_64K | BigInt(COLLECTION_TABLE));
    kit.write64(GITS + 0x80, VALID | BigInt(QUEUE) | BigInt(QUEUE_SIZE / 0x1000 - 1));
    kit.write32(GITS, 1);
  }

  /** Queues commands and lets time pass until they are done. */
  send(...commands: Command[]): void {
    for (const command of commands) {
      this.kit.domain.writeMemory(QUEUE + this.write, encode(command));
      this.write = (this.write + 32) % QUEUE_SIZE;
    }
    this.kit.write64(GITS + 0x88, BigInt(this.write));
    this.settle();
  }

  /** Until GITS_CREADR has reached GITS_CWRITER. Fails when it doesn't in a second. */
  settle(): void {
    for (let n = 0; this.kit.read64(GITS + 0x90) !== this.kit.read64(GITS + 0x88); n++) {
      if (n > 10_000) throw new Error(`GITS_CREADR stays at ${this.kit.read64(GITS + 0x90)}`);
      this.kit.advance(100_000);
    }
  }

  /** Sets a byte of the configuration table, and nothing else. */
  configure(intid: number, value: number): void {
    this.kit.domain.writeMemory(PROPERTIES + intid - FIRST_LPI, Uint8Array.of(value));
  }

  /** A device's message. */
  message(device: number, event: number): void {
    this.kit.get(MessageInterrupts).write(device, GITS + 0x1_0040, event);
  }

  /** What the list registers of a vCPU show as pending. */
  listed(v: number): number[] {
    const values = [0, 1, 2, 3].map((n) => this.kit.state(v).read(`ICH_LR${n}_EL2`));
    return values.filter((value) => value >> 62n === 1n).map((value) => Number(value & 0xffff_ffffn));
  }

  /** Its traces. */
  get faults(): string[] {
    return this.kit.traced.filter((line) => /^(ITS|LPI)/.test(line)).map((line) => line.replace(/^.*\/its: /, ""));
  }
}
