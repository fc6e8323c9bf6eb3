/** HVMOP_*: the domain's parameters. Xen's public headers hvm/hvm_op.h and hvm/params.h. */
import { Errno } from "../event_channels/contract.ts";
import { HVM_PARAMS, HvmOp, HvmParam } from "./numbers.ts";
import { isSelf, low32 } from "./xen_domain.ts";
import type { Handler } from "./xen_domain.ts";

/** What a guest may set: how it is called back. The rest is the hypervisor's word. */
const WRITABLE: ReadonlySet<number> = new Set([HvmParam.callback_irq]);

/** HYPERVISOR_hvm_op(op, arg): get and set. */
export const hvmOp: Handler = (xen, vcpu, [op, arg]) => {
  const command = low32(op);
  if (command !== HvmOp.get_param && command !== HvmOp.set_param) return Errno.ENOSYS;
  const view = xen.args.read(vcpu, arg, 16);
  if (view === undefined) return Errno.EFAULT;
  if (!isSelf(xen, view.getUint16(0, true))) return Errno.EPERM;
  const index = view.getUint32(4, true);
  if (index >= HVM_PARAMS) return Errno.EINVAL;
  const { params } = xen.state;
  if (command === HvmOp.set_param) {
    if (!WRITABLE.has(index)) return Errno.EPERM;
    params[index] = view.getBigUint64(8, true);
    return 0;
  }
  view.setBigUint64(8, params[index], true);
  return xen.args.write(vcpu, arg, new Uint8Array(view.buffer)) ? 0 : Errno.EFAULT;
};
