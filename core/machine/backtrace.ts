/** The calls that led to where a vCPU is, by the frame pointers that compilers leave. */
import type { CpuEngine } from "../arch/cpu_engine.ts";
import type { Vcpu } from "./domain.ts";
import type { PhysicalMemory } from "../memory/physical_memory.ts";

/** What a walk over frames needs. */
export interface FrameSources {
  /** Who translates the guest's addresses. */
  readonly engine: Pick<CpuEngine, "translate">;
  /** Where the frames are. */
  readonly memory: Pick<PhysicalMemory, "view">;
}

/** Frames that are followed: a guest may have made a ring of them. */
const MOST_FRAMES = 64;
const FRAME_POINTER = 29;

/**
 * Return addresses, innermost first, without the PC itself. Frame records are Arm's (AAPCS64, "The Frame Pointer"): the caller's frame pointer,
 * then the return address. Ends at what can't be read: the frames are the guest's own.
 */
export function callers(vcpu: Vcpu, { engine, memory }: FrameSources, most: number = MOST_FRAMES): bigint[] {
  const found: bigint[] = [];
  let frame = vcpu.state.x(FRAME_POINTER);
  while (found.length < most && frame !== 0n && (frame & 7n) === 0n) {
    const record = read(vcpu, frame, engine, memory);
    if (record === undefined || record.returnTo === 0n) break;
    found.push(withoutSignature(record.returnTo));
    if (record.frame === frame) break;
    frame = record.frame;
  }
  return found;
}

function read(vcpu: Vcpu, frame: bigint, engine: FrameSources["engine"], memory: FrameSources["memory"]) {
  // A record doesn't cross pages when it is aligned to its size, and is rare enough otherwise.
  if ((frame & 0xfffn) > 0xff0n) return undefined;
  const place = engine.translate?.(vcpu.state, frame, false);
  if (place === undefined) return undefined;
  try {
    const bytes = memory.view(place.pa, 16);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
    return { frame: view.getBigUint64(0, true), returnTo: view.getBigUint64(8, true) };
  } catch {
    return undefined; // A device, or nothing.
  }
}

/** Pointer authentication puts a signature above the address: bit 55 says which half it belongs to. */
function withoutSignature(address: bigint): bigint {
  const isHigh = (address >> 55n & 1n) !== 0n;
  return isHigh ? BigInt.asUintN(64, BigInt.asIntN(48, address | 1n << 47n)) : address & 0xffff_ffff_ffffn;
}
