/** From a virtio device's model to a plugin over MMIO. */
import { devicePlugin } from "../device/contract.ts";
import type { DevicePlugin, PlaceOptions } from "../device/contract.ts";
import { virtioDevice } from "./device.ts";
import type { MmioDeviceState, TransportOptions } from "./device.ts";
import type { VirtioModel } from "./model.ts";

/** Options of the transport and its place, over the device's own. */
export type MmioOptions = TransportOptions & PlaceOptions;

/** Makes a plugin of a device, memory-mapped: `at`, `interrupt`, `legacy`, `packed` and `runs` besides its own options. */
export function virtioPlugin<O, S>(model: VirtioModel<O, S>): DevicePlugin<O & TransportOptions, MmioDeviceState<S>> {
  return devicePlugin(virtioDevice(model));
}
