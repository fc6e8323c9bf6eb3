/** SCHEDOP_*: waiting, and ending. Xen's public header sched.h. */
import type { Outcome, Vcpu } from "../../core/mod.ts";
import { Errno } from "../event_channels/contract.ts";
import { SchedOp, Shutdown } from "./numbers.ts";
import { low32 } from "./xen_domain.ts";
import type { Handler, Result, XenDomain } from "./xen_domain.ts";

/** Ports of one SCHEDOP_poll. */
const MAX_POLL = 128;

/** HYPERVISOR_sched_op(cmd, arg). */
export const schedOp: Handler = (xen, vcpu, [cmd, arg]) => {
  switch (low32(cmd)) {
    case SchedOp.yield:
      return "yield";
    case SchedOp.block:
      return "block";
    case SchedOp.shutdown: {
      const view = xen.args.read(vcpu, arg, 4);
      return view === undefined ? Errno.EFAULT : shutdown(xen, view.getUint32(0, true));
    }
    case SchedOp.poll:
      return poll(xen, vcpu, arg);
    default:
      return Errno.ENOSYS;
  }
};

function shutdown({ domain, trace }: XenDomain, reason: number): Result {
  trace("SCHEDOP_shutdown", () => `reason ${reason}`);
  const end = (outcome: Outcome): Result => {
    domain.end(outcome);
    return "stopped";
  };
  switch (reason) {
    case Shutdown.poweroff:
      return end({ kind: "power-off" });
    case Shutdown.reboot:
      return end({ kind: "reboot" });
    case Shutdown.watchdog:
      return end({ kind: "reboot", cause: "its watchdog, by Xen's SCHEDOP_shutdown" });
    case Shutdown.crash:
      return end({ kind: "crash", report: "the guest says so: SCHEDOP_shutdown with SHUTDOWN_crash" });
    case Shutdown.suspend:
    case Shutdown.soft_reset:
      // Nobody here saves it, or builds it anew around its memory.
      return Errno.EOPNOTSUPP;
    default:
      return Errno.EINVAL;
  }
}

/** Waits for an event at one of the ports, masked or not, at most until a time of the guest's system clock. */
function poll(xen: XenDomain, vcpu: Vcpu, arg: bigint): Result {
  const view = xen.args.read(vcpu, arg, 24);
  if (view === undefined) return Errno.EFAULT;
  const count = view.getUint32(8, true);
  if (count > MAX_POLL) return Errno.EINVAL;
  const list = xen.args.read(vcpu, view.getBigUint64(0, true), 4 * count);
  if (list === undefined) return Errno.EFAULT;
  const ports = Array.from({ length: count }, (_, n) => list.getUint32(4 * n, true));
  const { delivery } = xen.ports;
  if (ports.some((port) => !xen.ports.status(port)?.kind)) return Errno.EINVAL;
  if (ports.some((port) => delivery.isPending(port))) return 0;
  const timeout = view.getBigUint64(16, true);
  const nowNs = BigInt(Math.floor(xen.clock.nowNs));
  if (timeout !== 0n && timeout <= nowNs) return 0;
  xen.polls.wait(vcpu, ports, timeout === 0n ? undefined : Number(timeout));
  return "block";
}
