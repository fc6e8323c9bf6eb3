/** EVTCHNOP_*: event channels. Xen's public header event_channel.h. Structures are copied in once, and out when something is in them. */
import type { Vcpu } from "../../core/mod.ts";
import { CONTROL_BLOCK_SIZE, Errno, PortKind } from "../event_channels/contract.ts";
import { EventOp } from "./numbers.ts";
import { domainOf, isSelf, low32 } from "./xen_domain.ts";
import type { Handler, XenDomain } from "./xen_domain.ts";

/** Bytes of each operation's structure. */
const SIZE: Readonly<Record<number, number>> = {
  [EventOp.bind_interdomain]: 12,
  [EventOp.bind_virq]: 12,
  [EventOp.close]: 4,
  [EventOp.send]: 4,
  [EventOp.status]: 24,
  [EventOp.alloc_unbound]: 8,
  [EventOp.bind_ipi]: 8,
  [EventOp.bind_vcpu]: 8,
  [EventOp.unmask]: 4,
  [EventOp.reset]: 2,
  [EventOp.init_control]: 24,
  [EventOp.expand_array]: 8,
  [EventOp.set_priority]: 8,
};

/** HYPERVISOR_event_channel_op(cmd, arg). */
export const eventChannelOp: Handler = (xen, vcpu, [cmd, arg]) => {
  const op = low32(cmd);
  const size = SIZE[op];
  if (size === undefined) return Errno.ENOSYS;
  const view = xen.args.read(vcpu, arg, size);
  if (view === undefined) return Errno.EFAULT;
  const u32 = (at: number) => view.getUint32(at, true);
  const { ports, shared } = xen;
  /** A port that goes back to the guest; when it can't be told, it is closed again. */
  const port = (result: number, at: number) => {
    if (result < 0) return result;
    view.setUint32(at, result, true);
    if (xen.args.write(vcpu, arg, new Uint8Array(view.buffer))) return 0;
    ports.close(result);
    return Errno.EFAULT;
  };
  switch (op) {
    case EventOp.alloc_unbound: {
      if (!isSelf(xen, view.getUint16(0, true))) return Errno.EPERM;
      const name = domainOf(xen, view.getUint16(2, true));
      return name === undefined ? Errno.ESRCH : port(ports.allocateUnbound(name), 4);
    }
    case EventOp.bind_interdomain: {
      const name = domainOf(xen, view.getUint16(0, true));
      return name === undefined ? Errno.ESRCH : port(ports.bindInterdomain(name, u32(4)), 8);
    }
    case EventOp.bind_virq:
      return port(ports.bindVirq(u32(0), u32(4)), 8);
    case EventOp.bind_ipi:
      return port(ports.bindIpi(u32(0)), 4);
    case EventOp.close:
      return ports.close(u32(0));
    case EventOp.send:
      return ports.send(u32(0));
    case EventOp.bind_vcpu:
      return ports.bindVcpu(u32(0), u32(4));
    case EventOp.unmask:
      return ports.unmask(u32(0));
    case EventOp.set_priority:
      return ports.setPriority(u32(0), u32(4));
    case EventOp.status:
      return status(xen, vcpu, arg, view);
    case EventOp.reset:
      if (!isSelf(xen, view.getUint16(0, true))) return Errno.EPERM;
      ports.reset();
      shared.reset();
      return 0;
    case EventOp.init_control: {
      view.setUint8(16, 17);
      const done = shared.initControl(u32(12), view.getBigUint64(0, true), u32(8), CONTROL_BLOCK_SIZE);
      if (done < 0) return done;
      return xen.args.write(vcpu, arg, new Uint8Array(view.buffer)) ? 0 : Errno.EFAULT;
    }
    default:
      return shared.expandArray(view.getBigUint64(0, true));
  }
};

function status(xen: XenDomain, vcpu: Vcpu, arg: bigint, view: DataView): number {
  const domid = view.getUint16(0, true);
  if (!isSelf(xen, domid)) return xen.nameOf(domid) === undefined ? Errno.ESRCH : Errno.EPERM;
  const found = xen.ports.status(view.getUint32(4, true));
  if (found === undefined) return Errno.EINVAL;
  const { kind, remote, remotePort = 0, virq = 0 } = found;
  view.setUint32(8, kind, true);
  view.setUint32(12, found.vcpu, true);
  view.setUint32(16, 0, true);
  view.setUint32(20, 0, true);
  if (kind === PortKind.virq) view.setUint32(16, virq, true);
  if (kind === PortKind.unbound || kind === PortKind.interdomain) {
    view.setUint16(16, remote === undefined ? 0 : xen.channels.idOf(remote), true);
    view.setUint32(20, remotePort, true);
  }
  return xen.args.write(vcpu, arg, new Uint8Array(view.buffer)) ? 0 : Errno.EFAULT;
}
