/** Virtio 1.2, "Virtio Over PCI Bus": identification, capabilities, and the layout of our one BAR. Offsets in bytes. */

/** Vendor of all virtio devices; the device ID is this plus the type. */
export const VENDOR_ID = 0x1af4;
export const DEVICE_ID = 0x1040;

/** Class codes by device type; others are "not defined". */
export const classCodes: Readonly<Record<number, number>> = { 1: 0x02_00_00, 2: 0x01_00_00, 3: 0x07_80_00 };
export const OTHER_CLASS = 0x00_ff_00;

/** Vendor-specific capability. */
export const CAPABILITY = 0x09;
/** `cfg_type`. */
export const CfgType = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;

/** The BAR with everything but the MSI-X table. */
export const BAR = 0;
export const BAR_SIZE = 0x4000;
/** Where its parts lie, 4 KiB each. */
export const Part = { COMMON: 0x0000, ISR: 0x1000, DEVICE: 0x2000, NOTIFY: 0x3000 } as const;
export const PART_SIZE = 0x1000;
/** Bytes between the doorbells of two queues. */
export const NOTIFY_MULTIPLIER = 4;

/** "Common configuration structure layout": offset and size of each field. */
export const Common = {
  device_feature_select: [0, 4],
  device_feature: [4, 4],
  driver_feature_select: [8, 4],
  driver_feature: [12, 4],
  config_msix_vector: [16, 2],
  num_queues: [18, 2],
  device_status: [20, 1],
  config_generation: [21, 1],
  queue_select: [22, 2],
  queue_size: [24, 2],
  queue_msix_vector: [26, 2],
  queue_enable: [28, 2],
  queue_notify_off: [30, 2],
  queue_desc: [32, 8],
  queue_driver: [40, 8],
  queue_device: [48, 8],
  queue_notify_data: [56, 2],
  queue_reset: [58, 2],
} as const;
export const COMMON_SIZE = 60;

/** A field's name. */
export type CommonField = keyof typeof Common;

/** "No vector". */
export const NO_VECTOR = 0xffff;
/** Bits of the ISR status. */
export const Isr = { QUEUE: 1, CONFIG: 2 } as const;
