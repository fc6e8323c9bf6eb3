/**
 * Virtio over PCI (Virtio 1.2, "Virtio Over PCI Bus"): modern devices only. One BAR has all structures; fields take accesses of their
 * own size, addresses also their halves; anything else reads zero and writes nothing.
 */
import type { MmioHandler } from "../../core/mod.ts";
import type { PciCapability, PciFunction, PciFunctionSpec } from "../pci/contract.ts";
import type { Signals, VirtioCore } from "./core.ts";
import {
  BAR,
  BAR_SIZE,
  CAPABILITY,
  CfgType,
  classCodes,
  Common,
  COMMON_SIZE,
  DEVICE_ID,
  Isr,
  NO_VECTOR,
  NOTIFY_MULTIPLIER,
  OTHER_CLASS,
  Part,
  PART_SIZE,
  VENDOR_ID,
} from "./pci_registers.ts";
import type { CommonField } from "./pci_registers.ts";
import type { VirtioShape } from "./model.ts";

/** State, plain data. */
export interface PciTransportState {
  /** Which half of the features reads. */
  deviceFeatureSelect: number;
  /** Which half of the features is written. */
  driverFeatureSelect: number;
  /** Which queue the queue fields mean. */
  queueSelect: number;
  /** MSI-X vector of configuration changes. */
  configVector: number;
  /** MSI-X vectors by queue. */
  queueVectors: number[];
  /** ISR status. */
  isr: number;
}

/** Reset state. */
export function resetPci({ queues }: VirtioShape): PciTransportState {
  return {
    deviceFeatureSelect: 0,
    driverFeatureSelect: 0,
    queueSelect: 0,
    configVector: NO_VECTOR,
    queueVectors: queues.map(() => NO_VECTOR),
    isr: 0,
  };
}

/** The area of a queue that an address field sets. */
const areas = { queue_desc: "descriptors", queue_driver: "driver", queue_device: "device" } as const;
const isArea = (field: CommonField): field is keyof typeof areas => field in areas;

/** The transport. */
export class PciTransport implements MmioHandler {
  #core!: VirtioCore;
  #function!: PciFunction;
  readonly signals: Signals = {
    used: (queue) => this.#signal(this.state.queueVectors[queue], Isr.QUEUE),
    config: () => this.#signal(this.state.configVector, Isr.CONFIG),
  };

  constructor(private readonly state: PciTransportState, private readonly shape: VirtioShape) {}

  /** Before the first access. */
  attach(core: VirtioCore, slot: PciFunction): void {
    this.#core = core;
    this.#function = slot;
  }

  /** What to plug in. */
  spec(name: string): PciFunctionSpec {
    const { deviceId, queues } = this.shape;
    return {
      name,
      vendorId: VENDOR_ID,
      deviceId: DEVICE_ID + deviceId,
      subsystemVendorId: VENDOR_ID,
      subsystemId: DEVICE_ID + deviceId,
      classCode: classCodes[deviceId] ?? OTHER_CLASS,
      revision: 1,
      bars: { [BAR]: { kind: "memory32", size: BAR_SIZE, handler: this } },
      intx: true,
      msix: { vectors: queues.length + 1, bar: 1 },
      capabilities: [
        structure(CfgType.COMMON, Part.COMMON, COMMON_SIZE),
        structure(CfgType.NOTIFY, Part.NOTIFY, NOTIFY_MULTIPLIER * queues.length, NOTIFY_MULTIPLIER),
        structure(CfgType.ISR, Part.ISR, 1),
        structure(CfgType.DEVICE, Part.DEVICE, PART_SIZE),
        this.#access(),
      ],
    };
  }

  read(offset: number, size: number): bigint | number {
    const within = offset % PART_SIZE;
    switch (offset - within) {
      case Part.COMMON:
        return this.#readCommon(within, size);
      case Part.ISR:
        return within === 0 ? this.#takeIsr() : 0;
      case Part.DEVICE:
        return within + size <= PART_SIZE ? this.#core.readConfig(within, size) : 0;
    }
    return 0;
  }

  write(offset: number, size: number, value: bigint): void {
    const within = offset % PART_SIZE;
    switch (offset - within) {
      case Part.COMMON:
        return this.#writeCommon(within, size, Number(value & 0xffff_ffffn), value);
      case Part.DEVICE:
        if (within + size <= PART_SIZE) this.#core.writeConfig(within, size, value);
        return;
      case Part.NOTIFY:
        if (within % NOTIFY_MULTIPLIER === 0) this.#core.notify(within / NOTIFY_MULTIPLIER);
    }
  }

  #readCommon(offset: number, size: number): bigint | number {
    const found = field(offset, size);
    if (found === undefined) return 0;
    if (!isArea(found.name)) return this.#get(found.name);
    const address = BigInt(this.#core.queue(this.state.queueSelect)?.[areas[found.name]] ?? 0);
    return BigInt.asUintN(8 * size, address >> BigInt(8 * found.from));
  }

