/**
 * Virtio (Virtual I/O Device, version 1.2): one core for status, negotiation and queues, transports, and devices that know neither.
 * @module
 */
import type { Plugin } from "../../core/mod.ts";
import { balloon } from "./balloon.ts";
import type { BalloonOptions, BalloonState } from "./balloon.ts";
import { blk } from "./blk/mod.ts";
import type { BlkOptions, BlkState } from "./blk/mod.ts";
import { console } from "./console.ts";
import type { ConsoleOptions, ConsoleState } from "./console.ts";
import type { MmioDeviceState } from "./device.ts";
import type { VirtioModel } from "./model.ts";
import { net } from "./net/mod.ts";
import type { NetOptions, NetState } from "./net/mod.ts";
import { ninep } from "./ninep/mod.ts";
import type { NinepOptions, NinepState } from "./ninep/mod.ts";
import { virtioPciPlugin } from "./pci_plugin.ts";
import type { PciDeviceOptions, PciDeviceState } from "./pci_plugin.ts";
import { virtioPlugin } from "./plugin.ts";
import type { MmioOptions } from "./plugin.ts";
import { rng } from "./rng.ts";
import type { RngState } from "./rng.ts";
import { vsock } from "./vsock/mod.ts";
import type { VsockOptions, VsockState } from "./vsock/mod.ts";

/** The plugin of a device, which a Worker finds in this module. */
const mmio = <O, S>(model: VirtioModel<O, S>): Plugin<O & MmioOptions, MmioDeviceState<S>> =>
  virtioPlugin({ ...model, module: import.meta.url });

/** A folder of the host, which is open in this thread: so the device is here as well. */
export const virtio9p: Plugin<NinepOptions & MmioOptions, MmioDeviceState<NinepState>> = virtioPlugin(ninep);
/** A folder of the host, on the PCI bus. */
export const virtio9pPci: Plugin<NinepOptions & PciDeviceOptions, PciDeviceState<NinepState>> = virtioPciPlugin(ninep);
/** Memory balloon. */
export const virtioBalloon: Plugin<BalloonOptions & MmioOptions, MmioDeviceState<BalloonState>> = mmio(balloon);
/** Memory balloon on the PCI bus. */
export const virtioBalloonPci: Plugin<BalloonOptions & PciDeviceOptions, PciDeviceState<BalloonState>> = virtioPciPlugin(balloon);
/** Block device. */
export const virtioBlk: Plugin<BlkOptions & MmioOptions, MmioDeviceState<BlkState>> = mmio(blk);
/** Block device on the PCI bus. */
export const virtioBlkPci: Plugin<BlkOptions & PciDeviceOptions, PciDeviceState<BlkState>> = virtioPciPlugin(blk);
/** Console with several ports. */
export const virtioConsole: Plugin<ConsoleOptions & MmioOptions, MmioDeviceState<ConsoleState>> = mmio(console);
/** Console on the PCI bus. */
export const virtioConsolePci: Plugin<ConsoleOptions & PciDeviceOptions, PciDeviceState<ConsoleState>> = virtioPciPlugin(console);
/** Network device. Its cable is in this thread, and so is the device. */
export const virtioNet: Plugin<NetOptions & MmioOptions, MmioDeviceState<NetState>> = virtioPlugin(net);
/** Network device on the PCI bus. */
export const virtioNetPci: Plugin<NetOptions & PciDeviceOptions, PciDeviceState<NetState>> = virtioPciPlugin(net);
/** Entropy device. */
export const virtioRng: Plugin<MmioOptions, MmioDeviceState<RngState>> = mmio(rng);
/** Entropy device on the PCI bus. */
export const virtioRngPci: Plugin<PciDeviceOptions, PciDeviceState<RngState>> = virtioPciPlugin(rng);
/** Sockets between guest and host. The host's sockets are in this thread, and so is the device. */
export const virtioVsock: Plugin<VsockOptions & MmioOptions, MmioDeviceState<VsockState>> = virtioPlugin(vsock);
/** Sockets between guest and host, on the PCI bus. */
export const virtioVsockPci: Plugin<VsockOptions & PciDeviceOptions, PciDeviceState<VsockState>> = virtioPciPlugin(vsock);
