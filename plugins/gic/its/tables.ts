/**
 * The ITS's tables, in memory that the guest gave. Arm IHI 0069, "The ITS tables": their format is ours. The guest can write to them, so
 * every entry is looked at anew on each use, and nothing in it is believed: numbers are compared with their limits, addresses with the
 * guest's RAM.
 *
 * All entries are 8 bytes, with a valid bit at the top. Device: address of its interrupt translation table in bits 51 to 8, bits of EventID
 * less one in bits 4 to 0. Interrupt: collection in bits 31 to 16, INTID in bits 15 to 0. Collection: vCPU in bits 15 to 0.
 */
import type { GuestMemory } from "../vgic/guest_memory.ts";
import { FIRST_LPI } from "../vgic/lpi_state.ts";
import { COLLECTIONS, DEVICES, PAGE_SHIFT } from "./state.ts";
import type { ItsState } from "./state.ts";

/** Why a command or a message does nothing: the architecture's names of command errors, without the command's. */
export type Fault =
  | "DEVICE_OOR"
  | "ITTSIZE_OOR"
  | "ITT_NOT_RAM"
  | "UNMAPPED_DEVICE"
  | "ID_OOR"
  | "UNMAPPED_INTERRUPT"
  | "PHYSICALID_OOR"
  | "COLLECTION_OOR"
  | "UNMAPPED_COLLECTION"
  | "PROCNUM_OOR"
  | "UNKNOWN_COMMAND";

/** Bytes of an entry of any table. */
export const ENTRY_SIZE = 8;
/** Bits of a DeviceID, an EventID, a collection and an INTID. */
export const ID_BITS = 16;
const IDS = 2 ** ID_BITS;
const VALID = 0x8000_0000;
/** GITS_BASER<n>, in its high word. */
const INDIRECT = 1 << 30;

/** Two words, the low one first. */
export type Entry = readonly [low: number, high: number];

/** A device's translation table. */
export interface Device {
  readonly at: number;
  /** Events. */
  readonly events: number;
}

/** Where an event goes. */
export interface Route {
  readonly intid: number;
  readonly collection: number;
}

/** What there is instead of an entry. */
export const INVALID: Entry = [0, 0];

/** Reads and writes entries. */
export class Tables {
  /** `vcpus`: how many there are. */
  constructor(private readonly state: ItsState, private readonly memory: GuestMemory, private readonly vcpus: number) {}

  /** A mapped device. */
  device(id: number): Device | Fault {
    const at = this.#address(DEVICES, id);
    if (at === undefined) return id < this.#entries(DEVICES) && this.#isIndirect(DEVICES) ? "UNMAPPED_DEVICE" : "DEVICE_OOR";
    const [low, high] = this.#read(at);
    if (high < VALID) return "UNMAPPED_DEVICE";
    const bits = (low & 31) + 1;
    if (bits > ID_BITS) return "ITTSIZE_OOR";
    return { at: (high & 0xf_ffff) * 2 ** 32 + ((low & 0xffff_ff00) >>> 0), events: 2 ** bits };
  }

  /** Maps a device, or with {@linkcode INVALID} unmaps it. */
  setDevice(id: number, entry: Entry): Fault | undefined {
    const at = this.#address(DEVICES, id);
    return at !== undefined && this.#write(at, entry) ? undefined : "DEVICE_OOR";
  }

  /** Where a device's event goes. */
  route(device: Device, event: number): Route | Fault {
    if (event >= device.events) return "ID_OOR";
    const [low, high] = this.#read(device.at + event * ENTRY_SIZE);
    const intid = low & 0xffff;
    return high < VALID || intid < FIRST_LPI ? "UNMAPPED_INTERRUPT" : { intid, collection: low >>> 16 };
  }

  /** Sets it, or with `undefined` takes it away. */
  setRoute(device: Device, event: number, route: Route | undefined): Fault | undefined {
    if (event >= device.events) return "ID_OOR";
    const entry: Entry = route === undefined ? INVALID : [(route.collection << 16 | route.intid) >>> 0, VALID];
    return this.#write(device.at + event * ENTRY_SIZE, entry) ? undefined : "ITT_NOT_RAM";
  }

  /** The vCPU of a collection. */
  target(collection: number): number | Fault {
    const at = this.#address(COLLECTIONS, collection);
    if (at === undefined) return "COLLECTION_OOR";
    const [low, high] = this.#read(at);
    if (high < VALID) return "UNMAPPED_COLLECTION";
    return this.#isVcpu(low) ? low : "PROCNUM_OOR";
  }

  /** Maps a collection to a vCPU, or with `undefined` unmaps it. */
  setTarget(collection: number, v: number | undefined): Fault | undefined {
    if (v !== undefined && !this.#isVcpu(v)) return "PROCNUM_OOR";
    const at = this.#address(COLLECTIONS, collection);
    return at !== undefined && this.#write(at, v === undefined ? INVALID : [v, VALID]) ? undefined : "COLLECTION_OOR";
  }

  /** Whether a collection's number is within its table. */
  hasCollection(collection: number): boolean {
    return collection < this.#entries(COLLECTIONS);
  }

  #isVcpu(v: number): boolean {
    return v < this.vcpus;
  }

  #isIndirect(table: number): boolean {
    return (this.state.baserHigh[table] & INDIRECT) !== 0;
  }

  /** Bytes of a table's pages. */
  #pageSize(table: number): number {
    return 0x1000 << 2 * (this.state.baserLow[table] >>> PAGE_SHIFT & 3);
  }

  /** How many entries a table has room for. */
  #entries(table: number): number {
    const high = this.state.baserHigh[table];
    if (high < VALID) return 0;
    const page = this.#pageSize(table);
    const first = ((this.state.baserLow[table] & 0xff) + 1) * page / ENTRY_SIZE;
    return Math.min(this.#isIndirect(table) ? first * page / ENTRY_SIZE : first, IDS);
  }

  /** Address of an entry; `undefined` when it has no place. */
  #address(table: number, id: number): number | undefined {
    if (id >= this.#entries(table)) return undefined;
    const page = this.#pageSize(table);
    const low = this.state.baserLow[table];
    // 64 KiB pages: bits 51 to 48 of the address are in bits 15 to 12.
    const above = page === 0x1_0000 ? (low >>> 12 & 15) * 2 ** 48 : 0;
    const base = above + (this.state.baserHigh[table] & 0xffff) * 2 ** 32 + ((low & -page & 0xffff_f000) >>> 0);
    if (!this.#isIndirect(table)) return base + id * ENTRY_SIZE;
    const perPage = page / ENTRY_SIZE;
    const [pageLow, pageHigh] = this.#read(base + Math.floor(id / perPage) * ENTRY_SIZE);
    if (pageHigh < VALID) return undefined;
    return (pageHigh & 0xf_ffff) * 2 ** 32 + ((pageLow & -page) >>> 0) + id % perPage * ENTRY_SIZE;
  }

  /** An entry; invalid where there is no RAM. */
  #read(at: number): Entry {
    const bytes = this.memory.read(at, ENTRY_SIZE);
    if (bytes === undefined) return INVALID;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return [view.getUint32(0, true), view.getUint32(4, true)];
  }

  #write(at: number, [low, high]: Entry): boolean {
    const bytes = new Uint8Array(ENTRY_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, low, true);
    view.setUint32(4, high, true);
    return this.memory.write(at, bytes);
  }
}
