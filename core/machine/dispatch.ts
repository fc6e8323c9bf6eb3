/**
 * Exception dispatch: what happens with an exception that was taken to EL2.
 *
 * A guest can put any value into the syndrome's sources. Whatever nobody claims gets the architectural answer and a
 * bounded trace event; a handler that throws is our bug and is reported to `failed`, naming its owner.
 */
import { hex } from "../memory/address.ts";
import { className, dataAbort, EC, genericName, systemAccess } from "../arch/syndrome.ts";
import type { ClaimTable } from "./claims.ts";
import type { CpuEngine, DescribedAccess, VcpuState } from "../arch/cpu_engine.ts";
import type { Vcpu } from "./domain.ts";
import type { GuestVcpu } from "./guest_vcpu.ts";
import type { Answer, ImmediateAnswer, SmcccResult, Trap } from "../arch/exceptions.ts";

/** What the scheduler does next with the vCPU. */
export type Next =
  | "run"
  | "wait"
  | "yield"
  /** An access waits for its answer: the vCPU is held. */
  | "later"
  | "stopped";

/** Kinds of exit, as the run's summary counts them. */
export type ExitKind = "mmio" | "hvc" | "smc" | "sysreg" | "wfi" | "wfe" | "abort" | "other";

/** What dispatch needs around it. */
export interface DispatchEnvironment {
  readonly claims: ClaimTable;
  readonly engine: CpuEngine;
  trace(kind: string, detail: () => string): void;
  count(kind: ExitKind): void;
  /** Our own bug: names the plugin and the hook. The domain is gone when this returns. */
  failed(owner: string, hook: string, error: unknown): void;
}

/** Synchronous external abort, as DFSC and IFSC. */
const EXTERNAL_ABORT = 0b010000;
const ALIGNMENT_FAULT = 0b100001;
/** Without the level. */
const PERMISSION_FAULT = 0b0011;
const NOT_SUPPORTED = 0xffff_ffff_ffff_ffffn;

const answers: ReadonlySet<unknown> = new Set<Answer>(["resume", "advance", "wait", "yield", "undefined", "unclaimed", "stopped"]);

/** A handler's result isn't one of the results that its contract allows. */
class BadAnswer extends TypeError {}

/** A trap that somebody may want to look into. */
class TakenTrap implements Trap {
  constructor(readonly vcpu: GuestVcpu, readonly ec: number, readonly iss: number) {}

  get esr(): bigint {
    return this.vcpu.state.read("ESR_EL2");
  }
}

/** Handles the exception that the vCPU's EL2 registers describe. */
export function dispatch(vcpu: GuestVcpu, environment: DispatchEnvironment): Next {
  const { syndrome } = vcpu.state;
  const trap = new TakenTrap(vcpu, syndrome >>> 26, syndrome & 0x1ff_ffff);
  // The same exit once more, whose handler said "later": it was counted then.
  if (vcpu.hasAnswer) return mmio(trap, vcpu, environment);
  const claim = environment.claims.class(trap.ec);
  if (claim !== undefined) {
    let answer: Answer;
    try {
      answer = claim.handler(trap);
      if (!answers.has(answer)) throw new BadAnswer(`the answer is ${typeof answer === "string" ? JSON.stringify(answer) : typeof answer}`);
    } catch (error) {
      environment.failed(claim.owner, `handler of exception class ${hex(trap.ec)}`, error);
      return "stopped";
    }
    if (answer !== "unclaimed") {
      environment.count(kindOf(trap));
      return settle(vcpu, answer);
    }
  }
  environment.count(kindOf(trap));
  switch (trap.ec) {
    case EC.WFX:
      return settle(vcpu, (trap.iss & 1) === 0 ? "wait" : "yield");
    case EC.HVC64:
      return call(trap, "hvc", environment);
    case EC.SMC64:
      return call(trap, "smc", environment);
    case EC.SYSTEM_REGISTER:
      return systemRegister(trap, environment);
    case EC.DATA_ABORT_LOWER:
      return mmio(trap, vcpu, environment);
    case EC.INSTRUCTION_ABORT_LOWER:
      environment.trace("instruction abort", () => {
        const why = (trap.iss & 63) >> 2 === PERMISSION_FAULT ? "which stage 2 doesn't let it execute" : "where nothing is";
        return `${where(vcpu)} fetches from ${hex(vcpu.state.read("FAR_EL2"))}, ${why}`;
      });
      return abort(trap, "fetch", EXTERNAL_ABORT);
    case EC.SERROR:
      environment.trace("SError", () => where(vcpu));
      return "run";
    default:
      environment.trace("unclaimed exception", () => `${where(vcpu)}: ${className(trap.ec)}, ESR_EL2 ${hex(trap.esr)}`);
      return settle(vcpu, "undefined");
  }
}

