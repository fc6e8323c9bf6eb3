/** Virtio 1.2, "Network Device": feature bits, header, configuration, control commands. */

/** Feature bits. */
export const Net = {
  CSUM: 0,
  GUEST_CSUM: 1,
  CTRL_GUEST_OFFLOADS: 2,
  MTU: 3,
  MAC: 5,
  GUEST_TSO4: 7,
  GUEST_TSO6: 8,
  HOST_TSO4: 11,
  HOST_TSO6: 12,
  MRG_RXBUF: 15,
  STATUS: 16,
  CTRL_VQ: 17,
  CTRL_RX: 18,
  CTRL_VLAN: 19,
  CTRL_RX_EXTRA: 20,
  MQ: 22,
  CTRL_MAC_ADDR: 23,
} as const;

/** "Device configuration layout": the status says that the link is up. */
export const LINK_UP = 1;

/** Flags of the header. */
export const HeaderFlag = { NEEDS_CSUM: 1, DATA_VALID: 2 } as const;
/** What is to be cut. */
export const Gso = { NONE: 0, TCPV4: 1, TCPV6: 4, ECN: 0x80 } as const;

/** Bytes of the header without the number of merged buffers: of legacy drivers that merge none. */
export const SHORT_HEADER = 10;
/** Bytes of the whole header. */
export const HEADER = 12;

/** Classes of control commands, and their commands. */
export const Control = {
  RX: { class: 0, PROMISC: 0, ALLMULTI: 1, ALLUNI: 2, NOMULTI: 3, NOUNI: 4, NOBCAST: 5 },
  MAC: { class: 1, TABLE_SET: 0, ADDR_SET: 1 },
  VLAN: { class: 2, ADD: 0, DEL: 1 },
  MQ: { class: 4, PAIRS_SET: 0 },
  OFFLOADS: { class: 5, SET: 0 },
} as const;
/** What a command is acknowledged with. */
export const Acknowledge = { OK: 0, ERROR: 1 } as const;

/** The header before each frame. */
export interface Header {
  readonly flags: number;
  readonly gsoType: number;
  readonly headerBytes: number;
  readonly gsoSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

/** Reads it from bytes that are long enough. */
export function parseHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    flags: bytes[0],
    gsoType: bytes[1],
    headerBytes: view.getUint16(2, true),
    gsoSize: view.getUint16(4, true),
    checksumStart: view.getUint16(6, true),
    checksumOffset: view.getUint16(8, true),
  };
}

/** Its bytes; `buffers`: how many the frame takes. */
export function printHeader(header: Header, buffers: number, size: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER));
  view.setUint8(0, header.flags);
  view.setUint8(1, header.gsoType);
  view.setUint16(2, header.headerBytes, true);
  view.setUint16(4, header.gsoSize, true);
  view.setUint16(6, header.checksumStart, true);
  view.setUint16(8, header.checksumOffset, true);
  view.setUint16(10, buffers, true);
  return new Uint8Array(view.buffer, 0, size);
}
