/** VCPUOP_* and VMASST_*: where a vCPU's info and runstate are. Xen's public header vcpu.h. */
import { PAGE_SIZE } from "../../core/mod.ts";
import type { Vcpu } from "../../core/mod.ts";
import { Errno, GuestPage } from "../event_channels/contract.ts";
import { VcpuOp } from "./numbers.ts";
import { RUNSTATE_SIZE, runstateBytes } from "./runstate.ts";
import type { RunstatePiece } from "./runstate.ts";
import { low32 } from "./xen_domain.ts";
import type { Handler, XenDomain } from "./xen_domain.ts";

/** HYPERVISOR_vcpu_op(cmd, vcpuid, extra_args). */
export const vcpuOp: Handler = (xen, vcpu, [cmd, id, arg]) => {
  const target = xen.domain.vcpus[low32(id)];
  if (target === undefined) return Errno.ENOENT;
  switch (low32(cmd)) {
    case VcpuOp.register_vcpu_info: {
      const view = xen.args.read(vcpu, arg, 16);
      if (view === undefined) return Errno.EFAULT;
      return xen.shared.register(target.index, view.getBigUint64(0, true), view.getUint32(8, true));
    }
    case VcpuOp.register_runstate_memory_area: {
      const view = xen.args.read(vcpu, arg, 8);
      return view === undefined ? Errno.EFAULT : registerRunstate(xen, vcpu, target, view.getBigUint64(0, true));
    }
    case VcpuOp.get_runstate_info:
      return xen.args.write(vcpu, arg, runstateBytes(target)) ? 0 : Errno.EFAULT;
    default:
      return Errno.ENOSYS;
  }
};

/** The area is where it is now: its pages are pinned, and not looked up again. */
function registerRunstate(xen: XenDomain, vcpu: Vcpu, target: Vcpu, va: bigint): number {
  const places = xen.args.places(vcpu, va, RUNSTATE_SIZE, true);
  if (places === undefined) return Errno.EFAULT;
  const pieces = places.map(({ pa, from, count }): RunstatePiece => {
    const offset = pa % PAGE_SIZE;
    return { page: GuestPage.hold(xen, xen.domain.name, pa - offset), offset, from, count };
  });
  xen.runstates.register(target, pieces);
  return 0;
}

/** The only assist that means something here, and it holds by itself: no vCPU sees an area that is half written. */
const RUNSTATE_UPDATE_FLAG = 5n;

/** HYPERVISOR_vm_assist(cmd, type). */
export const vmAssist: Handler = (_xen, _vcpu, [cmd, type]) => cmd <= 1n && type === RUNSTATE_UPDATE_FLAG ? 0 : Errno.EINVAL;