function kindOf({ ec, iss }: Trap): ExitKind {
  switch (ec) {
    case EC.WFX:
      return (iss & 1) === 0 ? "wfi" : "wfe";
    case EC.HVC64:
      return "hvc";
    case EC.SMC64:
      return "smc";
    case EC.SYSTEM_REGISTER:
      return "sysreg";
    case EC.DATA_ABORT_LOWER:
      return "mmio";
    case EC.INSTRUCTION_ABORT_LOWER:
      return "abort";
    default:
      return "other";
  }
}

function settle(vcpu: Vcpu, answer: Exclude<Answer, "unclaimed">): Next {
  if (vcpu.power === "off" || answer === "stopped") return "stopped";
  switch (answer) {
    case "resume":
      return "run";
    case "advance":
      vcpu.state.skip();
      return "run";
    case "wait":
    case "yield":
      vcpu.state.skip();
      return answer;
    case "undefined":
      // An HVC returns to behind itself; the UNDEFINED exception is the HVC's own.
      if (vcpu.state.syndrome >>> 26 === EC.HVC64) vcpu.state.pc = BigInt.asUintN(64, vcpu.state.pc - 4n);
      vcpu.inject({ kind: "undefined" });
      return "run";
  }
}

function abort({ vcpu }: Trap, access: "read" | "write" | "fetch", status: number): Next {
  vcpu.inject({ kind: "abort", access, va: vcpu.state.read("FAR_EL2"), status });
  return "run";
}

function call(trap: Trap, conduit: "hvc" | "smc", environment: DispatchEnvironment): Next {
  const { vcpu } = trap;
  const { state } = vcpu;
  if ((trap.iss & 0xffff) !== 0) {
    const owned = conduit === "hvc" ? environment.claims.immediate(trap.iss & 0xffff) : undefined;
    if (owned !== undefined) return immediateCall(trap, owned, environment);
    environment.trace("call with an immediate", () => `${where(vcpu)}: ${conduit} #${hex(trap.iss & 0xffff)}`);
    return settle(vcpu, "undefined");
  }
  const functionId = Number(state.x(0) & 0xffff_ffffn);
  const claim = environment.claims.calls(functionId, conduit);
  let result: SmcccResult = NOT_SUPPORTED;
  if (claim === undefined) {
    environment.trace("unknown call", () => `${where(vcpu)}: ${conduit} with function ${hex(functionId)}`);
  } else {
    // Bit 30 tells a 64-bit call; of a 32-bit call only the low halves of the arguments count.
    const width = (functionId & 0x4000_0000) !== 0 ? 64 : 32;
    const args = [1, 2, 3, 4, 5, 6].map((n) => BigInt.asUintN(width, state.x(n)));
    try {
      result = claim.handler.handler({ vcpu, conduit, functionId, args });
      checkResult(result);
    } catch (error) {
      environment.failed(claim.owner, `handler of function ${hex(functionId)}`, error);
      return "stopped";
    }
  }
  if (result === "stopped" || vcpu.power === "off") return "stopped";
  // A trapped SMC returns to itself, an HVC after itself. Arm ARM DDI 0487, "Traps of SMC instructions".
  if (conduit === "smc") state.skip();
  if (result === "wait") {
    state.setX(0, 0n);
    return "wait";
  }
  const values: readonly bigint[] = typeof result === "bigint" ? [result] : result;
  values.forEach((value, n) => state.setX(n, BigInt.asUintN(64, value)));
  return "run";
}

