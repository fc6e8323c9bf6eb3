/**
 * Physical memory: RAM banks in one shared `WebAssembly.Memory`, frames with owners and references.
 *
 * A frame that had an owner is scrubbed before it gets another: freeing is quick, and
 * a frame that nobody ever owned costs the host nothing.
 */
import { hex, PAGE_SIZE } from "./address.ts";
import type { Board } from "../board/board.ts";
import type { SavedRam } from "./saved_ram.ts";
import { colourOf } from "./cache_colours.ts";
import type { CacheColours } from "./cache_colours.ts";
import { checkRange, rangeText, WindowTable } from "./mmio.ts";
import type { LazyPages, PhysicalMemory, RamBank } from "./physical_memory.ts";
import { loadBank, newBank, releaseFrames, saveBank } from "./ram_bank.ts";
import type { Bank } from "./ram_bank.ts";
import { giveSharedMemory, takeSharedMemory } from "./shared_memory.ts";
import type { SharedMemory } from "./shared_memory.ts";

/** No block of that size is free. */
export class OutOfFramesError extends Error {
  /** For whoever compares names. */
  override readonly name = "OutOfFramesError";
  /** Made by core. */
  constructor(
    /** Who asked. */
    readonly owner: string,
    /** For `2^order` frames. */
    readonly order: number,
    /** What is free, in smaller blocks. */
    readonly freeFrames: number,
  ) {
    super(`${owner} asked for ${2 ** order} contiguous frames of 4 KiB; ${freeFrames} frames are free, none of the blocks is that large`);
  }
}

const WASM_PAGE = 65536;
const WASM_PAGES = 65536;
/** For the engine, below all RAM, so that its addresses stay small; what nobody touches costs the host nothing. */
const ENGINE_AREA = 0x1000_0000;
const NOWHERE = new SharedArrayBuffer(0);

/** Physical memory that a board's plugins bring beside its RAM. */
export function memoryBeside(board: Board): { readonly at: number; readonly size: number }[] {
  return board.plugins.flatMap(({ plugin, options }) => plugin.resources?.(options, { board }).memory ?? []);
}

/** RAM of a board. */
export class Ram implements PhysicalMemory {
  readonly wasm: WebAssembly.Memory;
  readonly #shared: SharedMemory;
  /** The memory's: it never grows, and asking for it takes its time. */
  #buffer: SharedArrayBuffer;
  #view: DataView;
  readonly banks: readonly RamBank[];
  readonly #banks = new WindowTable<Bank>("RAM");
  readonly #ownerNumbers = new Map<string, number>();
  readonly #ownerNames: string[] = [""];
  readonly #held: number[] = [0];
  readonly #allocated = new Map<string, Set<number>>();
  /** While domains are built for a snapshot: who asks for frames gets those that he got then. */
  #given: Map<string, number[]> | undefined;
  /** What was loaded, and is so still. */
  #loaded: SavedRam | undefined;
  /** One for each 4 KiB of the shared memory: it may hold something else than zeroes. Whoever writes past {@linkcode view} says so here. */
  readonly touched: Uint8Array;
  lazy?: LazyPages;
  /** End of what the engine reserved: from 0, where what is reserved first has short addresses. */
  #reserved = 0;
  readonly #reservations: { readonly at: number; readonly used: (() => readonly (readonly [from: number, to: number])[]) | undefined }[] =
    [];
  #sealed = false;

  /** Throws a `RangeError` when the banks aren't page aligned, overlap, or don't fit into 3.75 GiB. */
  constructor(
    banks: readonly { readonly at: number; readonly size: number }[],
    /** Memory that is taken by address and never handed out. */
    beside: readonly { readonly at: number; readonly size: number }[] = [],
  ) {
    let offset = ENGINE_AREA;
    const list: Bank[] = [];
    for (const [index, { at, size }] of [...banks, ...beside].entries()) {
      checkRange(at, size, "RAM bank");
      if (at % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) throw new RangeError(`RAM bank ${rangeText(at, size)} isn't aligned to 4 KiB`);
      if (offset + size > WASM_PAGE * WASM_PAGES) {
        throw new RangeError(`RAM bank ${rangeText(at, size)}: all RAM together is at most 3.75 GiB`);
      }
      const bank = newBank(at, size, offset, index >= banks.length);
      this.#banks.add(at, size, "RAM bank", bank);
      list.push(bank);
      offset += Math.ceil(size / WASM_PAGE) * WASM_PAGE;
    }
    this.banks = list.map(({ base, size, hostOffset }) => ({ base, size, hostOffset }));
    this.#shared = takeSharedMemory(offset, ENGINE_AREA);
    this.wasm = this.#shared.wasm;
    this.touched = this.#shared.touched;
    this.#buffer = this.wasm.buffer as unknown as SharedArrayBuffer;
    this.#view = new DataView(this.#buffer);
  }

