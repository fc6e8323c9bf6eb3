/** Virtio 1.2, "Socket Device": queues, and the header that every packet has. */

/** Queues. */
export const Queue = { RECEIVE: 0, TRANSMIT: 1, EVENT: 2 } as const;
/** Operations. */
export const Op = { REQUEST: 1, RESPONSE: 2, RST: 3, SHUTDOWN: 4, RW: 5, CREDIT_UPDATE: 6, CREDIT_REQUEST: 7 } as const;
/** Flags of a shutdown: who sends it receives no more, sends no more. */
export const Shutdown = { RECEIVE: 1, SEND: 2 } as const;
/** Types of sockets; there is no other here. */
export const STREAM = 1;
/** The host's address. */
export const HOST_CID = 2;
/** Bytes of a header. */
export const HEADER = 44;

/** A header, of packets in either direction. */
export interface Packet {
  readonly hostPort: number;
  readonly guestPort: number;
  readonly type: number;
  readonly op: number;
  readonly flags: number;
  /** Bytes of data behind the header. */
  readonly length: number;
  /** The sender's buffer for the connection, and how many bytes of all that came its user has taken. Modulo 2^32. */
  readonly credit: { readonly allocated: number; readonly taken: number };
}

/** A header from the guest; undefined when it isn't from this guest to the host. */
export function parsePacket(bytes: Uint8Array, guestCid: number): Packet | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER);
  if (view.getBigUint64(0, true) !== BigInt(guestCid) || view.getBigUint64(8, true) !== BigInt(HOST_CID)) return undefined;
  return {
    guestPort: view.getUint32(16, true),
    hostPort: view.getUint32(20, true),
    length: view.getUint32(24, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    credit: { allocated: view.getUint32(36, true), taken: view.getUint32(40, true) },
  };
}

/** A header to the guest. */
export function packetHeader({ hostPort, guestPort, length, type, op, flags, credit }: Packet, guestCid: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER));
  view.setBigUint64(0, BigInt(HOST_CID), true);
  view.setBigUint64(8, BigInt(guestCid), true);
  view.setUint32(16, hostPort, true);
  view.setUint32(20, guestPort, true);
  view.setUint32(24, length, true);
  view.setUint16(28, type, true);
  view.setUint16(30, op, true);
  view.setUint32(32, flags, true);
  view.setUint32(36, credit.allocated, true);
  view.setUint32(40, credit.taken, true);
  return new Uint8Array(view.buffer);
}