const immediateAnswers: ReadonlySet<unknown> = new Set<ImmediateAnswer>(["resume", "wait", "yield", "undefined", "stopped"]);

function immediateCall(
  trap: Trap,
  { owner, handler }: { readonly owner: string; readonly handler: (trap: Trap) => ImmediateAnswer },
  environment: DispatchEnvironment,
): Next {
  let answer: ImmediateAnswer;
  try {
    answer = handler(trap);
    if (!immediateAnswers.has(answer)) throw new BadAnswer(`the answer is a ${typeof answer}`);
  } catch (error) {
    environment.failed(owner, `handler of hvc #${hex(trap.iss & 0xffff)}`, error);
    return "stopped";
  }
  if (trap.vcpu.power === "off") return "stopped";
  return answer === "wait" || answer === "yield" ? answer : settle(trap.vcpu, answer);
}

function checkResult(result: unknown): void {
  if (typeof result === "bigint" || result === "stopped" || result === "wait") return;
  if (Array.isArray(result) && result.length <= 4 && result.every((value) => typeof value === "bigint")) return;
  throw new BadAnswer(`the result is a ${typeof result}; want a bigint, up to four of them, "wait" or "stopped"`);
}

function systemRegister(trap: Trap, environment: DispatchEnvironment): Next {
  const { vcpu } = trap;
  const access = systemAccess(trap.iss);
  const name = environment.engine.registerName?.(trap.iss) ?? genericName(access);
  // Nearly all claims are by the name that the manuals print.
  const claim = environment.claims.register(name) ?? environment.claims.register(genericName(access));
  const handler = claim?.handler;
  if (handler === undefined || (access.read ? handler.read : handler.write) === undefined) {
    environment.trace("unclaimed system register", () => `${where(vcpu)} ${access.read ? "reads" : "writes"} ${name}`);
    return settle(vcpu, "undefined");
  }
  try {
    if (access.read) {
      const value = handler.read!(vcpu);
      if (typeof value !== "bigint") throw new BadAnswer(`the value is a ${typeof value}; want a bigint`);
      vcpu.state.setX(access.register, BigInt.asUintN(64, value));
    } else {
      handler.write!(vcpu, vcpu.state.x(access.register));
    }
  } catch (error) {
    environment.failed(claim!.owner, `${access.read ? "read" : "write"} of ${name}`, error);
    return "stopped";
  }
  return settle(vcpu, "advance");
}

