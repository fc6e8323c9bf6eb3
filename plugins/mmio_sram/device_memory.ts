/**
 * Who maps which physical memory beside RAM, and how: the list that keeps aliases of one page alike, and the two functions through which
 * more of it is mapped.
 */
import { hex, PAGE_SIZE } from "../../core/mod.ts";
import type { Domain, MemoryType, PlatformRange } from "../../core/mod.ts";
import { cacheability } from "./attributes.ts";
import { attributeCodes, AttributeConflictError, status } from "./contract.ts";
import type { DeviceMemory, MemoryMappingRequest, NodeMapping } from "./contract.ts";
import { isStrictEnoughForInterrupts, overlaps } from "./interrupt_frames.ts";

/** State: plain data. */
export interface DeviceMemoryState {
  claims: { at: number; size: number; type: MemoryType; who: string }[];
  permitted: { at: number; size: number; domain: string }[];
}

/** Frames of 48-bit addresses. */
const FRAME_LIMIT = 2 ** 36;

/** The implementation. `frames`: those of interrupt controllers. */
export class DeviceMemoryList implements DeviceMemory {
  /** Who decides about which nodes. */
  readonly hooks: Map<string, NodeMapping> = new Map();

  constructor(
    readonly state: DeviceMemoryState,
    readonly frames: readonly PlatformRange[],
    readonly trace: (kind: string, detail: () => string) => void,
  ) {}

  register(compatible: string, decide: NodeMapping): void {
    if (this.hooks.has(compatible)) throw new Error(`somebody decides about nodes with compatible ${compatible} already`);
    this.hooks.set(compatible, decide);
  }

  claim(at: number, size: number, type: MemoryType, who: string): void {
    const conflict = this.#conflict({ at, size }, type, who);
    if (conflict !== undefined) throw new AttributeConflictError(conflict);
    this.state.claims.push({ at, size, type, who });
  }

  release(at: number, size: number, who: string): void {
    const { claims } = this.state;
    const index = claims.findIndex((claim) => claim.at === at && claim.size === size && claim.who === who);
    if (index >= 0) claims.splice(index, 1);
  }

  permit(domain: Domain, at: number, size: number): void {
    this.state.permitted.push({ at, size, domain: domain.name });
  }

  mapDeviceMmio(domain: Domain, frame: number, gfn: number, attribute: number): number {
    const type = attributeCodes[attribute];
    if (type === undefined) return status.EOPNOTSUPP;
    return this.memoryMapping(domain, { firstGfn: gfn, firstMfn: frame, count: 1, add: true, type });
  }

  memoryMapping(domain: Domain, request: MemoryMappingRequest): number {
    const { firstGfn, firstMfn, count, add } = request;
    if (![firstGfn, firstMfn, count].every((value) => Number.isSafeInteger(value) && value >= 0) || count === 0) return status.EINVAL;
    if (firstGfn + count > FRAME_LIMIT || firstMfn + count > FRAME_LIMIT) return status.EINVAL;
    const range = { at: firstMfn * PAGE_SIZE, size: count * PAGE_SIZE };
    if (!this.#isPermitted(domain, range)) return this.#refuse(status.EPERM, `${domain.name} isn't permitted ${hex(range.at)}`);
    return add ? this.#add(domain, request, range) : this.#remove(domain, request, range);
  }

  /** What a domain leaves when it goes. Its mappings go with its address space. */
  forget(domain: Domain): void {
    this.state.claims = this.state.claims.filter(({ who }) => who !== domain.name);
    this.state.permitted = this.state.permitted.filter((grant) => grant.domain !== domain.name);
  }

  #add(domain: Domain, { firstGfn, type, permissions }: MemoryMappingRequest, range: PlatformRange): number {
    const conflict = this.#conflict(range, type, domain.name);
    if (conflict !== undefined) return this.#refuse(this.#relaxes(range, type) ? status.EPERM : status.EBUSY, conflict);
    try {
      domain.space.map(firstGfn * PAGE_SIZE, range.at, range.size, { read: true, write: true, execute: false, ...permissions, type });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.#refuse(status.EBUSY, error.message);
    }
    this.claim(range.at, range.size, type, domain.name);
    return status.ok;
  }

  #remove(domain: Domain, { firstGfn }: MemoryMappingRequest, { at, size }: PlatformRange): number {
    const claim = this.state.claims.find((candidate) => candidate.who === domain.name && candidate.at === at && candidate.size === size);
    for (let offset = 0; offset < size; offset += PAGE_SIZE) {
      if (domain.space.lookup(firstGfn * PAGE_SIZE + offset)?.pa !== at + offset) return status.EINVAL;
    }
    // A part of what was mapped at once would leave a claim that is too large: all of it, or nothing.
    if (claim === undefined) return status.EINVAL;
    domain.space.unmap(firstGfn * PAGE_SIZE, size);
    this.release(at, size, domain.name);
    return status.ok;
  }

  /** All of a range lies in what was permitted; grants may adjoin. */
  #isPermitted(domain: Domain, { at, size }: PlatformRange): boolean {
    let reached = at;
    for (;;) {
      const grant = this.state.permitted.find((entry) =>
        entry.domain === domain.name && entry.at <= reached && reached < entry.at + entry.size
      );
      if (grant === undefined) return false;
      reached = grant.at + grant.size;
      if (reached >= at + size) return true;
    }
  }

  #relaxes(range: PlatformRange, type: MemoryType): boolean {
    return !isStrictEnoughForInterrupts(type) && this.frames.some((frame) => overlaps(frame, range));
  }

  #conflict(range: PlatformRange, type: MemoryType, who: string): string | undefined {
    const where = `${hex(range.at)} to ${hex(range.at + range.size - 1)}`;
    if (this.#relaxes(range, type)) {
      return `${where} as ${type} for ${who}: the interrupt controller's frames stay Device-nGnRE or stricter`;
    }
    const other = this.state.claims.find((claim) => overlaps(claim, range) && cacheability(claim.type) !== cacheability(type));
    return other &&
      `${where} as ${type} for ${who}: ${other.who} maps ${hex(other.at)} as ${other.type}, and aliases of one page must agree`;
  }

  #refuse(result: number, why: string): number {
    this.trace("memory mapping refused", () => why);
    return result;
  }
}
