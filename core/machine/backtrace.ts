/** The calls that led to where a vCPU is, by the frame pointers that compilers leave. */
import type { CpuEngine } from "../arch/cpu_engine.ts";
import type { Vcpu } from "./domain.ts";
import { PAGE_SIZE } from "../memory/address.ts";
import type { PhysicalMemory } from "../memory/physical_memory.ts";

/** What a walk over frames needs. */
export interface FrameSources {
  /** Who translates the guest's addresses. */
  readonly engine: Pick<CpuEngine, "translate">;
  /** Where the frames are. */
  readonly memory: Pick<PhysicalMemory, "isRam" | "view">;
}

/** Frames that are followed: a guest may have made a ring of them. */
const MOST_FRAMES = 64;
const FRAME_POINTER = 29;

/** Who called whom. */
export interface Calls {
  /** Return addresses, innermost first, without the PC itself. */
  readonly callers: readonly bigint[];
  /** A Linux kernel's: the program that it was entered from at EL0, where that is known. */
  readonly program?: { readonly pc: bigint; readonly callers: readonly bigint[] };
}

/**
 * Where in Linux's saved registers (`struct pt_regs` of arm64, the same since 5.10) the frame record lies that ends a kernel's frames, all
 * zeroes when they are a program's; and X29, PC and PSTATE.
 */
const SAVED = { record: 304, x29: 29 * 8, pc: 256, pstate: 264 } as const;

/**
 * Follows frame records, which are Arm's (AAPCS64, "The Frame Pointer"): the caller's frame pointer, then the return address. Ends at what
 * can't be read: the frames are the guest's own.
 */
export function calls(vcpu: Vcpu, sources: FrameSources): Calls {
  const { callers, last } = follow(vcpu, vcpu.state.x(FRAME_POINTER), sources);
  const word = (at: number) => last === undefined ? undefined : pair(vcpu, last - BigInt(SAVED.record - at), sources)?.[0];
  const [x29, pc, pstate] = [word(SAVED.x29), word(SAVED.pc), word(SAVED.pstate)];
  // AArch64, EL0, and an address of the lower half.
  const isProgram = pc !== undefined && pstate !== undefined && (pstate & 0x1fn) === 0n && pc !== 0n && pc >> 48n === 0n;
  return isProgram ? { callers, program: { pc, callers: follow(vcpu, x29!, sources).callers } } : { callers };
}

/** Return addresses, innermost first, without the PC itself. */
export function callers(vcpu: Vcpu, sources: FrameSources): readonly bigint[] {
  return follow(vcpu, vcpu.state.x(FRAME_POINTER), sources).callers;
}

/** `last`: where the record of zeroes lies that ended them. */
function follow(vcpu: Vcpu, from: bigint, sources: FrameSources): { readonly callers: bigint[]; readonly last?: bigint } {
  const callers: bigint[] = [];
  let frame = from;
  while (callers.length < MOST_FRAMES && frame !== 0n && (frame & 7n) === 0n) {
    const record = pair(vcpu, frame, sources);
    if (record === undefined) break;
    const [next, returnTo] = record;
    if (returnTo === 0n) return next === 0n ? { callers, last: frame } : { callers };
    callers.push(withoutSignature(returnTo));
    if (next === frame) break;
    frame = next;
  }
  return { callers };
}

/** Two words; `undefined` where they can't be read. */
function pair(vcpu: Vcpu, va: bigint, sources: FrameSources): readonly [bigint, bigint] | undefined {
  const bytes = readVirtual(vcpu, va, 16, sources);
  if (bytes.length < 16) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return [view.getBigUint64(0, true), view.getBigUint64(8, true)];
}

/** Memory as the code of a vCPU sees it: as much of it as is RAM, from the first byte on. */
export function readVirtual(vcpu: Vcpu, va: bigint, size: number, { engine, memory }: FrameSources): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const at = BigInt.asUintN(64, va + BigInt(done));
    const length = Math.min(size - done, PAGE_SIZE - Number(at % BigInt(PAGE_SIZE)));
    const place = engine.translate?.(vcpu.state, at, false);
    if (place === undefined || !memory.isRam(place.pa, length)) return bytes.subarray(0, done);
    bytes.set(memory.view(place.pa, length), done);
    done += length;
  }
  return bytes;
}

/** Pointer authentication puts a signature above the address: bit 55 says which half it belongs to. */
function withoutSignature(address: bigint): bigint {
  const isHigh = (address >> 55n & 1n) !== 0n;
  return isHigh ? BigInt.asUintN(64, BigInt.asIntN(48, address | 1n << 47n)) : address & 0xffff_ffff_ffffn;
}
