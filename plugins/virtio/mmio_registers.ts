/** Registers of virtio over MMIO: Virtio 1.2, "MMIO Device Register Layout" and "Legacy interface". Offsets in bytes. */

/** Bytes of a device's block, as `virt` machines and Xen lay it out. */
export const BLOCK_SIZE = 0x200;
/** Where the device's configuration begins. */
export const CONFIG = 0x100;

/** Offsets. */
export const Offset = {
  MagicValue: 0x000,
  Version: 0x004,
  DeviceID: 0x008,
  VendorID: 0x00c,
  DeviceFeatures: 0x010,
  DeviceFeaturesSel: 0x014,
  DriverFeatures: 0x020,
  DriverFeaturesSel: 0x024,
  /** Legacy only. */
  GuestPageSize: 0x028,
  QueueSel: 0x030,
  QueueNumMax: 0x034,
  QueueNum: 0x038,
  /** Legacy only. */
  QueueAlign: 0x03c,
  /** Legacy only. */
  QueuePFN: 0x040,
  QueueReady: 0x044,
  QueueNotify: 0x050,
  InterruptStatus: 0x060,
  InterruptACK: 0x064,
  Status: 0x070,
  QueueDescLow: 0x080,
  QueueDescHigh: 0x084,
  QueueDriverLow: 0x090,
  QueueDriverHigh: 0x094,
  QueueDeviceLow: 0x0a0,
  QueueDeviceHigh: 0x0a4,
  SHMSel: 0x0ac,
  SHMLenLow: 0x0b0,
  SHMLenHigh: 0x0b4,
  SHMBaseLow: 0x0b8,
  SHMBaseHigh: 0x0bc,
  QueueReset: 0x0c0,
  ConfigGeneration: 0x0fc,
} as const;

/** "virt", little-endian. */
export const MAGIC = 0x74726976;
/** What VendorID says: "PLUG". */
export const VENDOR = 0x47554c50;

/** Bits of InterruptStatus. */
export const Interrupt = { USED: 1, CONFIG: 2 } as const;

/** Which area of a queue a pair of address registers sets. */
export const addressPairs = [
  [Offset.QueueDescLow, "descriptors"],
  [Offset.QueueDriverLow, "driver"],
  [Offset.QueueDeviceLow, "device"],
] as const;