/** A stage 2 data abort: a virtual device, or nothing. Arm ARM DDI 0487, "ISS encoding for an exception from a Data Abort". */
function mmio(trap: Trap, vcpu: GuestVcpu, environment: DispatchEnvironment): Next {
  const { state } = vcpu;
  // Whatever comes of it, it is deferred no longer: who was to answer may be gone, and nobody may have the address now.
  let loaded = vcpu.takeAccess();
  const info = dataAbort(trap.iss);
  const direction = info.write ? "write" : "read";
  if (info.stage1Walk) return refuse(trap, environment, direction, "a stage 1 table lies where no memory is");
  if (info.status === ALIGNMENT_FAULT) {
    // Stage 1 says Normal, stage 2 Device: only there does an alignment fault come to EL2. The guest gets it as if it were stage 1's.
    const ipa = state.faultIpa;
    const text = `a ${direction} of memory that is Normal in stage 1 and Device in stage 2`;
    environment.trace(
      "attribute conflict",
      () => `${where(vcpu)}: attribute conflict at IPA ${hex(ipa)}: ${text}, ESR_EL2 ${hex(trap.esr)}`,
    );
    return abort(trap, direction, ALIGNMENT_FAULT);
  }
  // A store to memory that is mapped read-only is its window's: HPFAR_EL2 then holds the IPA as well, see CpuEngine.run.
  const isStoreToReadOnly = info.write && info.status >> 2 === PERMISSION_FAULT;
  if (info.status >> 2 >= PERMISSION_FAULT && !isStoreToReadOnly) return refuse(trap, environment, direction, "not a translation fault");
  if (info.farNotValid) return refuse(trap, environment, direction, "FAR_EL2 isn't valid");
  const ipa = state.faultIpa;
  const window = environment.claims.window(ipa);
  if (window === undefined) return refuse(trap, environment, direction, "nothing is there", ipa);
  if (info.cacheMaintenance) return settle(vcpu, "advance");
  const described: DescribedAccess | undefined = info.valid
    ? { write: info.write, transfers: [info], writeback: undefined }
    : environment.engine.describeAccess?.(state);
  if (described === undefined) {
    return refuse(trap, environment, direction, `${window.name}: the access isn't a load or store that can be emulated`, ipa);
  }
  const { size } = described.transfers[0];
  const offset = ipa - window.at;
  if (offset + size * described.transfers.length > window.size) {
    return refuse(trap, environment, direction, `the access reaches beyond the end of ${window.name}`, ipa);
  }
  if (offset % size !== 0) return refuse(trap, environment, direction, `unaligned access to ${window.name}`, ipa, ALIGNMENT_FAULT);
  const { owner, handler } = window.value;
  const bits = size * 8;
  try {
    // Nothing is written to a register before every part is there.
    while (loaded.length < described.transfers.length) {
      const { register } = described.transfers[loaded.length];
      const at = offset + loaded.length * size;
      const raw = described.write ? handler.write(at, size, BigInt.asUintN(bits, state.x(register)), vcpu) : handler.read(at, size, vcpu);
      if (raw === "bus_error") return refuse(trap, environment, direction, `${window.name} doesn't answer`, ipa);
      if (raw === "later") {
        vcpu.deferAccess(loaded);
        return vcpu.power === "off" ? "stopped" : "later";
      }
      if (!described.write && typeof raw !== "bigint" && !Number.isInteger(raw)) {
        throw new BadAnswer(`the value is a ${typeof raw}; want a whole number or bigint`);
      }
      const value = described.write ? 0 : raw!;
      loaded = loaded.length === 0 ? [value] : [...loaded, value];
    }
    if (!described.write) { for (let n = 0; n < loaded.length; n++) setLoaded(state, described.transfers[n], loaded[n]); }
    if (described.writeback) {
      const { register, value } = described.writeback;
      if (register === 31) state.guestSp = value;
      else state.setX(register, value);
    }
  } catch (error) {
    environment.failed(owner, `${direction} at offset ${hex(offset)}, ${size} bytes`, error);
    return "stopped";
  }
  return settle(vcpu, "advance");
}

/** The guest takes an abort instead. `ipa`: where it is known. */
function refuse(
  trap: Trap,
  environment: DispatchEnvironment,
  direction: "read" | "write",
  why: string,
  ipa?: number,
  status = EXTERNAL_ABORT,
): Next {
  const { vcpu } = trap;
  environment.trace("data abort", () => {
    const va = hex(vcpu.state.read("FAR_EL2"));
    return `${where(vcpu)}: ${direction} of VA ${va}${ipa === undefined ? "" : `, IPA ${hex(ipa)}`}: ${why}`;
  });
  return abort(trap, direction, status);
}

/** What a load leaves in its register. */
function setLoaded(
  state: VcpuState,
  { register, size, signExtend, wide }: DescribedAccess["transfers"][number],
  value: bigint | number,
): void {
  // Nearly all that devices answer.
  if (typeof value === "number" && size <= 4 && !signExtend) {
    return state.setXNumber(register, size === 4 ? value >>> 0 : value & (1 << size * 8) - 1);
  }
  const whole = BigInt(value);
  const extended = signExtend ? BigInt.asIntN(size * 8, whole) : BigInt.asUintN(size * 8, whole);
  state.setX(register, BigInt.asUintN(wide ? 64 : 32, extended));
}

function where(vcpu: Vcpu): string {
  return `${vcpu.domain.name} vCPU ${vcpu.index} at ${hex(vcpu.state.pc)}`;
}
