/** Exceptions to EL2, in words. */
import { dataAbort, EC, hex, systemAccess } from "../../core/mod.ts";
import type { CpuEngine, Vcpu } from "../../core/mod.ts";

/** One of them. */
export interface ExitEvent {
  /** As the summary of a run counts it. */
  readonly kind: string;
  readonly name: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** An exception to EL2 in words. Arm ARM DDI 0487, "ESR_EL2, Exception Syndrome Register (EL2)". */
export function exitOf({ state }: Vcpu, engine: CpuEngine, deviceAt: (ipa: number) => string | undefined): ExitEvent {
  const esr = Number(state.read("ESR_EL2") & 0xffff_ffffn);
  const [ec, iss] = [esr >>> 26, esr & 0x1ff_ffff];
  switch (ec) {
    case EC.WFX:
      return { kind: (iss & 1) === 0 ? "wfi" : "wfe", name: (iss & 1) === 0 ? "WFI" : "WFE" };
    case EC.HVC64:
    case EC.SMC64: {
      const kind = ec === EC.HVC64 ? "hvc" : "smc";
      return { kind, name: `${kind} ${hex(Number(state.x(0) & 0xffff_ffffn))}`, args: { x1: hex(state.x(1)) } };
    }
    case EC.SYSTEM_REGISTER: {
      const { read } = systemAccess(iss);
      return { kind: "sysreg", name: `${read ? "read" : "write"} ${engine.registerName?.(iss) ?? hex(iss)}` };
    }
    case EC.DATA_ABORT_LOWER: {
      const ipa = Number(state.read("HPFAR_EL2") >> 4n & 0xff_ffff_ffffn) * 4096 + Number(state.read("FAR_EL2") & 0xfffn);
      const { write, valid, size } = dataAbort(iss);
      const name = `${deviceAt(ipa) ?? "nothing"} ${write ? "write" : "read"}`;
      return { kind: "mmio", name, args: { ipa: hex(ipa), ...valid && { bytes: size } } };
    }
    case EC.INSTRUCTION_ABORT_LOWER:
      return { kind: "abort", name: "instruction abort" };
    default:
      return { kind: "other", name: `EC ${hex(ec)}` };
  }
}
