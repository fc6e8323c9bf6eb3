/** The configuration header (type 0) and its capabilities: PCI Local Bus Specification 3.0, "Configuration Space". Offsets in bytes. */

/** Bytes of configuration space that a function has. */
export const CONFIG_SIZE = 0x100;
/** Bytes of ECAM for each function: PCI Express Base Specification, "Enhanced Configuration Access Mechanism". */
export const ECAM_FUNCTION_SIZE = 0x1000;
/** Bytes of ECAM for each bus: 32 devices of 8 functions. */
export const ECAM_BUS_SIZE = 0x10_0000;

/** Header. */
export const Header = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  CLASS: 0x09,
  CACHE_LINE: 0x0c,
  TYPE: 0x0e,
  BAR: 0x10,
  SUBSYSTEM_VENDOR_ID: 0x2c,
  SUBSYSTEM_ID: 0x2e,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
  /** First byte after the header: capabilities start here. */
  END: 0x40,
} as const;

/** COMMAND. */
export const Command = { IO: 1 << 0, MEMORY: 1 << 1, MASTER: 1 << 2, PARITY: 1 << 6, SERR: 1 << 8, INTX_DISABLE: 1 << 10 } as const;
/** STATUS. */
export const Status = { INTERRUPT: 1 << 3, CAPABILITIES: 1 << 4 } as const;
/** TYPE. */
export const MULTI_FUNCTION = 0x80;
/** Low bits of a BAR. */
export const BarBits = { IO: 1, MEMORY64: 4, PREFETCHABLE: 8 } as const;

/** Capability IDs. */
export const Capability = { MSI: 0x05, MSIX: 0x11 } as const;

/** MSI with 64-bit addresses and masks per vector: "MSI Capability Structure". Offsets from the capability. */
export const Msi = { CONTROL: 2, ADDRESS: 4, ADDRESS_HIGH: 8, DATA: 0xc, MASK: 0x10, PENDING: 0x14, SIZE: 0x18 } as const;
/** MSI's control word. */
export const MsiControl = { ENABLE: 1 << 0, CAPABLE: 1, ENABLED: 4, ADDRESS64: 1 << 7, MASKS: 1 << 8 } as const;

/** MSI-X: "MSI-X Capability and Table Structures". */
export const Msix = { CONTROL: 2, TABLE: 4, PBA: 8, SIZE: 0xc } as const;
/** MSI-X's control word. */
export const MsixControl = { MASK: 1 << 14, ENABLE: 1 << 15 } as const;
/** Bytes of a table entry: address, upper address, data, vector control. */
export const MSIX_ENTRY = 16;
