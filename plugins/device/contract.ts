/**
 * Devices: written once against this contract, and run where the board says, inline or behind IOREQ.
 *
 * {@linkcode DeviceModel} is what an author writes, {@linkcode DeviceContext} what the device is given. {@linkcode DeviceHost} is the other
 * border: who runs devices elsewhere implements it, and serves what the device asks for by calling the same {@linkcode DeviceContext} that
 * an inline device would be given.
 */
export { boardDevicePlugin } from "./board.ts";
export type { BoardPlaceOptions } from "./board.ts";
export { defineDevice, deviceIn, importDevice } from "./define.ts";
export { DeviceHost } from "./host.ts";
export type { DeviceStart, RemoteDevice } from "./host.ts";
export type {
  CableRequest,
  Device,
  DeviceBasics,
  DeviceContext,
  DeviceDma,
  DeviceInterruptSpec,
  DeviceLine,
  DeviceModel,
  DevicePlaces,
  DeviceWindow,
  DeviceWindowSpec,
  DiskRequest,
  FolderRequest,
  HostUse,
} from "./model.ts";
export { devicePlugin } from "./plugin.ts";
export type { AtOption, DeviceLends, DevicePlugin, PlaceOptions, RunsOption } from "./plugin.ts";
export { PRIMECELL_SIZE, primeCellBytes, primeCellNodes, primeCellRegisters } from "./primecell.ts";
export type { PrimeCellRegister, PrimeCellRegisters } from "./primecell.ts";
export { uartPortOption, uartTree } from "./uart.ts";
// For whoever connects devices by other means: a bus with slots.
export { deviceBasics } from "./basics.ts";
export { domainMemory, mergedRam } from "./memory.ts";
