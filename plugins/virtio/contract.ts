/** What whoever writes a virtio device builds on: a model, and plugins made of it. */
export type { Served, VirtioBehaviour, VirtioBuffer, VirtioContext, VirtioModel, VirtioShape } from "./model.ts";
export { virtioPciPlugin } from "./pci_plugin.ts";
export type { PciDeviceOptions, PciDeviceState } from "./pci_plugin.ts";
export { virtioPlugin } from "./plugin.ts";
export { virtioDevice } from "./device.ts";
export type { MmioDeviceState, TransportOptions } from "./device.ts";
export type { MmioOptions } from "./plugin.ts";
export type { RingOptions, VirtioState } from "./bring_up.ts";
export type { CoreState } from "./core.ts";
export type { MmioState } from "./mmio.ts";
export type { PciTransportState } from "./pci.ts";
export type { QueueState } from "./ring.ts";
