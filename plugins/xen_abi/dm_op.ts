/** HYPERVISOR_dm_op: a domain serves another one's devices. Xen's public header hvm/dm_op.h. */
import { Errno } from "../event_channels/contract.ts";
import { DM_OP_BYTES, dmOp } from "../ioreq/contract.ts";
import { isSelf, low32 } from "./xen_domain.ts";
import type { Handler } from "./xen_domain.ts";

/** Buffers of one call. */
const MOST_BUFFERS = 2;

/** HYPERVISOR_dm_op(domid, nr_bufs, bufs). */
export const deviceModelOp: Handler = (xen, vcpu, [domid, count, array]) => {
  const id = low32(domid) & 0xffff, length = low32(count);
  if (isSelf(xen, id)) return Errno.EPERM;
  const name = xen.nameOf(id);
  const target = name === undefined ? undefined : xen.peer(name);
  if (name === undefined || target === undefined || target.domain.outcome !== undefined) return Errno.ESRCH;
  if (!xen.allows(name, "device_model")) return Errno.EPERM;
  if (length > MOST_BUFFERS) return Errno.E2BIG;
  const buffers: { readonly at: bigint; readonly bytes: Uint8Array }[] = [];
  for (let n = 0; n < length; n++) {
    const buffer = xen.args.read(vcpu, array + BigInt(16 * n), 16);
    if (buffer === undefined) return Errno.EFAULT;
    const at = buffer.getBigUint64(0, true), size = buffer.getBigUint64(8, true);
    const bytes = xen.args.read(vcpu, at, size > BigInt(DM_OP_BYTES) ? DM_OP_BYTES : Number(size));
    if (bytes === undefined) return Errno.EFAULT;
    buffers.push({ at, bytes: new Uint8Array(bytes.buffer) });
  }
  const operations = xen.models.operations(target);
  if (operations === undefined) return Errno.EOPNOTSUPP;
  const result = dmOp(buffers.map(({ bytes }) => bytes), operations);
  if (result !== 0 || buffers.length === 0) return result;
  return xen.args.write(vcpu, buffers[0].at, buffers[0].bytes) ? 0 : Errno.EFAULT;
};
