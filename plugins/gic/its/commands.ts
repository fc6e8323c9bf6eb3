/**
 * What the ITS's commands do. Arm IHI 0069, "ITS commands": 32 bytes each, the opcode in the first. A command that is wrong is ignored (the
 * ITS doesn't stall), and so says the trace.
 */
import type { LpiTargets } from "../contract.ts";
import { FIRST_LPI } from "../vgic/lpi_state.ts";
import { ID_BITS, INVALID } from "./tables.ts";
import type { Device, Fault, Route, Tables } from "./tables.ts";

/** Bytes of a command. */
export const COMMAND_SIZE = 32;

/** Work, in units of about 100 ns of the host's time, that a command stands for. */
const COST = { plain: 40, invalidateAll: 500, moveAll: 40, lpi: 1 };

/** A command's fields, wherever commands have them. */
interface Fields {
  readonly deviceId: number;
  readonly eventId: number;
  readonly intid: number;
  readonly collection: number;
  readonly valid: boolean;
  /** RDbase: a processor number, because GITS_TYPER.PTA is zero; of MOVALL the first. */
  readonly target: number;
  readonly secondTarget: number;
  /** MAPD: the translation table, and bits of EventID less one. */
  readonly tableLow: number;
  readonly tableHigh: number;
  readonly bits: number;
}

/** What an opcode does: nothing came of it when it returns a fault; a number is work besides the plain. */
type Action = (its: Commands, fields: Fields) => Fault | number | undefined;

/** An event that is mapped all the way. */
interface Translation extends Route {
  readonly device: Device;
  readonly target: number;
}

const NAMES: Readonly<Record<number, readonly [name: string, action: Action]>> = {
  0x01: ["MOVI", (its, command) => its.moveEvent(command)],
  0x03: ["INT", (its, command) => its.translated(command, ({ target, intid }) => its.targets.pend(target, intid))],
  0x04: ["CLEAR", (its, command) => its.translated(command, ({ target, intid }) => its.targets.clear(target, intid))],
  0x05: ["SYNC", (its, { target }) => its.hasTarget(target) ? undefined : "PROCNUM_OOR"],
  0x08: ["MAPD", (its, command) => its.mapDevice(command)],
  0x09: ["MAPC", (its, { collection, valid, target }) => its.tables.setTarget(collection, valid ? target : undefined)],
  0x0a: ["MAPTI", (its, command) => its.mapEvent(command, command.intid)],
  0x0b: ["MAPI", (its, command) => its.mapEvent(command, command.eventId)],
  0x0c: ["INV", (its, command) => its.translated(command, ({ target, intid }) => its.targets.invalidate(target, intid))],
  0x0d: ["INVALL", (its, { collection }) => its.invalidateAll(collection)],
  0x0e: ["MOVALL", (its, command) => its.moveAll(command)],
  0x0f: ["DISCARD", (its, command) => its.discard(command)],
};

/** Executes commands. */
export class Commands {
  constructor(
    readonly tables: Tables,
    readonly targets: LpiTargets,
    private readonly trace: (kind: string, detail: () => string) => void,
  ) {}

  /** Executes one. Returns what it cost. */
  execute(bytes: DataView): number {
    const opcode = bytes.getUint8(0);
    const known = NAMES[opcode];
    const fields = decode(bytes);
    const result = known === undefined ? "UNKNOWN_COMMAND" : known[1](this, fields);
    if (typeof result === "string") {
      this.trace("ITS command", () => `${known?.[0] ?? opcode}_${result}: ignored; DeviceID ${fields.deviceId}, EventID ${fields.eventId}`);
    }
    return COST.plain + (typeof result === "number" ? result : 0);
  }

  /** A message from a device. */
  message(deviceId: number, eventId: number): void {
    const found = this.#translate(deviceId, eventId);
    if (typeof found !== "string") return this.targets.pend(found.target, found.intid);
    this.trace("ITS message", () => `${found}: dropped; DeviceID ${deviceId}, EventID ${eventId}`);
  }

