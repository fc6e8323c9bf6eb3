/** What a CPU's thread is told when it starts. */
import type { RamBank } from "../../../../core/mod.ts";
import type { SmcPolicy } from "../exceptions.ts";
import type { Tier1Mode } from "../tier1/tier1.ts";
import type { CpuModel } from "../../sysregs/mod.ts";

/** Plain data and shared memory. */
export interface WorkerStart {
  readonly cpu: number;
  readonly cpus: number;
  readonly memory: WebAssembly.Memory;
  readonly banks: readonly RamBank[];
  /** Which pages of the memory may hold something else than zeroes. */
  readonly touched: Uint8Array;
  /** Where the CPU's own areas of the memory begin, one after the other. */
  readonly area: number;
  /** Address of the word for accesses of 128 bits. */
  readonly lock: number;
  /** Address of the first CPU's word of attention. */
  readonly attention: number;
  readonly control: SharedArrayBuffer;
  /** For each frame of the memory the CPUs that hold decoded code of it, as a bit set. */
  readonly frames: SharedArrayBuffer;
  readonly model: CpuModel;
  readonly counterFrequencyHz: number;
  readonly smc: SmcPolicy;
  readonly tier1: Tier1Mode;
}

/** Most CPUs that fit the engine's part of the memory. */
export const MAX_PARALLEL_CPUS = 8;

/** Pages of decoded code that each CPU keeps. */
export function codePagesFor(cpus: number): number {
  return cpus <= 2 ? 2048 : 4096 / cpus >>> 0;
}

/** What a thread posts; `uncompiled`: what its compiler has a fault with. */
export type WorkerReply = { readonly kind: "ready" } | { readonly kind: "failed" | "uncompiled"; readonly text: string };
