/**
 * Virtio over MMIO (Virtio 1.2, "Virtio Over MMIO"): version 2, and version 1 for legacy drivers. Registers are words; what is narrower,
 * wider or not aligned reads zero and writes nothing. The configuration takes any access.
 */
import type { DeviceLine, DeviceWindow } from "../device/contract.ts";
import type { Signals, VirtioCore } from "./core.ts";
import { splitAreas } from "./split_ring.ts";
import { addressPairs, BLOCK_SIZE, CONFIG, Interrupt, MAGIC, Offset, VENDOR } from "./mmio_registers.ts";
import type { QueueState } from "./ring.ts";

/** State, plain data. */
export interface MmioState {
  /** Which half of the features reads. */
  deviceFeaturesSel: number;
  /** Which half of the features is written. */
  driverFeaturesSel: number;
  /** Which queue the queue registers mean. */
  queueSel: number;
  /** InterruptStatus. */
  interrupts: number;
  /** Legacy: bytes of a page of queue addresses. */
  pageSize: number;
  /** Legacy: alignment of the used ring in bytes. */
  align: number;
}

/** Reset state. */
export function resetMmio(): MmioState {
  return { deviceFeaturesSel: 0, driverFeaturesSel: 0, queueSel: 0, interrupts: 0, pageSize: 0, align: 0 };
}

/** The transport. */
export class MmioTransport implements DeviceWindow {
  #core!: VirtioCore;
  readonly signals: Signals = { used: () => this.#raise(Interrupt.USED), config: () => this.#raise(Interrupt.CONFIG) };

  constructor(private readonly state: MmioState, private readonly line: DeviceLine, private readonly legacy: boolean) {}

  /** The device behind it; before the first access. */
  attach(core: VirtioCore): void {
    this.#core = core;
  }

  read(offset: number, size: number): bigint | number {
    if (offset >= CONFIG) return offset + size <= BLOCK_SIZE ? this.#core.readConfig(offset - CONFIG, size) : 0;
    return size === 4 && offset % 4 === 0 ? this.#read(offset) : 0;
  }

  write(offset: number, size: number, value: bigint): void {
    if (offset >= CONFIG) {
      if (offset + size <= BLOCK_SIZE) this.#core.writeConfig(offset - CONFIG, size, value);
    } else if (size === 4 && offset % 4 === 0) this.#write(offset, Number(value & 0xffff_ffffn));
  }

  #read(offset: number): number {
    const { state, legacy } = this;
    const core = this.#core;
    const queue = core.queue(state.queueSel);
    switch (offset) {
      case Offset.MagicValue:
        return MAGIC;
      case Offset.Version:
        return legacy ? 1 : 2;
      case Offset.DeviceID:
        return core.parts.shape.deviceId;
      case Offset.VendorID:
        return VENDOR;
      case Offset.DeviceFeatures:
        return state.deviceFeaturesSel > 1 ? 0 : Number(core.offered >> BigInt(32 * state.deviceFeaturesSel) & 0xffff_ffffn);
      case Offset.QueueNumMax:
        return core.parts.shape.queues[state.queueSel] ?? 0;
      case Offset.InterruptStatus:
        return state.interrupts;
      case Offset.Status:
        return core.state.status;
      case Offset.QueuePFN:
        return legacy && queue?.ready ? Math.floor(queue.descriptors / state.pageSize) >>> 0 : 0;
    }
    if (legacy) return 0;
    switch (offset) {
      case Offset.QueueReady:
        return queue?.ready ? 1 : 0;
      case Offset.ConfigGeneration:
        return core.state.generation;
      // "Shared memory regions": there is none, which a length of all ones says.
      case Offset.SHMLenLow:
      case Offset.SHMLenHigh:
      case Offset.SHMBaseLow:
      case Offset.SHMBaseHigh:
        return 0xffff_ffff;
    }
    return 0;
  }

  #write(offset: number, value: number): void {
    const { state, legacy } = this;
    const core = this.#core;
    switch (offset) {
      case Offset.DeviceFeaturesSel:
        state.deviceFeaturesSel = value;
        return;
      case Offset.DriverFeaturesSel:
        state.driverFeaturesSel = value;
        return;
      case Offset.DriverFeatures:
        return core.setDriverFeatures(state.driverFeaturesSel, value);
      case Offset.QueueSel:
        state.queueSel = value;
        return;
      case Offset.QueueNotify:
        return core.notify(value);
      case Offset.InterruptACK:
        state.interrupts &= ~value;
        this.line.set(state.interrupts !== 0);
        return;
      case Offset.Status:
        core.setStatus(value & 0xff);
        if ((value & 0xff) === 0) this.#reset();
        return;
    }
    const queue = core.queue(state.queueSel);
    if (legacy) this.#writeLegacy(offset, value, queue);
    else this.#writeQueue(offset, value, queue);
  }

  #writeQueue(offset: number, value: number, queue: QueueState | undefined): void {
    const { queueSel } = this.state;
    if (queue === undefined) return;
    if (offset === Offset.QueueReady) {
      if ((value & 1) !== 0) this.#core.enable(queueSel);
      else this.#core.disable(queueSel, false);
    } else if (offset === Offset.QueueReset) {
      if ((value & 1) !== 0) this.#core.disable(queueSel, true);
    } else if (!queue.ready) {
      if (offset === Offset.QueueNum) queue.size = value;
      for (const [low, area] of addressPairs) {
        const lowHalf = queue[area] % 2 ** 32;
        if (offset === low) queue[area] += value - lowHalf;
        if (offset === low + 4) queue[area] = value * 2 ** 32 + lowHalf;
      }
    }
  }

  /** "Legacy interface": one address, in pages, gives all three areas. */
  #writeLegacy(offset: number, value: number, queue: QueueState | undefined): void {
    const { state } = this;
    const core = this.#core;
    if (offset === Offset.GuestPageSize) {
      if (value !== 0 && (value & (value - 1)) === 0) state.pageSize = value;
      else core.parts.trace("virtio driver", () => `a page size of ${value}`);
    } else if (offset === Offset.QueueAlign) state.align = value;
    else if (queue === undefined) return;
    else if (offset === Offset.QueueNum && !queue.ready) queue.size = value;
    else if (offset === Offset.QueuePFN) {
      core.disable(state.queueSel, false);
      if (value === 0) return;
      const { align, pageSize } = state;
      if (pageSize === 0 || align === 0 || (align & (align - 1)) !== 0) {
        return core.needsReset(`queue ${state.queueSel}: a page size of ${pageSize} and an alignment of ${align}`);
      }
      queue.descriptors = value * pageSize;
      queue.driver = queue.descriptors + splitAreas(queue.size).descriptors;
      queue.device = Math.ceil((queue.driver + splitAreas(queue.size).driver) / align) * align;
      core.enable(state.queueSel);
    }
  }

  #raise(bit: number): void {
    this.state.interrupts |= bit;
    this.line.set(true);
  }

  #reset(): void {
    const { pageSize } = this.state;
    Object.assign(this.state, resetMmio(), { pageSize });
    this.line.set(false);
  }
}
