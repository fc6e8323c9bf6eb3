/**
 * Device-model operations as bytes: hypercall 41 with an array of buffers, the first of which holds the operation (Xen,
 * public/hvm/dm_op.h, `struct xen_dm_op`). Whoever has the hypercall copies the buffers in, calls {@linkcode dmOp}, and copies the first back.
 *
 * What can a hostile caller do here? It chooses every byte, and how many there are: what isn't there is never read (XSA-506), what has to be
 * zero is checked, and every refusal is an error number.
 */
import { errno, OperationError } from "./errors.ts";
import type { ErrorName } from "./errors.ts";

/** Operation numbers. */
export const DmOp = {
  CREATE_IOREQ_SERVER: 1,
  GET_IOREQ_SERVER_INFO: 2,
  MAP_IO_RANGE: 3,
  UNMAP_IO_RANGE: 4,
  SET_IOREQ_SERVER_STATE: 5,
  DESTROY_IOREQ_SERVER: 6,
  SET_IRQ_LEVEL: 19,
  NR_VCPUS: 20,
} as const;

/** Bytes of the whole structure: number, padding, and the largest member of the union. */
export const DM_OP_BYTES = 40;
const HEADER = 8;
const NO_GFNS = 1;

/** Where operations go. Each may throw an `OperationError`. */
export interface DeviceModelOperations {
  /** A new server; its id. */
  createServer(buffering: number): number;
  /** What is to be known of a server. */
  serverInfo(id: number, noGfns: boolean): { readonly bufferedPort: number };
  /** Asks for a range, ends inclusive. */
  mapRange(id: number, type: number, start: bigint, end: bigint): void;
  /** Gives a range back. */
  unmapRange(id: number, type: number, start: bigint, end: bigint): void;
  /** Enables or disables a server. */
  setServerState(id: number, enabled: boolean): void;
  /** The server goes. */
  destroyServer(id: number): void;
  /** Drives an interrupt line: 0 or 1. */
  setIrqLevel(irq: number, level: number): void;
  /** vCPUs of the domain. */
  readonly vcpus: number;
}

/** Reads fields; what isn't there is EFAULT, what has to be zero and isn't EINVAL. */
class Fields {
  readonly #view: DataView;
  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #checked(at: number, size: number): number {
    if (HEADER + at + size > this.bytes.length) throw new OperationError("EFAULT", `the buffer has ${this.bytes.length} bytes`);
    return HEADER + at;
  }

  u8 = (at: number): number => this.#view.getUint8(this.#checked(at, 1));
  u16 = (at: number): number => this.#view.getUint16(this.#checked(at, 2), true);
  u32 = (at: number): number => this.#view.getUint32(this.#checked(at, 4), true);
  u64 = (at: number): bigint => this.#view.getBigUint64(this.#checked(at, 8), true);

  zero(at: number, size: number): void {
    for (let n = 0; n < size; n++) if (this.u8(at + n) !== 0) throw new OperationError("EINVAL", "padding that isn't zero");
  }

  room(at: number, size: number): void {
    this.#checked(at, size);
  }

  put(at: number, size: 2 | 4 | 8, value: number): void {
    const place = this.#checked(at, size);
    if (size === 2) this.#view.setUint16(place, value, true);
    else if (size === 4) this.#view.setUint32(place, value, true);
    else this.#view.setBigUint64(place, BigInt(value), true);
  }
}

/**
 * Carries an operation out. `buffers`: copies of what the caller's array names, in order; outputs are written into the first, which the
 * caller of this copies back when the result is 0. Returns 0 or a negative error number; never throws for what a guest can do.
 */
export function dmOp(buffers: readonly Uint8Array[], operations: DeviceModelOperations): number {
  try {
    if (buffers.length === 0) throw new OperationError("EINVAL", "no buffer holds the operation");
    const [head] = buffers;
    if (head.length < HEADER) throw new OperationError("EFAULT", `the first buffer has ${head.length} bytes`);
    const fields = new Fields(head.subarray(0, DM_OP_BYTES));
    const view = new DataView(head.buffer, head.byteOffset, HEADER);
    if (view.getUint32(4, true) !== 0) throw new OperationError("EINVAL", "padding that isn't zero");
    carryOut(view.getUint32(0, true), fields, operations);
    return 0;
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return -errno[error.code satisfies ErrorName];
  }
}

function carryOut(op: number, fields: Fields, to: DeviceModelOperations): void {
  switch (op) {
    case DmOp.CREATE_IOREQ_SERVER: {
      fields.zero(1, 3);
      fields.room(4, 2);
      // Arm's servers have no ring, as the interface is published: whoever wants one has the TypeScript interface.
      if (fields.u8(0) !== 0) throw new OperationError("EINVAL", "handle_bufioreq isn't OFF");
      return fields.put(4, 2, to.createServer(0));
    }
    case DmOp.GET_IOREQ_SERVER_INFO: {
      const flags = fields.u16(2);
      if ((flags & ~NO_GFNS) !== 0) throw new OperationError("EINVAL", `flags ${flags}`);
      fields.room(0, 24);
      const { bufferedPort } = to.serverInfo(fields.u16(0), (flags & NO_GFNS) !== 0);
      fields.put(4, 4, bufferedPort);
      fields.put(8, 8, 0);
      return fields.put(16, 8, 0);
    }
    case DmOp.MAP_IO_RANGE:
      fields.zero(2, 2);
      return to.mapRange(fields.u16(0), fields.u32(4), fields.u64(8), fields.u64(16));
    case DmOp.UNMAP_IO_RANGE:
      fields.zero(2, 2);
      return to.unmapRange(fields.u16(0), fields.u32(4), fields.u64(8), fields.u64(16));
    case DmOp.SET_IOREQ_SERVER_STATE:
      fields.zero(3, 1);
      return to.setServerState(fields.u16(0), fields.u8(2) !== 0);
    case DmOp.DESTROY_IOREQ_SERVER:
      fields.zero(2, 2);
      return to.destroyServer(fields.u16(0));
    case DmOp.SET_IRQ_LEVEL:
      fields.zero(5, 3);
      return to.setIrqLevel(fields.u32(0), fields.u8(4));
    case DmOp.NR_VCPUS:
      fields.room(0, 4);
      return fields.put(0, 4, to.vcpus);
    default:
      throw new OperationError("EOPNOTSUPP", `operation ${op}`);
  }
}
