/** Exception dispatch: which plugin answers a trap to EL2. */
import type { Vcpu } from "../machine/domain.ts";

/** A trap, with its syndrome decoded once. */
export interface Trap {
  /** Whose trap. */
  readonly vcpu: Vcpu;
  /** ESR_EL2. */
  readonly esr: bigint;
  /** ESR_EL2.EC. */
  readonly ec: number;
  /** ESR_EL2.ISS, 25 bits. */
  readonly iss: number;
}

/** The answer of a handler. */
export type Answer =
  /** Go on at the preferred return address. HVC and SVC: already after the instruction. */
  | "resume"
  /** Skip the trapped instruction (PC + 4), then go on. */
  | "advance"
  /** Block the vCPU until an interrupt is pending for it; resumes as `"advance"` when it wakes. */
  | "wait"
  /** Give the rest of the slice away; resumes as `"advance"`. */
  | "yield"
  /** The instruction is UNDEFINED for the guest. */
  | "undefined"
  /** Not mine: ask the next owner, or give the architectural answer. */
  | "unclaimed"
  /** The vCPU no longer runs (CPU_OFF, system off): the handler has set its state. */
  | "stopped";

/** A call through HVC or SMC: SMC Calling Convention (Arm DEN 0028). */
export interface SmcccCall {
  /** The caller. */
  readonly vcpu: Vcpu;
  /** The instruction that it called with. */
  readonly conduit: "hvc" | "smc";
  /** W0. */
  readonly functionId: number;
  /** X1 to X6; for SMC32 functions only the low 32 bits are kept. */
  readonly args: readonly bigint[];
}

/** What a call returns: X0 (and X1 to X3), or that the vCPU does not come back from it. */
export type SmcccResult = bigint | readonly bigint[] | "stopped" | "wait";

/** The answer to a call whose instruction has an immediate: as {@linkcode Answer}, but an HVC returns to behind itself: nothing is skipped. */
export type ImmediateAnswer = Exclude<Answer, "advance" | "unclaimed">;

/** Serves a window of addresses. */
export interface MmioHandler {
  /** `offset` from the window's start; `size` 1, 2, 4 or 8 bytes. */
  read(offset: number, size: number, vcpu?: Vcpu): bigint | number;
  /** `value` has no bits beyond `size`. */
  write(offset: number, size: number, value: bigint, vcpu?: Vcpu): void;
}

/**
 * Instead of a value. `later`: the vCPU waits, and no interrupt ends that; after `Vcpu.resumeAccess` the same access comes again, with no
 * instruction of the guest in between. `bus_error`: the guest takes a synchronous external abort.
 */
export type MmioAnswer = "later" | "bus_error";

/** Serves a window whose answer may come later: a device model that runs elsewhere. */
export interface DeferringMmioHandler {
  /** As {@linkcode MmioHandler.read}. */
  read(offset: number, size: number, vcpu: Vcpu | undefined): bigint | number | MmioAnswer;
  /** As {@linkcode MmioHandler.write}. */
  write(offset: number, size: number, value: bigint, vcpu: Vcpu | undefined): void | MmioAnswer;
}

/** Claims. A claim that overlaps another throws, naming both owners. */
export interface Exceptions {
  /** A whole exception class. */
  claim(ec: number, handler: (trap: Trap) => Answer): void;
  /** SMCCC functions `from` to `to`, inclusive; the conduits that may reach them. */
  claimCalls(from: number, to: number, conduits: readonly ("hvc" | "smc")[], handler: (call: SmcccCall) => SmcccResult): void;
  /** HVC with this immediate (not 0, which SMCCC has): a hypervisor's own calls. Registers are the handler's to read and write. */
  claimImmediate(immediate: number, handler: (trap: Trap) => ImmediateAnswer): void;
  /** A trapped system register, by name. */
  claimRegister(register: string, handler: { read?(vcpu: Vcpu): bigint; write?(vcpu: Vcpu, value: bigint): void }): void;
  /** A window of IPAs that stage 2 doesn't map. Where it maps them read-only, only stores come here. */
  claimMmio(at: number, size: number, name: string, handler: DeferringMmioHandler): void;
  /**
   * IPAs that stage 2 doesn't map and nobody's window holds, where the handler says that it `holds` them, at offsets that are the IPAs
   * themselves: for ranges that come and go while the guest runs.
   */
  claimOtherMmio(handler: DeferringMmioHandler & { holds(ipa: number): boolean }): void;
}
