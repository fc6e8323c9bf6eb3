/** A domain: its RAM, its address space, its vCPUs, and how it ends. */
import { hex, PAGE_SIZE } from "../memory/address.ts";
import { MAX_ORDER } from "../memory/buddy.ts";
import type { DomainSpec } from "../board/board.ts";
import type { CacheColours } from "../memory/cache_colours.ts";
import type { CpuEngine } from "../arch/cpu_engine.ts";
import type { Domain, Outcome } from "./domain.ts";
import { GuestVcpu } from "./guest_vcpu.ts";
import type { SavedVcpu, VcpuListener } from "./guest_vcpu.ts";
import type { AddressSpace, Mapping, MemoryBackend } from "../memory/memory_backend.ts";
import { rangeText, WindowTable } from "../memory/mmio.ts";
import type { PhysicalMemory } from "../memory/physical_memory.ts";
import { OutOfFramesError } from "../memory/ram.ts";

/** What a domain is made from. */
export interface DomainParts {
  readonly engine: CpuEngine;
  readonly backend: MemoryBackend;
  readonly memory: PhysicalMemory;
  readonly listener: VcpuListener;
  /** What its RAM may have; absent: any. */
  readonly colours?: CacheColours;
  /** The smallest vCPU id that is free. */
  readonly nextVcpuId: () => number;
  /** After a vCPU's registers were reset: the reset hooks. */
  readonly vcpuReset: (vcpu: GuestVcpu) => void;
  readonly ended: (domain: GuestDomain) => void;
  /** It comes out of a snapshot: {@linkcode GuestDomain.load} says where its RAM is. */
  readonly isRestored?: boolean;
}

/** A domain in a snapshot. */
export interface SavedDomain {
  readonly name: string;
  readonly outcome: Outcome | undefined;
  /** IPA, size and PA of each piece of RAM. */
  readonly chunks: number[][];
  /** What the memory backend keeps beside its tables. */
  readonly space: unknown;
  readonly vcpus: SavedVcpu[];
}

const GUEST_RAM: Mapping = { read: true, write: true, execute: true, type: "normal-wb" };

/** Core's implementation of {@linkcode Domain}. */
export class GuestDomain implements Domain {
  readonly name: string;
  readonly vcpus: GuestVcpu[] = [];
  readonly space: AddressSpace;
  readonly ram: readonly { readonly at: number; readonly size: number }[];
  readonly #chunks = new WindowTable<number>("guest RAM");
  readonly #givenBack: ((ipa: number, size: number) => void)[] = [];
  /** Where frames of its colours were found last. */
  #lastTaken = 0;
  #outcome: Outcome | undefined;
  #destroyed = false;