  /** Does something with an event that is mapped. */
  translated({ deviceId, eventId }: Fields, action: (event: Translation) => void): Fault | undefined {
    const found = this.#translate(deviceId, eventId);
    if (typeof found === "string") return found;
    action(found);
  }

  /** Whether there is such a redistributor. */
  hasTarget(target: number): boolean {
    return target < this.targets.vcpus;
  }

  mapDevice({ deviceId, valid, tableLow, tableHigh, bits }: Fields): Fault | undefined {
    if (!valid) return this.tables.setDevice(deviceId, INVALID);
    if (bits >= ID_BITS) return "ITTSIZE_OOR";
    return this.tables.setDevice(deviceId, [(tableLow & 0xffff_ff00 | bits) >>> 0, (0x8000_0000 | tableHigh & 0xf_ffff) >>> 0]);
  }

  mapEvent({ deviceId, eventId, collection }: Fields, intid: number): Fault | undefined {
    const device = this.tables.device(deviceId);
    if (typeof device === "string") return device;
    if (eventId >= device.events) return "ID_OOR";
    if (intid < FIRST_LPI || intid >= 2 ** ID_BITS) return "PHYSICALID_OOR";
    // The collection may be mapped later.
    if (!this.tables.hasCollection(collection)) return "COLLECTION_OOR";
    const fault = this.tables.setRoute(device, eventId, { intid, collection });
    if (fault !== undefined) return fault;
    const target = this.tables.target(collection);
    if (typeof target === "number") this.targets.invalidate(target, intid);
  }

  moveEvent({ deviceId, eventId, collection }: Fields): Fault | undefined {
    const found = this.#translate(deviceId, eventId);
    if (typeof found === "string") return found;
    const target = this.tables.target(collection);
    if (typeof target === "string") return target;
    const fault = this.tables.setRoute(found.device, eventId, { intid: found.intid, collection });
    if (fault !== undefined) return fault;
    this.targets.move(found.target, target, found.intid);
    this.targets.invalidate(target, found.intid);
  }

  discard({ deviceId, eventId }: Fields): Fault | undefined {
    const found = this.#event(deviceId, eventId);
    if (typeof found === "string") return found;
    const target = this.tables.target(found.collection);
    if (typeof target === "number") this.targets.clear(target, found.intid);
    return this.tables.setRoute(found.device, eventId, undefined);
  }

  invalidateAll(collection: number): Fault | number {
    const target = this.tables.target(collection);
    if (typeof target === "string") return target;
    return COST.invalidateAll + COST.lpi * this.targets.invalidateAll(target);
  }

  moveAll({ target, secondTarget }: Fields): Fault | number {
    if (!this.hasTarget(target) || !this.hasTarget(secondTarget)) return "PROCNUM_OOR";
    return COST.moveAll + COST.lpi * this.targets.moveAll(target, secondTarget);
  }

  #event(deviceId: number, eventId: number): Fault | Route & { readonly device: Device } {
    const device = this.tables.device(deviceId);
    if (typeof device === "string") return device;
    const route = this.tables.route(device, eventId);
    return typeof route === "string" ? route : { ...route, device };
  }

  #translate(deviceId: number, eventId: number): Fault | Translation {
    const found = this.#event(deviceId, eventId);
    if (typeof found === "string") return found;
    const target = this.tables.target(found.collection);
    return typeof target === "string" ? target : { ...found, target };
  }
}

function decode(bytes: DataView): Fields {
  const word = (n: number) => bytes.getUint32(4 * n, true);
  return {
    deviceId: word(1),
    eventId: word(2),
    intid: word(3),
    collection: word(4) & 0xffff,
    valid: word(5) >>> 31 !== 0,
    target: processor(word(4), word(5)),
    secondTarget: processor(word(6), word(7)),
    tableLow: word(4),
    tableHigh: word(5),
    bits: word(2) & 31,
  };
}

/** RDbase: bits 50 to 16. */
function processor(low: number, high: number): number {
  return (high & 0x7_ffff) * 0x1_0000 + (low >>> 16);
}
