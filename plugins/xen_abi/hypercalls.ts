/** HVC #0xEA1: the hypercall number is in X16, arguments in X0 to X4, the result in X0. Xen's public header arch-arm.h. */
import type { ImmediateAnswer, Vcpu } from "../../core/mod.ts";
import { Errno } from "../event_channels/contract.ts";
import { consoleIo } from "./console_io.ts";
import { deviceModelOp } from "./dm_op.ts";
import { eventChannelOp } from "./event_op.ts";
import { grantTableOp } from "./grant_op.ts";
import { hvmOp } from "./hvm_op.ts";
import { memoryOp } from "./memory_op.ts";
import { Hypercall } from "./numbers.ts";
import { schedOp } from "./sched_op.ts";
import { vcpuOp, vmAssist } from "./vcpu_op.ts";
import { xenVersion } from "./version.ts";
import type { Handler, Result, XenDomain } from "./xen_domain.ts";

const handlers: Readonly<Record<number, Handler>> = {
  [Hypercall.memory_op]: memoryOp,
  [Hypercall.xen_version]: xenVersion,
  [Hypercall.console_io]: consoleIo,
  [Hypercall.grant_table_op]: grantTableOp,
  [Hypercall.vm_assist]: vmAssist,
  [Hypercall.vcpu_op]: vcpuOp,
  [Hypercall.sched_op]: schedOp,
  [Hypercall.event_channel_op]: eventChannelOp,
  [Hypercall.hvm_op]: hvmOp,
  [Hypercall.dm_op]: deviceModelOp,
};

/** Answers one. EL0 can't get here: HVC is UNDEFINED there. */
export function hypercall(xen: XenDomain, vcpu: Vcpu): ImmediateAnswer {
  const { state } = vcpu;
  // The number is X16's low half: Xen's public header arch-arm.h says "r12/x16".
  const number = Number(state.x(16) & 0xffff_ffffn);
  const handler = handlers[number];
  if (handler === undefined) xen.trace("unknown hypercall", () => `vCPU ${vcpu.index}: ${number}`);
  return settle(vcpu, handler?.(xen, vcpu, [0, 1, 2, 3, 4].map((n) => state.x(n))) ?? Errno.ENOSYS);
}

function settle({ state }: Vcpu, result: Result): ImmediateAnswer {
  if (typeof result === "object") {
    result.again.forEach((value, n) => state.setX(n, BigInt.asUintN(64, value)));
    state.pc = BigInt.asUintN(64, state.pc - 4n);
    return "resume";
  }
  if (result === "stopped") return "stopped";
  if (result === "block" || result === "yield") {
    state.setX(0, 0n);
    return result === "block" ? "wait" : "yield";
  }
  state.setX(0, BigInt.asUintN(64, BigInt(result)));
  return "resume";
}