  /** Allocates and maps RAM and creates the vCPUs. Gives everything back when it throws. */
  constructor(readonly spec: DomainSpec, readonly parts: DomainParts) {
    this.name = spec.name;
    this.ram = spec.memory.map(({ at, size }) => ({ at, size }));
    this.space = parts.backend.createAddressSpace(spec.name, parts.colours);
    try {
      if (!parts.isRestored) { for (const { at, size } of this.ram) this.#populate(at, size); }
      for (let index = 0; index < spec.vcpus; index++) {
        this.vcpus.push(new GuestVcpu(parts.nextVcpuId(), index, this, parts.engine, parts.listener));
        this.space.install(this.vcpus[index].state);
      }
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** For a snapshot. */
  save(): SavedDomain {
    return {
      name: this.name,
      outcome: this.#outcome,
      chunks: this.#chunks.all.map(({ at, size, value }) => [at, size, value]),
      space: this.space.save?.(),
      vcpus: this.vcpus.map((vcpu) => vcpu.save()),
    };
  }

  /** The counterpart of {@linkcode save}: in a domain of the same specification, nobody is told. Throws when the pieces aren't its RAM. */
  load({ outcome, chunks, space, vcpus }: SavedDomain): void {
    const pieces = chunks.map(([at, size, pa]) => ({ at, size, pa }));
    for (const { at, size, pa } of pieces) {
      this.#checkPages(at, size);
      if (!this.parts.memory.isRam(pa, size)) throw new RangeError(`${this.name}: PA ${hex(pa)} isn't RAM`);
    }
    for (const { at } of [...this.#chunks.all]) this.#chunks.remove(at);
    for (const { at, size, pa } of pieces) this.#chunks.add(at, size, "RAM", pa);
    this.#outcome = outcome;
    this.space.load?.(space);
    this.vcpus.forEach((vcpu, index) => vcpu.load(vcpus[index]));
  }

  /** How it ended; absent while it lives. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  writeMemory(ipa: number, bytes: Uint8Array): void {
    const pa = this.#whole(ipa, bytes.length);
    if (pa !== undefined) {
      this.parts.memory.view(pa, bytes.length).set(bytes);
      this.parts.engine.memoryWritten(pa, bytes.length);
      return;
    }
    this.#pieces(ipa, bytes.length, (pa, offset, size) => {
      this.parts.memory.view(pa, size).set(bytes.subarray(offset, offset + size));
      this.parts.engine.memoryWritten(pa, size);
    });
  }

  readMemory(ipa: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    this.readMemoryInto(ipa, bytes);
    return bytes;
  }

  readMemoryInto(ipa: number, into: Uint8Array): void {
    const pa = this.#whole(ipa, into.length);
    if (pa !== undefined) return into.set(this.parts.memory.view(pa, into.length));
    // Pages that were given back have no bytes of their own.
    this.#pieces(ipa, into.length, () => {});
    into.fill(0);
    this.#pieces(ipa, into.length, (pa, offset, count) => into.set(this.parts.memory.view(pa, count), offset));
  }

  giveBack(ipa: number, size: number): boolean {
    this.#checkPages(ipa, size);
    const { memory, backend, engine } = this.parts;
    if (backend.directMapOnly) return false;
    try {
      this.space.unmap(ipa, size);
    } catch {
      return false;
    }
    for (const hook of this.#givenBack) hook(ipa, size);
    for (let chunk = this.#chunks.overlapping(ipa, size); chunk !== undefined; chunk = this.#chunks.overlapping(ipa, size)) {
      const { at, value: pa } = chunk;
      const [end, from, to] = [at + chunk.size, Math.max(at, ipa), Math.min(at + chunk.size, ipa + size)];
      this.#chunks.remove(at);
      if (at < from) this.#chunks.add(at, from - at, "RAM", pa);
      if (to < end) this.#chunks.add(to, end - to, "RAM", pa + (to - at));
      memory.release(this.name, pa + (from - at), to - from);
      engine.memoryWritten(pa + (from - at), to - from);
    }
    return true;
  }

  onGivenBack(hook: (ipa: number, size: number) => void): void {
    this.#givenBack.push(hook);
  }

  takeBack(ipa: number, size: number): boolean {
    this.#checkPages(ipa, size);
    for (let at = ipa; at < ipa + size; at += PAGE_SIZE) {
      if (this.#chunks.find(at) !== undefined) continue;
      let pa: number | undefined;
      try {
        const { colours, memory } = this.parts;
        pa = colours === undefined ? memory.allocate(this.name, 0) : this.#takeColoured(1, colours)?.pa;
        if (pa === undefined) return false;
        this.space.map(at, pa, PAGE_SIZE, GUEST_RAM);
      } catch {
        // No frame, or none for a table.
        if (pa !== undefined) this.parts.memory.release(this.name, pa);
        return false;
      }
      this.#chunks.add(at, PAGE_SIZE, "RAM", pa);
    }
    return true;
  }

  pause(): void {
    for (const vcpu of this.vcpus) vcpu.hold();
  }

  unpause(): void {
    for (const vcpu of this.vcpus) vcpu.release();
  }

  end(outcome: Outcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    for (const vcpu of this.vcpus) vcpu.stop();
    this.parts.ended(this);
  }

  /** For a vCPU that powers up. */
  vcpuReset(vcpu: GuestVcpu): void {
    this.parts.vcpuReset(vcpu);
  }

  /**
   * Gives everything back: vCPUs, mappings and tables, and then the frames that they pointed to. `withMachine`: nothing runs any more, so
   * the CPU engine needn't be told.
   */
  destroy(withMachine = false): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#outcome ??= { kind: "power-off" };
    for (const vcpu of this.vcpus) {
      vcpu.stop();
      this.parts.engine.destroyVcpu(vcpu.state);
    }
    this.space.destroy();
    for (const { value: pa, size } of [...this.#chunks.all]) {
      this.parts.memory.release(this.name, pa, size);
      // Frames are scrubbed for their next owner; code that was decoded from them has to go as well.
      if (!withMachine) this.parts.engine.memoryWritten(pa, size);
    }
  }

  /** Takes frames in chunks as large as alignment and the free memory allow, and maps them. */
  #populate(at: number, size: number): void {
    if (at % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) {
      throw new RangeError(`${this.name}: guest RAM ${rangeText(at, size)} isn't aligned to 4 KiB`);
    }
    const twice = this.#chunks.overlapping(at, size);
    if (twice) throw new RangeError(`${this.name}: guest RAM ${rangeText(at, size)} overlaps ${rangeText(twice.at, twice.size)}`);
    const { memory, backend } = this.parts;
    if (this.parts.colours !== undefined) return this.#populateColoured(at, size, this.parts.colours);
    if (backend.directMapOnly) {
      memory.allocateAt(this.name, at, size);
      this.#map(at, at, size);
      return;
    }
    let largest = MAX_ORDER;
    for (let done = 0; done < size;) {
      let order = largest;
      while (order > 0 && ((at + done) % (PAGE_SIZE * 2 ** order) !== 0 || size - done < PAGE_SIZE * 2 ** order)) order--;
      let pa: number | undefined;
      while (pa === undefined) {
        try {
          pa = memory.allocate(this.name, order);
        } catch (error) {
          if (!(error instanceof OutOfFramesError)) throw error;
          if (order === 0) {
            throw new Error(
              `domain ${this.name} asks for ${hex(size)} bytes of RAM at ${hex(at)}; ${
                hex(done)
              } of them could be had, then no frame was free`,
            );
          }
          largest = --order;
        }
      }
      this.#map(at + done, pa, PAGE_SIZE * 2 ** order);
      done += PAGE_SIZE * 2 ** order;
    }
  }

  /** Frames of its colours, in pieces as long as neighbours have them. */
  #populateColoured(at: number, size: number, colours: CacheColours): void {
    if (this.parts.backend.directMapOnly) {
      throw new Error(
        `domain ${this.name}: RAM of some cache colours only must be put together by translation, which ${this.parts.backend.name} has not`,
      );
    }
    for (let done = 0; done < size;) {
      const piece = this.#takeColoured((size - done) / PAGE_SIZE, colours);
      if (piece === undefined) {
        throw new Error(
          `domain ${this.name} asks for ${hex(size)} bytes of RAM at ${hex(at)}; ${hex(done)} of them could be had, ` +
            `then no frame of its ${colours.own.size} cache colours was free`,
        );
      }
      this.#map(at + done, piece.pa, piece.size);
      done += piece.size;
    }
  }

  /** The next ones from where it found some before; from the start when there are none. */
  #takeColoured(frames: number, colours: CacheColours): { readonly pa: number; readonly size: number } | undefined {
    for (const from of this.#lastTaken === 0 ? [0] : [this.#lastTaken, 0]) {
      try {
        const piece = this.parts.memory.allocateColoured(this.name, frames, colours, from);
        this.#lastTaken = piece.pa + piece.size;
        return piece;
      } catch (error) {
        if (!(error instanceof OutOfFramesError)) throw error;
      }
    }
    return undefined;
  }

  #map(ipa: number, pa: number, size: number): void {
    this.#chunks.add(ipa, size, "RAM", pa);
    this.space.map(ipa, pa, size, GUEST_RAM);
  }

  #checkPages(ipa: number, size: number): void {
    const inside = this.ram.some((bank) => ipa >= bank.at && size <= bank.size && ipa - bank.at <= bank.size - size);
    if (!inside || size <= 0 || ipa % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) {
      throw new RangeError(`${this.name}: ${size} bytes at IPA ${hex(ipa)}: not pages of guest RAM`);
    }
  }

