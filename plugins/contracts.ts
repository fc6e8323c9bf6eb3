/**
 * What the built-in plugins lend to others, for whoever writes a plugin: capabilities that a domain may have.
 * @module
 */
export {
  boardDevicePlugin,
  defineDevice,
  DeviceHost,
  devicePlugin,
  importDevice,
  PRIMECELL_SIZE,
  primeCellBytes,
  primeCellNodes,
  primeCellRegisters,
} from "./device/contract.ts";
export type {
  AtOption,
  BoardPlaceOptions,
  CableRequest,
  Device,
  DeviceBasics,
  DeviceContext,
  DeviceDma,
  DeviceInterruptSpec,
  DeviceLends,
  DeviceLine,
  DeviceModel,
  DevicePlaces,
  DevicePlugin,
  DeviceStart,
  DeviceWindow,
  DeviceWindowSpec,
  DiskRequest,
  FolderRequest,
  HostUse,
  PlaceOptions,
  PrimeCellRegister,
  PrimeCellRegisters,
  RemoteDevice,
  RunsOption,
} from "./device/contract.ts";
export { DomainPolicy, isAllowed, silo } from "./domain_policy/contract.ts";
export type { CrossRequest, CrossVerb } from "./domain_policy/contract.ts";
export { EventChannels, EventPorts, PortKind } from "./event_channels/contract.ts";
export type { DomainChannels, EventDelivery, HostChannel, PortStatus } from "./event_channels/contract.ts";
export { Grants, GrantStatus, GrantTables } from "./grant_tables/contract.ts";
export type { CopyEnd, DomainGrants, GrantMapping, Physmap, SharedFrame } from "./grant_tables/contract.ts";
export type { GuestPage, PageHost } from "./event_channels/contract.ts";
export { GpioPins } from "./pl061/contract.ts";
export { HypervisorTimers } from "./generic_timer/contract.ts";
export type { HypervisorTimer } from "./generic_timer/contract.ts";
export {
  Buffering as IoreqBuffering,
  DeviceModels,
  dmOp,
  ForeignFrames,
  IoreqPage,
  IoreqServer,
  IoreqServers,
  OperationError,
} from "./ioreq/contract.ts";
export {
  errno as operationErrno,
  RangeSet as IoreqRangeSet,
  RequestType as IoreqRequestType,
  State as IoreqState,
} from "./ioreq/contract.ts";
export type {
  Backend as IoreqBackend,
  DeviceModelOperations,
  ErrorName as OperationErrorName,
  FrameAccess,
  FrameRange,
  Outcome as IoreqOutcome,
  RemoteDeviceModel,
  Request as IoreqRequest,
  ServedDomain,
  ServerInfo as IoreqServerInfo,
  ServerPages as IoreqServerPages,
  ServerRequest as IoreqServerRequest,
} from "./ioreq/contract.ts";
export { MessageInterrupts } from "./gic/contract.ts";
export { HypervisorConsole } from "./hypervisor_console/contract.ts";
export { attributeCodes, AttributeConflictError, DeviceMemory, status as deviceMemoryStatus } from "./mmio_sram/contract.ts";
export type { MemoryMappingRequest, NodeMapping } from "./mmio_sram/contract.ts";
export { cable, MOST_FRAME_BYTES, NetworkSwitch, offloadProblem, plainFrames, UserNetwork } from "./network/contract.ts";
export type { CableEnd, Frame, FrameReceiver, Network, PartialChecksum, Segmentation } from "./network/contract.ts";
export { BoardInterrupts } from "./passthrough/contract.ts";
export { PciBus } from "./pci/contract.ts";
export type { PciBar, PciCapability, PciFunction, PciFunctionSpec, PciSlot } from "./pci/contract.ts";
export { PmsaDomains } from "./pmsa/contract.ts";
export { Calls, PowerControl } from "./smccc/contract.ts";
export type { CallRange, Conduit } from "./smccc/contract.ts";
export { virtioDevice, virtioPciPlugin, virtioPlugin } from "./virtio/contract.ts";
export type {
  CoreState as VirtioCoreState,
  MmioDeviceState,
  MmioOptions,
  MmioState as VirtioMmioState,
  PciDeviceOptions,
  PciDeviceState,
  PciTransportState as VirtioPciState,
  QueueState as VirtioQueueState,
  RingOptions,
  Served,
  TransportOptions as VirtioTransportOptions,
  VirtioBehaviour,
  VirtioBuffer,
  VirtioContext,
  VirtioModel,
  VirtioShape,
  VirtioState,
} from "./virtio/contract.ts";
