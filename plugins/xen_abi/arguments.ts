/**
 * What hypercalls point at: structures at virtual addresses of the calling kernel.
 *
 * What can a hostile guest do here? Pass any address. Each page of it goes through both stages with their permissions, and must be RAM that
 * the domain owns: not a device, not a page of another's. What is read is a copy, read once.
 */
import { PAGE_SIZE } from "../../core/mod.ts";
import type { CpuEngine, Domain, PhysicalMemory, Vcpu } from "../../core/mod.ts";

const VA_LIMIT = 1n << 64n;

/** Copies from and to one domain's kernels. */
export class Arguments {
  constructor(readonly domain: Domain, readonly memory: PhysicalMemory, readonly engine: CpuEngine) {}

  /** A copy of `size` bytes; `undefined`: not all of them can be read. */
  read(vcpu: Vcpu, va: bigint, size: number): DataView | undefined {
    const bytes = new Uint8Array(size);
    const pieces = this.places(vcpu, va, size, false);
    if (pieces === undefined) return undefined;
    for (const { pa, from, count } of pieces) bytes.set(this.memory.view(pa, count), from);
    return new DataView(bytes.buffer);
  }

  /** Copies in, all of it or nothing. */
  write(vcpu: Vcpu, va: bigint, bytes: Uint8Array): boolean {
    const pieces = this.places(vcpu, va, bytes.length, true);
    if (pieces === undefined) return false;
    for (const { pa, from, count } of pieces) {
      this.memory.view(pa, count).set(bytes.subarray(from, from + count));
      this.engine.memoryWritten(pa, count);
    }
    return true;
  }

  /** Where the bytes are, page by page; `undefined` when they aren't all the domain's own RAM, with that permission. */
  places(vcpu: Vcpu, va: bigint, size: number, write: boolean): { pa: number; from: number; count: number }[] | undefined {
    if (va + BigInt(size) > VA_LIMIT) return undefined;
    const pieces: { pa: number; from: number; count: number }[] = [];
    for (let from = 0; from < size;) {
      const at = va + BigInt(from);
      const count = Math.min(size - from, PAGE_SIZE - Number(at & 0xfffn));
      const pa = this.#translate(vcpu, at, write);
      if (pa === undefined || !this.memory.isRam(pa, count) || this.memory.ownerOf(pa)?.owner !== this.domain.name) return undefined;
      pieces.push({ pa, from, count });
      from += count;
    }
    return pieces;
  }

  /** An engine that can't tell has no stage 1. */
  #translate(vcpu: Vcpu, va: bigint, write: boolean): number | undefined {
    if (this.engine.translate !== undefined) return this.engine.translate(vcpu.state, va, write)?.pa;
    const found = va < 1n << 48n ? this.domain.space.lookup(Number(va)) : undefined;
    return found !== undefined && (write ? found.mapping.write : found.mapping.read) ? found.pa : undefined;
  }
}
