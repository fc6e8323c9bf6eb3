/** A memory backend that keeps its mappings in a map, one entry per page. */
import { PAGE_SIZE } from "../memory/address.ts";
import type { AddressSpace, Mapping, MemoryBackend } from "../memory/memory_backend.ts";
import type { VcpuState } from "../arch/cpu_engine.ts";

/** An address space without tables. */
export class FakeAddressSpace implements AddressSpace {
  /** By IPA. */
  readonly pages: Map<number, { readonly pa: number; readonly mapping: Mapping }> = new Map();
  /** vCPUs that it was installed on. */
  readonly installed: VcpuState[] = [];
  /** After {@linkcode destroy}. */
  destroyed = false;

  map(ipa: number, pa: number, sizeBytes: number, mapping: Mapping): void {
    for (let offset = 0; offset < sizeBytes; offset += PAGE_SIZE) {
      if (this.pages.has(ipa + offset)) throw new RangeError(`IPA ${ipa + offset} is mapped already`);
    }
    for (let offset = 0; offset < sizeBytes; offset += PAGE_SIZE) this.pages.set(ipa + offset, { pa: pa + offset, mapping });
  }

  unmap(ipa: number, sizeBytes: number): void {
    for (let offset = 0; offset < sizeBytes; offset += PAGE_SIZE) this.pages.delete(ipa + offset);
  }

  lookup(ipa: number): { readonly pa: number; readonly mapping: Mapping } | undefined {
    const offset = ipa % PAGE_SIZE;
    const page = this.pages.get(ipa - offset);
    return page && { pa: page.pa + offset, mapping: page.mapping };
  }

  install(vcpu: VcpuState): void {
    this.installed.push(vcpu);
  }

  destroy(): void {
    this.destroyed = true;
    this.pages.clear();
  }
}

/** Makes such address spaces. */
export class FakeMemoryBackend implements MemoryBackend {
  readonly name = "fake";
  /** `directMapOnly`: as with an MPU. */
  constructor(readonly directMapOnly: boolean = false) {}
  /** By domain. */
  readonly spaces: Map<string, FakeAddressSpace> = new Map();

  createAddressSpace(domainName: string): FakeAddressSpace {
    const space = new FakeAddressSpace();
    this.spaces.set(domainName, space);
    return space;
  }
}
