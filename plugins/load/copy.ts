/** Copies bytes into a guest's RAM as EL2 software does: through mappings of its own, a bounded piece at a time. */
import { hex, PAGE_SIZE } from "../../core/mod.ts";
import type { Domain, HypervisorMap, Mapping } from "../../core/mod.ts";

/** Frames that are mapped at a time. */
export const FRAMES_AT_A_TIME = 64;

const DATA: Mapping = { read: true, write: true, execute: false, type: "normal-wb" };

/**
 * Copies to an IPA. Every store goes through EL2's translation: where EL2 has no mapping of its own, the guest's is of no help. Throws a
 * `RangeError`, before anything is written, when not all of the range is guest RAM, and a `MapRefusedError` when it can't be mapped.
 */
export function copyThroughMap(domain: Domain, map: HypervisorMap, ipa: number, bytes: Uint8Array): void {
  const end = ipa + bytes.length;
  for (let page = ipa - ipa % PAGE_SIZE; page < end; page += PAGE_SIZE) {
    if (!isRam(domain, Math.max(page, ipa), Math.min(page + PAGE_SIZE, end))) {
      throw new RangeError(`${domain.name}: ${bytes.length} bytes at IPA ${hex(ipa)}: not all of it is guest RAM`);
    }
  }
  for (let at = ipa; at < end;) {
    const frames = framesFrom(domain, at, end);
    const until = Math.min(end, at - at % PAGE_SIZE + frames.length * PAGE_SIZE);
    const mapping = map.vmap(frames, DATA);
    try {
      store(mapping.write.bind(mapping), at % PAGE_SIZE, bytes.subarray(at - ipa, until - ipa));
    } finally {
      map.unmap(mapping);
    }
    at = until;
  }
}

function isRam({ ram }: Domain, from: number, end: number): boolean {
  return ram.some(({ at, size }) => from >= at && end <= at + size);
}

/** Frames that follow one another, so that every world can map them at once. */
function framesFrom(domain: Domain, ipa: number, end: number): number[] {
  const frames: number[] = [];
  for (let page = ipa - ipa % PAGE_SIZE; page < end && frames.length < FRAMES_AT_A_TIME; page += PAGE_SIZE) {
    const pa = domain.space.lookup(page)?.pa;
    if (pa === undefined) throw new RangeError(`${domain.name}: IPA ${hex(page)} isn't mapped`);
    if (frames.length > 0 && pa !== frames[frames.length - 1] + PAGE_SIZE) break;
    frames.push(pa);
  }
  return frames;
}

/** Words where they fit, then bytes. */
function store(write: (offset: number, size: 1 | 8, value: bigint) => void, offset: number, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let done = 0;
  for (; done < bytes.length && (offset + done) % 8 !== 0; done++) write(offset + done, 1, BigInt(bytes[done]));
  for (; done + 8 <= bytes.length; done += 8) write(offset + done, 8, view.getBigUint64(done, true));
  for (; done < bytes.length; done++) write(offset + done, 1, BigInt(bytes[done]));
}