  /** Where a range begins that lies in one piece, as nearly all do. */
  #whole(ipa: number, size: number): number | undefined {
    const chunk = size === 0 ? undefined : this.#chunks.find(ipa, size);
    return chunk === undefined ? undefined : chunk.value + (ipa - chunk.at);
  }

  /** What is guest RAM and was given back is left out. */
  #pieces(ipa: number, size: number, visit: (pa: number, offset: number, size: number) => void): void {
    // First see that all of it is RAM, so that a bad range changes nothing.
    const pieces: [pa: number, offset: number, size: number][] = [];
    for (let done = 0; done < size;) {
      const chunk = this.#chunks.find(ipa + done);
      if (chunk === undefined) {
        const page = Math.floor((ipa + done) / PAGE_SIZE) * PAGE_SIZE;
        if (!this.ram.some(({ at, size }) => page >= at && page < at + size)) {
          throw new RangeError(`${this.name}: ${size} bytes at IPA ${hex(ipa)}: not all of it is guest RAM`);
        }
        done += Math.min(size - done, page + PAGE_SIZE - (ipa + done));
        continue;
      }
      const count = Math.min(size - done, chunk.at + chunk.size - (ipa + done));
      pieces.push([chunk.value + (ipa + done - chunk.at), done, count]);
      done += count;
    }
    for (const piece of pieces) visit(...piece);
  }
}
