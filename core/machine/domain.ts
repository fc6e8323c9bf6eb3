/** Domains and vCPUs, as plugins see them. */
import type { Ipa } from "../memory/address.ts";
import type { Injected, VcpuState } from "../arch/cpu_engine.ts";
import type { AddressSpace } from "../memory/memory_backend.ts";
import type { DomainSpec } from "../board/board.ts";

/** How a domain ended. */
export type Outcome =
  | { readonly kind: "power-off"; readonly code?: number }
  /** Asks to start over. `cause` when it isn't the guest's own wish: a watchdog. */
  | { readonly kind: "reboot"; readonly cause?: string }
  | { readonly kind: "crash"; readonly report: string };

/** What a vCPU does: it has a physical CPU, waits for one, waits for an interrupt, or is powered down. */
export type RunState = "running" | "runnable" | "blocked" | "offline";

/** Where a vCPU's time went. The four parts add up to its age. */
export interface RunStates {
  /** Now. */
  readonly state: RunState;
  /** Virtual time at which it got into that state. */
  readonly sinceNs: number;
  /** Virtual nanoseconds in each state since its domain was built. */
  readonly spentNs: Readonly<Record<RunState, number>>;
}

/** One virtual CPU. */
export interface Vcpu {
  /** Unique on the board. */
  readonly id: number;
  /** Within its domain, from 0. */
  readonly index: number;
  /** Whose it is. */
  readonly domain: Domain;
  /** Its registers. */
  readonly state: VcpuState;
  /** `off`: powered down (PSCI); `runnable`; `blocked`: waits for an interrupt, for a device's answer, or because its domain is paused. */
  readonly power: "off" | "runnable" | "blocked";
  /** The physical CPU that runs it, or is about to. */
  readonly pcpu?: number;
  /** It doesn't run, whatever is pending: a device owes it an answer, or its domain is paused. */
  readonly isHeld: boolean;
  /** Virtual nanoseconds for which it could run and had no physical CPU, since its domain was built. */
  readonly stolenNs: number;
  /** What it does and what it did, for whoever tells its guest. */
  readonly runStates: RunStates;
  /** Powers it up at an entry point (PSCI CPU_ON): registers reset, PC and X0 set, then runnable. */
  start(entry: bigint, x0: bigint): void;
  /** Powers it down. */
  stop(): void;
  /** An interrupt may have become pending: unblocks it if so, and makes a running one look. */
  kick(): void;
  /** The answer to an access is there, to which an `MmioHandler` said "later": it is taken to EL2 again. Nothing happens when there is none. */
  resumeAccess(): void;
  /** Takes a synchronous exception to EL1. */
  inject(exception: Injected): void;
}

/** One guest. */
export interface Domain {
  /** As the manifest names it; unique on the board. */
  readonly name: string;
  /** What the manifest says. */
  readonly spec: DomainSpec;
  /** By index. */
  readonly vcpus: readonly Vcpu[];
  /** Its stage 2. */
  readonly space: AddressSpace;
  /** Guest RAM, IPA ranges. */
  readonly ram: readonly { readonly at: Ipa; readonly size: number }[];
  /** How it ended; absent while it lives. */
  readonly outcome?: Outcome;
  /** Copies bytes into guest RAM; in pages that were given back they vanish. Throws a `RangeError` outside it. */
  writeMemory(ipa: Ipa, bytes: Uint8Array): void;
  /** Copies guest RAM out; pages that were given back are zeroes. Throws a `RangeError` outside it. */
  readMemory(ipa: Ipa, size: number): Uint8Array;
  /** The same into bytes that are there. Throws a `RangeError` outside guest RAM; nothing is changed then. */
  readMemoryInto(ipa: Ipa, into: Uint8Array): void;
  /**
   * Gives pages of guest RAM back to the board: unmapped, their frames free for others. What was given back before stays so. False, and nothing
   * changed, where the memory backend can't (an MPU's regions, no frame for a table). Throws a `RangeError` outside guest RAM.
   */
  giveBack(ipa: Ipa, sizeBytes: number): boolean;
  /** Called when pages were given back, before their frames are free: whoever holds references drops them. */
  onGivenBack(hook: (ipa: Ipa, sizeBytes: number) => void): void;
  /** The counterpart of {@linkcode giveBack}: pages that are missing are there again, zeroed. False when frames run out: some may still be missing. */
  takeBack(ipa: Ipa, sizeBytes: number): boolean;
  /** Holds all its vCPUs until as many calls of {@linkcode unpause}. What is pending for them stays pending. */
  pause(): void;
  /** Takes one {@linkcode pause} back. */
  unpause(): void;
  /** Ends the domain: all its vCPUs stop before anyone hears of it. */
  end(outcome: Outcome): void;
}
