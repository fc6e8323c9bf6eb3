/**
 * The host bridge: where configuration space, memory and I/O windows lead. All functions are on bus 0.
 *
 * BARs move as the guest programs them, so the bridge claims its windows whole and looks the function up at each access.
 * Where BARs overlap, the function with the lowest device and function number answers. What nobody answers reads as all ones.
 */
import type { Domain, InterruptLine, MmioHandler } from "../../core/mod.ts";
import type { MessageInterrupts } from "../gic/contract.ts";
import type { PciBus, PciFunction, PciFunctionSpec, PciSlot } from "./contract.ts";
import { FunctionModel } from "./function.ts";
import type { FunctionState } from "./function.ts";
import { Command, ECAM_FUNCTION_SIZE } from "./registers.ts";

/** Inputs of the interrupt controller that INTA# to INTD# of the devices share. */
export const INTX_LINES = 4;
const DEVICES = 32;

/** State, plain data: functions by requester ID. */
export interface PciState {
  readonly functions: Record<number, FunctionState>;
}

/** The parts of the machine that the bridge touches. */
export interface HostParts {
  readonly domain: Domain;
  readonly lines: readonly InterruptLine[];
  /** Looked up late: whoever provides them may attach after the bridge. */
  messages(): MessageInterrupts | undefined;
  trace(kind: string, detail: () => string): void;
}

/** The bridge and its bus. */
export class HostBridge implements PciBus {
  /** In order of requester IDs. */
  #functions: FunctionModel[] = [];
  readonly #names = new Map<number, string>();

  constructor(private readonly state: PciState, private readonly parts: HostParts) {}

  plug(spec: PciFunctionSpec, slot: PciSlot = this.#freeSlot(spec.name)): PciFunction {
    const id = slot.device << 3 | slot.function;
    const other = this.#names.get(id);
    if (other !== undefined) throw new Error(`PCI slot ${slot.device}.${slot.function}: ${spec.name} wants it, ${other} has it`);
    const model = new FunctionModel(spec, id, this.state.functions[id], {
      message: (requester, address, data) => this.#message(requester, address, data),
      intxChanged: () => this.#driveIntx(slot.device),
    });
    this.state.functions[id] = model.state;
    this.#names.set(id, spec.name);
    this.#functions.push(model);
    this.#functions.sort((a, b) => a.requesterId - b.requesterId);
    const siblings = this.#functions.filter(({ requesterId }) => requesterId >>> 3 === slot.device);
    // Without a function 0 nobody looks for the others: PCI Local Bus Specification 3.0, "Device Identification".
    if (siblings.length > 1) { for (const sibling of siblings) sibling.setMultiFunction(); }
    return this.#handle(model);
  }

  /** ECAM: bus, device, function and register are bits of the address. */
  ecam(): MmioHandler {
    const at = (offset: number) => this.#byId(Math.floor(offset / ECAM_FUNCTION_SIZE));
    return {
      read(offset, size) {
        const found = at(offset);
        const register = offset % ECAM_FUNCTION_SIZE;
        if (found === undefined) return ones(size);
        if (size <= 4) return found.readConfig(register, size);
        return BigInt(found.readConfig(register, 4)) | BigInt(found.readConfig(register + 4, 4)) << 32n;
      },
      write(offset, size, value) {
        const found = at(offset);
        const register = offset % ECAM_FUNCTION_SIZE;
        found?.writeConfig(register, Math.min(size, 4), Number(value & 0xffff_ffffn));
        if (size === 8) found?.writeConfig(register + 4, 4, Number(value >> 32n));
      },
    };
  }

  /** A window into memory or I/O space; its first byte has this address there. */
  window(space: "memory" | "io", base: number): MmioHandler {
    const io = space === "io";
    const find = (offset: number, size: number) => {
      for (const model of this.#functions) {
        const found = model.find(io, base + offset, size);
        if (found !== undefined) return found;
      }
    };
    return {
      read(offset, size, vcpu) {
        const found = find(offset, size);
        return found ? found.handler.read(found.offset, size, vcpu) : ones(size);
      },
      write: (offset, size, value, vcpu) => {
        const found = find(offset, size);
        found?.handler.write(found.offset, size, value, vcpu);
      },
    };
  }

  #byId(id: number): FunctionModel | undefined {
    return this.#functions.find(({ requesterId }) => requesterId === id);
  }

  #freeSlot(name: string): PciSlot {
    for (let device = 1; device < DEVICES; device++) {
      if (!this.#functions.some(({ requesterId }) => requesterId >>> 3 === device)) return { device, function: 0 };
    }
    throw new Error(`no free PCI device for ${name}`);
  }

  /** INTA# of device n goes to input n modulo 4: the swizzle that the interrupt-map spells out. */
  #driveIntx(device: number): void {
    const input = device % INTX_LINES;
    this.parts.lines[input].set(this.#functions.some((model) => (model.requesterId >>> 3) % INTX_LINES === input && model.intx));
  }

  #message(requester: number, address: number, data: number): void {
    const { parts } = this;
    const doorbell = parts.messages();
    if (doorbell && address >= doorbell.at && address < doorbell.at + doorbell.size) doorbell.write(requester, address, data);
    else if (inRam(parts.domain, address, 4)) parts.domain.writeMemory(address, new Uint8Array(Uint32Array.of(data).buffer));
    else parts.trace("lost PCI message", () => `from ${this.#names.get(requester)} to 0x${address.toString(16)}`);
  }

  #handle(model: FunctionModel): PciFunction {
    const { domain } = this.parts;
    const reaches = (ipa: number, size: number) => (model.command & Command.MASTER) !== 0 && inRam(domain, ipa, size);
    return {
      requesterId: model.requesterId,
      get signalling() {
        return model.state.signalling;
      },
      setLevel: (level, vector = 0) => model.setLevel(level, vector),
      signal: (vector) => model.signal(vector),
      read: (ipa, size) => reaches(ipa, size) ? domain.readMemory(ipa, size) : undefined,
      write(ipa, bytes) {
        const allowed = reaches(ipa, bytes.length);
        if (allowed) domain.writeMemory(ipa, bytes);
        return allowed;
      },
    };
  }
}

function inRam(domain: Domain, ipa: number, size: number): boolean {
  return Number.isSafeInteger(ipa) && domain.ram.some((range) => ipa >= range.at && ipa + size <= range.at + range.size);
}

function ones(size: number): bigint {
  return (1n << BigInt(8 * size)) - 1n;
}