  #get(name: Exclude<CommonField, keyof typeof areas>): number {
    const { state, shape } = this;
    const core = this.#core;
    const queue = core.queue(state.queueSelect);
    switch (name) {
      case "device_feature_select":
        return state.deviceFeatureSelect;
      case "device_feature":
        return state.deviceFeatureSelect > 1 ? 0 : Number(core.offered >> BigInt(32 * state.deviceFeatureSelect) & 0xffff_ffffn);
      case "driver_feature_select":
        return state.driverFeatureSelect;
      case "driver_feature":
        return state.driverFeatureSelect > 1
          ? 0
          : Number(core.state.driverFeatures >> BigInt(32 * state.driverFeatureSelect) & 0xffff_ffffn);
      case "config_msix_vector":
        return state.configVector;
      case "num_queues":
        return shape.queues.length;
      case "device_status":
        return core.state.status;
      case "config_generation":
        return core.state.generation & 0xff;
      case "queue_select":
        return state.queueSelect;
      case "queue_size":
        return queue === undefined ? 0 : queue.size & 0xffff;
      case "queue_msix_vector":
        return state.queueVectors[state.queueSelect] ?? NO_VECTOR;
      case "queue_enable":
        return queue?.ready ? 1 : 0;
      case "queue_notify_off":
      case "queue_notify_data":
        return queue === undefined ? 0 : state.queueSelect;
      case "queue_reset":
        return 0;
    }
  }

  #writeCommon(offset: number, size: number, value: number, wide: bigint): void {
    const { state } = this;
    const core = this.#core;
    const found = field(offset, size);
    if (found === undefined) return;
    const queue = core.queue(state.queueSelect);
    const vector = value <= this.shape.queues.length ? value : NO_VECTOR;
    switch (found.name) {
      case "device_feature_select":
        state.deviceFeatureSelect = value;
        return;
      case "driver_feature_select":
        state.driverFeatureSelect = value;
        return;
      case "driver_feature":
        return core.setDriverFeatures(state.driverFeatureSelect, value);
      case "config_msix_vector":
        state.configVector = vector;
        return;
      case "device_status":
        core.setStatus(value);
        if (value === 0) this.#reset();
        return;
      case "queue_select":
        state.queueSelect = value;
        return;
    }
    if (queue === undefined) return;
    switch (found.name) {
      case "queue_msix_vector":
        state.queueVectors[state.queueSelect] = vector;
        return;
      case "queue_enable":
        if (value === 1) core.enable(state.queueSelect);
        return;
      case "queue_reset":
        if (value === 1) core.disable(state.queueSelect, true);
        return;
      case "queue_size":
        if (!queue.ready) queue.size = value;
        return;
    }
    if (!isArea(found.name) || queue.ready) return;
    const area = areas[found.name];
    const low = queue[area] % 2 ** 32;
    if (size === 8) queue[area] = Number(wide);
    else queue[area] = found.from === 0 ? queue[area] - low + value : value * 2 ** 32 + low;
  }

  /** Reading the ISR status clears it, and INTA# with it. */
  #takeIsr(): number {
    const { isr } = this.state;
    this.state.isr = 0;
    this.#function.setLevel(false);
    return isr;
  }

  #signal(vector: number, bit: number): void {
    if (this.#function.signalling === "msix") {
      if (vector !== NO_VECTOR) this.#function.signal(vector);
      return;
    }
    this.state.isr |= bit;
    this.#function.setLevel(true);
  }

  #reset(): void {
    Object.assign(this.state, resetPci(this.shape));
    this.#function.setLevel(false);
  }

  /** "PCI configuration access capability": a way to the BAR without mapping it. */
  #access(): PciCapability {
    const body = new Uint8Array(18);
    body.set([20, CfgType.PCI]);
    const writable = new Uint8Array(18).fill(0xff, 6);
    writable[2] = 0xff;
    const target = (bytes: Uint8Array) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const [offset, length] = [view.getUint32(6, true), view.getUint32(10, true)];
      const good = view.getUint8(2) === BAR && [1, 2, 4].includes(length) && offset % length === 0 && offset + length <= BAR_SIZE;
      return good ? { view, offset, length } : undefined;
    };
    return {
      id: CAPABILITY,
      body,
      writable,
      reading: (bytes, offset, size) => {
        const to = offset + size > 14 ? target(bytes) : undefined;
        if (to !== undefined) to.view.setUint32(14, Number(this.read(to.offset, to.length)), true);
      },
      written: (bytes, offset, size) => {
        const to = offset + size > 14 ? target(bytes) : undefined;
        if (to !== undefined) this.write(to.offset, to.length, BigInt.asUintN(8 * to.length, BigInt(to.view.getUint32(14, true))));
      },
    };
  }
}

/** "Virtio Structure PCI Capabilities": where a structure lies. */
function structure(type: number, offset: number, length: number, multiplier?: number): PciCapability {
  const body = new Uint8Array(multiplier === undefined ? 14 : 18);
  const view = new DataView(body.buffer);
  body.set([2 + body.length, type, BAR]);
  view.setUint32(6, offset, true);
  view.setUint32(10, length, true);
  if (multiplier !== undefined) view.setUint32(14, multiplier, true);
  return { id: CAPABILITY, body };
}

/** The field that an access means; `from`: the half of an address, in bytes. */
function field(offset: number, size: number): { readonly name: CommonField; readonly from: number } | undefined {
  for (const [name, [at, length]] of Object.entries(Common) as [CommonField, readonly [number, number]][]) {
    if (offset === at && size === length) return { name, from: 0 };
    if (length === 8 && size === 4 && (offset === at || offset === at + 4)) return { name, from: offset - at };
  }
}