  /** The machine is gone. Whoever looks into its RAM now gets a `RangeError`: the memory may be the next machine's. */
  dispose(): void {
    if (this.#buffer === NOWHERE) return;
    this.#buffer = NOWHERE;
    this.#view = new DataView(NOWHERE);
    // Whoever failed while he was built can't say what he used.
    if (!this.#sealed || this.#reservations.some(({ used }) => used === undefined)) return;
    const { lazy } = this;
    this.lazy = undefined;
    giveSharedMemory(
      this.#shared,
      lazy?.absent,
      this.#reservations.flatMap(({ at, used }) => used!().map(([from, to]) => ({ at: at + from, size: to - from }))),
    );
  }

  /** For a snapshot. */
  save(): SavedRam {
    const banks = this.#banks.all.map(({ value }) => saveBank(value));
    return { names: [...this.#ownerNames], allocated: new Map([...this.#allocated].map(([owner, all]) => [owner, [...all]])), banks };
  }

  /**
   * Until {@linkcode load}: whoever allocates gets what he got before the snapshot, because he keeps the address; nothing is taken, given back
   * or scrubbed by that. Throws a `RangeError` for nonsense.
   */
  beginRestore(saved: SavedRam): void {
    this.load(saved);
    for (const pa of [...saved.allocated.values()].flat()) this.#offset(pa, PAGE_SIZE);
    this.#given = new Map([...saved.allocated].map(([owner, addresses]) => [owner, [...addresses]]));
  }

  /** The counterpart of {@linkcode save}: what was owned up to now is scrubbed before it is owned again. Throws a `RangeError` for nonsense. */
  load(saved: SavedRam): void {
    this.#given = undefined;
    // Nobody took or gave anything back since it was loaded.
    if (saved === this.#loaded) return;
    const { names, allocated, banks } = saved;
    if (!names.every((name) => typeof name === "string")) throw new RangeError("an owner's name is no text");
    this.#allocated.clear();
    for (const [owner, addresses] of allocated) this.#allocated.set(owner, new Set(addresses));
    this.#ownerNames.splice(0, this.#ownerNames.length, ...names);
    this.#ownerNumbers.clear();
    names.forEach((name, number) => number > 0 && this.#ownerNumbers.set(name, number));
    this.#held.splice(0, this.#held.length, ...names.map(() => 0));
    this.#banks.all.forEach(({ value: bank }, index) => loadBank(bank, banks[index], this.#held));
    this.#loaded = saved;
  }

  /** Numbers of the pages of the shared memory that somebody owns and that may hold something else than zeroes, ascending. */
  heldPages(): Uint32Array {
    const pages: number[] = [];
    for (const { value: { owner, hostOffset } } of this.#banks.all.toSorted((a, b) => a.value.hostOffset - b.value.hostOffset)) {
      const first = hostOffset / PAGE_SIZE;
      for (let frame = 0; frame < owner.length; frame++) if (this.touched[first + frame] && owner[frame]) pages.push(first + frame);
    }
    return Uint32Array.from(pages);
  }

  /** The address of a page of the shared memory; `undefined` for one that isn't RAM. */
  addressOf(page: number): number | undefined {
    const bank = this.banks.find(({ hostOffset, size }) => page * PAGE_SIZE >= hostOffset && page * PAGE_SIZE < hostOffset + size);
    return bank && bank.base + (page * PAGE_SIZE - bank.hostOffset);
  }

  reserve(bytes: number, used?: () => readonly (readonly [from: number, to: number])[]): number {
    if (this.#sealed) throw new Error("memory for the CPU engine can be reserved during board set-up only");
    if (!Number.isSafeInteger(bytes) || bytes <= 0) throw new RangeError(`reserve: ${bytes} bytes`);
    const at = this.#reserved, limit = this.touched.byteOffset;
    const end = Math.ceil((at + bytes) / WASM_PAGE) * WASM_PAGE;
    if (end > limit) throw new RangeError(`the CPU engine asks for ${bytes} bytes; ${limit - at} of its area are left`);
    this.#reserved = end;
    this.#reservations.push({ at, used });
    return at;
  }

  /** Board set-up is over: no more reservations. */
  seal(): void {
    this.#sealed = true;
  }

  view(pa: number, size: number): Uint8Array<SharedArrayBuffer> {
    const offset = this.#offset(pa, size);
    const view = new Uint8Array(this.#buffer, offset, size);
    const first = Math.floor(offset / PAGE_SIZE), end = Math.ceil((offset + size) / PAGE_SIZE);
    if (this.lazy !== undefined) this.#bring(first, end);
    this.touched.fill(1, first, end);
    return view;
  }

  /** Everything is here afterwards. */
  bringAll(): void {
    this.#bring(0, this.touched.length);
    this.lazy = undefined;
  }

  #bring(first: number, end: number): void {
    const { lazy } = this;
    if (lazy === undefined) return;
    for (let page = first; page < end; page++) if (lazy.absent[page]) lazy.bring(page);
  }

  isRam(pa: number, size: number): boolean {
    return this.#banks.find(pa, size) !== undefined;
  }

  read64(pa: number): bigint {
    return this.#view.getBigUint64(this.#offset64(pa), true);
  }

  onWrite64?: (pa: number) => void;

  write64(pa: number, value: bigint): void {
    const offset = this.#offset64(pa);
    this.#view.setBigUint64(offset, value, true);
    this.touched[Math.floor(offset / PAGE_SIZE)] = 1;
    this.onWrite64?.(pa);
  }

  allocate(owner: string, order: number): number {
    const given = this.#given?.get(owner)?.shift();
    if (given !== undefined) return given;
    for (const { value: bank } of this.#banks.all) {
      if (bank.isBeside) continue;
      const index = bank.buddy.allocate(order);
      if (index === undefined) continue;
      const frame = index - bank.buddy.first;
      this.#take(bank, frame, 2 ** order, owner);
      const pa = bank.base + frame * PAGE_SIZE;
      this.#allocated.set(owner, (this.#allocated.get(owner) ?? new Set()).add(pa));
      return pa;
    }
    throw new OutOfFramesError(owner, order, this.freeFrames);
  }

  allocateColoured(owner: string, frames: number, { of, own }: CacheColours, from: number): { pa: number; size: number } {
    for (const { value: bank } of this.#banks.all) {
      if (bank.isBeside) continue;
      const first = (bank.base - bank.origin) / PAGE_SIZE;
      const fits = (frame: number) => own.has(colourOf(bank.base + frame * PAGE_SIZE, of)) && bank.buddy.isFree(first + frame);
      for (let frame = Math.max(0, Math.ceil((from - bank.base) / PAGE_SIZE)); frame < bank.size / PAGE_SIZE; frame++) {
        if (!fits(frame)) continue;
        let count = 1;
        while (count < frames && frame + count < bank.size / PAGE_SIZE && fits(frame + count)) count++;
        bank.buddy.allocateRange(first + frame, count);
        this.#take(bank, frame, count, owner);
        return { pa: bank.base + frame * PAGE_SIZE, size: count * PAGE_SIZE };
      }
    }
    throw new OutOfFramesError(owner, 0, this.freeFrames);
  }

  allocateAt(owner: string, pa: number, size: number): void {
    if (this.#given) return;
    const { bank, first, count } = this.#frames(pa, size, owner);
    if (!bank.buddy.allocateRange(bank.buddy.first + first, count)) {
      let taken = first;
      while (bank.owner[taken] === 0) taken++;
      const holder = this.#ownerNames[bank.owner[taken]];
      throw new Error(`${owner} wants ${rangeText(pa, size)}: the frame at ${hex(bank.base + taken * PAGE_SIZE)} belongs to ${holder}`);
    }
    this.#take(bank, first, count, owner);
  }

  reference(owner: string, pa: number, size: number = PAGE_SIZE): void {
    if (this.#given) return;
    const { bank, first, count } = this.#owned(owner, pa, size, "reference");
    this.#loaded = undefined;
    for (let frame = first; frame < first + count; frame++) bank.references[frame]++;
  }

  release(owner: string, pa: number, size: number = PAGE_SIZE): void {
    if (this.#given) return;
    const { bank, first, count } = this.#owned(owner, pa, size, "release");
    this.#loaded = undefined;
    const number = this.#ownerNumbers.get(owner)!;
    const allocated = this.#allocated.get(owner);
    this.#held[number] -= releaseFrames(bank, first, count, allocated);
    if (allocated?.size === 0) this.#allocated.delete(owner);
  }

  ownerOf(pa: number): { readonly owner: string; readonly references: number } | undefined {
    const bank = this.#banks.find(pa)?.value;
    if (bank === undefined) return undefined;
    const frame = Math.floor((pa - bank.base) / PAGE_SIZE);
    if (bank.owner[frame] === 0) return undefined;
    return { owner: this.#ownerNames[bank.owner[frame]], references: bank.references[frame] };
  }

  ownedRun(pa: number, limit: number): { readonly owner: string | undefined; readonly size: number } | undefined {
    const bank = this.#banks.find(pa)?.value;
    if (bank === undefined) return undefined;
    const { owner, base, size } = bank;
    const first = Math.floor((pa - base) / PAGE_SIZE), end = Math.min(size, pa + limit - base) / PAGE_SIZE;
    let frame = first + 1;
    while (frame < end && owner[frame] === owner[first]) frame++;
    return { owner: owner[first] === 0 ? undefined : this.#ownerNames[owner[first]], size: Math.min(limit, base + frame * PAGE_SIZE - pa) };
  }

  usage(): ReadonlyMap<string, number> {
    const usage = new Map<string, number>();
    for (const [name, number] of this.#ownerNumbers) if (this.#held[number] > 0) usage.set(name, this.#held[number]);
    return usage;
  }

  get freeFrames(): number {
    return this.#banks.all.reduce((sum, { value }) => sum + (value.isBeside ? 0 : value.buddy.free), 0);
  }

  /** References to all frames together: one for each that has an owner, and more for those that others see. */
  get references(): number {
    return this.#banks.all.reduce((sum, { value }) => sum + value.references.reduce((count, frame) => count + frame, 0), 0);
  }

  #take(bank: Bank, first: number, count: number, owner: string): void {
    this.#loaded = undefined;
    const number = this.#number(owner);
    bank.owner.fill(number, first, first + count);
    bank.references.fill(1, first, first + count);
    this.#held[number] += count;
    for (let frame = first; frame < first + count; frame++) {
      if (bank.dirty[frame] === 0) continue;
      bank.dirty[frame] = 0;
      if (this.lazy !== undefined) this.lazy.absent[bank.hostOffset / PAGE_SIZE + frame] = 0;
      new Uint8Array(this.#buffer, bank.hostOffset + frame * PAGE_SIZE, PAGE_SIZE).fill(0);
    }
  }

  /** Numbers of owners that hold nothing are used again, so that 2^16 is a limit on owners at one time. */
  #number(owner: string): number {
    const known = this.#ownerNumbers.get(owner);
    if (known !== undefined) return known;
    let number = this.#ownerNames.length;
    if (number > 0xffff) {
      number = this.#held.findIndex((held, index) => index > 0 && held === 0);
      if (number < 0) throw new RangeError(`${owner}: there are 65535 owners of memory already`);
      this.#ownerNumbers.delete(this.#ownerNames[number]);
    }
    this.#ownerNames[number] = owner;
    this.#held[number] = 0;
    this.#ownerNumbers.set(owner, number);
    return number;
  }

  #owned(owner: string, pa: number, size: number, verb: string): { bank: Bank; first: number; count: number } {
    const range = this.#frames(pa, size, owner);
    const number = this.#ownerNumbers.get(owner) ?? -1;
    for (let frame = range.first; frame < range.first + range.count; frame++) {
      const holder = range.bank.owner[frame];
      if (holder === number) continue;
      const where = hex(range.bank.base + frame * PAGE_SIZE);
      if (holder === 0) throw new Error(`${owner}: ${verb} of the frame at ${where}, which is free`);
      throw new Error(`${owner}: ${verb} of the frame at ${where}, which belongs to ${this.#ownerNames[holder]}`);
    }
    return range;
  }

  #frames(pa: number, size: number, owner: string): { bank: Bank; first: number; count: number } {
    checkRange(pa, size, owner);
    if (pa % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) throw new RangeError(`${owner}: ${rangeText(pa, size)} isn't aligned to 4 KiB`);
    const bank = this.#banks.find(pa, size)?.value;
    if (bank === undefined) throw new RangeError(`${owner}: ${rangeText(pa, size)} isn't RAM`);
    return { bank, first: (pa - bank.base) / PAGE_SIZE, count: size / PAGE_SIZE };
  }

  #offset(pa: number, size: number): number {
    if (!Number.isSafeInteger(size) || size < 0 || !Number.isSafeInteger(pa)) throw new RangeError(`${size} bytes at ${pa}`);
    const window = this.#banks.find(pa, Math.max(size, 1));
    if (window === undefined) throw new RangeError(`${size} bytes at ${hex(pa)}: not all of it is RAM`);
    return window.value.hostOffset + (pa - window.at);
  }

  #offset64(pa: number): number {
    if (pa % 8 !== 0) throw new RangeError(`${hex(pa)} isn't aligned to 8 bytes`);
    const offset = this.#offset(pa, 8);
    if (this.lazy !== undefined) this.#bring(Math.floor(offset / PAGE_SIZE), Math.floor(offset / PAGE_SIZE) + 1);
    return offset;
  }
}
