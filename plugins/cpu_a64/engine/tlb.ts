/**
 * The software TLB: banks of direct-mapped entries in the shared memory, one for
 * each translation context (vCPU, VMID, ASID, Exception level, PAN), so that a
 * switch of address space changes a pointer and drops nothing.
 */
import type { Block } from "./block.ts";
import {
  BANK_LOG,
  BANK_SIZE,
  dataEntry,
  DTLB_ADDEND,
  DTLB_ENTRY_SHIFT,
  DTLB_FLAGS,
  DTLB_FRAME,
  DTLB_READ,
  DTLB_SECOND,
  DTLB_WRITE,
  fetchEntry,
  ITLB_FLAGS,
  ITLB_RECORDS,
  ITLB_TAG,
  LOG_EMPTY,
  LOG_PLACES,
  LOG_SHIFT,
  LOG_UNKNOWN,
} from "./layout.ts";
import { WALK_GLOBAL, WALK_SIZE_SHIFT } from "./walk_area.ts";
import { type TlbRoutines, tlbRoutines } from "./routines/tlb.ts";

/** Which translations a bank holds. */
export interface Context {
  readonly vcpu: number;
  readonly vmid: number;
  readonly asid: number;
  /** EL, and what else of PSTATE and SCTLR changes rights: see {@linkcode Tlb.select}. */
  readonly mode: number;
}

/** A bank: a context and its entries. */
export interface Bank extends Context {
  /** Byte offset in the shared memory. */
  readonly address: number;
  readonly key: number;
  used: number;
  /** VA >> 21 and VA >> 30 of blocks of which 4 KiB parts are cached: TLBI by VA must drop all of them. */
  readonly blocks21: Set<number>;
  readonly blocks30: Set<number>;
  /** There were more of them than are remembered: TLBI by any VA drops all. */
  hasManyBlocks: boolean;
  /** It may hold global translations of the lower half of addresses, where hardly anybody has any. */
  hasLowGlobals: boolean;
}

/** EL, and PAN at EL1, in the lowest two bits of a {@linkcode Context}'s mode. */
export const MODE_EL0 = 0, MODE_EL1 = 1, MODE_EL1_PAN = 2, MODE_EL2 = 3;
const MODES = 3;

/** Most blocks of a size that a bank remembers: 16 GiB of 2 MiB each. */
export const MOST_BLOCKS = 8192;

const ENTRY_WORDS = 1 << (DTLB_ENTRY_SHIFT - 2);

/** All banks of a physical CPU. */
export class Tlb {
  readonly #banks = new Map<number, Bank>();
  readonly #at = new Map<number, Bank>();
  readonly #free: number[] = [];
  /** The bank that was selected last for a level: nearly always the next one as well. */
  readonly #recent: (Bank | undefined)[] = [undefined, undefined, undefined, undefined];
  #clock = 0;
  readonly #routines: TlbRoutines;
  /** Banks that ever held anything: from `#first` to `#end` (exclusive). */
  readonly #first: number;
  #end: number;
  /** The last {@linkcode fillData} took a translation away, or some of its rights. */
  hasLost = false;
  /** Changes whenever an entry goes otherwise than by another one's coming. */
  generation = 0;
  /** Changes whenever a bank is another context's, or nobody's, from then on. */
  evictions = 0;

  /**
   * @param address of the first bank; @param count how many
   * @param inherits a new address space has the global translations of the one before, without walks of its own
   */
  constructor(readonly block: Block, address: number, count: number, readonly inherits: boolean = true) {
    this.#first = this.#end = address;
    this.#routines = tlbRoutines(block.memory);
    for (let i = count - 1; i >= 0; i--) this.#free.push(address + i * BANK_SIZE);
  }

  /** Of the banks, from the first on: nobody wrote beyond. */
  get usedBytes(): number {
    return this.#end - this.#first;
  }

  /** The live bank at an address. */
  at(address: number): Bank | undefined {
    return this.#at.get(address);
  }

  /** Live banks. */
  banks(): IterableIterator<Bank> {
    return this.#banks.values();
  }

  /** The bank of a context; an empty one when it is new. `mode` below 16, `vcpu` below 256. */
  select(vcpu: number, vmid: number, asid: number, mode: number): Bank {
    const recent = this.#recent[mode & MODES];
    if (recent !== undefined && recent.asid === asid && recent.vmid === vmid && recent.vcpu === vcpu && recent.mode === mode) {
      recent.used = ++this.#clock;
      return recent;
    }
    return this.#recent[mode & MODES] = this.#find(vcpu, vmid, asid, mode);
  }

  #find(vcpu: number, vmid: number, asid: number, mode: number): Bank {
    // 8 + 4 + 16 + 16 bits: exact in a number.
    const key = ((vmid * 65536 + asid) * 16 + mode) * 256 + vcpu;
    const found = this.#banks.get(key);
    if (found) {
      found.used = ++this.#clock;
      return found;
    }
    let address = this.#free.pop();
    if (address === undefined) {
      let oldest: Bank | undefined;
      for (const bank of this.#banks.values()) if (!oldest || bank.used < oldest.used) oldest = bank;
      this.#remove(oldest!);
      address = oldest!.address;
    }
    this.generation++;
    this.#end = Math.max(this.#end, address + BANK_SIZE);
    // What EL0 may access is its own.
    const from = this.inherits && (mode & MODES) !== MODE_EL0 ? this.#latest(vcpu, vmid, mode) : undefined;
    if (from && from.address !== address) this.#routines.inherit(address, from.address);
    else this.#routines.clear(address);
    const blocks21 = new Set(from?.blocks21), blocks30 = new Set(from?.blocks30);
    const bank: Bank = {
      vcpu,
      vmid,
      asid,
      mode,
      address,
      key,
      used: ++this.#clock,
      blocks21,
      blocks30,
      hasManyBlocks: from?.hasManyBlocks ?? false,
      hasLowGlobals: from?.hasLowGlobals ?? false,
    };
    this.#banks.set(key, bank);
    this.#at.set(address, bank);
    return bank;
  }

  #remove(bank: Bank): void {
    this.evictions++;
    this.#banks.delete(bank.key);
    this.#at.delete(bank.address);
    this.#recent.fill(undefined);
  }

  /** The bank of another ASID that was in use last: what is global in it holds for all. */
  #latest(vcpu: number, vmid: number, mode: number): Bank | undefined {
    let latest: Bank | undefined;
    for (const bank of this.#banks.values()) {
      if (bank.vcpu === vcpu && bank.vmid === vmid && bank.mode === mode && (!latest || bank.used > latest.used)) latest = bank;
    }
    return latest;
  }

  /**
   * Caches a translation of one page for data. What had its place goes to that one's second place, and what was there is lost.
   * Pass `writable` false for pages that hold decoded code.
   */
  fillData(
    bank: Bank,
    vaHi: number,
    vaLo: number,
    host: number,
    frame: number,
    readable: boolean,
    writable: boolean,
    global: boolean,
  ): void {
    const { words } = this.block;
    const page = vaLo & ~0xfff;
    const addend = (host & ~0xfff) - page;
    const offset = dataEntry(vaLo);
    const entry = (bank.address + offset) >>> 2, second = (bank.address + offset + DTLB_SECOND) >>> 2;
    const isFirst = this.#holds(entry, page, vaHi), isSecond = this.#holds(second, page, vaHi);
    const old = isFirst ? entry : second;
    if (isFirst || isSecond) {
      this.hasLost = (words[old + DTLB_ADDEND / 4] | 0) !== (addend | 0) || (!readable && isValid(words[old + DTLB_READ / 4])) ||
        (!writable && isValid(words[old + DTLB_WRITE / 4]));
    } else this.hasLost = this.#isUsed(entry) && this.#isUsed(second);
    if (!this.#isUsed(entry)) this.#log(bank, offset);
    if (isSecond) { for (let n = 0; n < ENTRY_WORDS; n++) words[second + n] = 0xffff_ffff; }
    if (!isFirst && this.#isUsed(entry)) words.copyWithin(second, entry, entry + ENTRY_WORDS);
    words[entry + DTLB_READ / 4] = readable ? page : -1;
    words[entry + DTLB_READ / 4 + 1] = readable ? vaHi : -1;
    // From here on writes go past us.
    if (writable) this.block.touched[host >>> 12] = 1;
    words[entry + DTLB_WRITE / 4] = writable ? page : -1;
    words[entry + DTLB_WRITE / 4 + 1] = writable ? vaHi : -1;
    words[entry + DTLB_ADDEND / 4] = addend;
    words[entry + DTLB_FRAME / 4] = frame;
    words[entry + DTLB_FLAGS / 4] = global ? 1 : 0;
    if (global && isLow(vaHi)) bank.hasLowGlobals = true;
  }

  /** Host address for an access that needs no walk; 0: there is no such entry. */
  findData(bank: Bank, vaHi: number, vaLo: number, write: boolean): number {
    const { words } = this.block;
    const page = vaLo & ~0xfff;
    const offset = dataEntry(vaLo);
    for (const entry of [(bank.address + offset) >>> 2, (bank.address + offset + DTLB_SECOND) >>> 2]) {
      const tag = entry + (write ? DTLB_WRITE : DTLB_READ) / 4;
      if ((words[tag] | 0) === page && words[tag + 1] === vaHi) return (vaLo + words[entry + DTLB_ADDEND / 4]) >>> 0;
    }
    return 0;
  }

  #holds(entry: number, page: number, vaHi: number): boolean {
    const { words } = this.block;
    return ((words[entry + DTLB_READ / 4] | 0) === page && words[entry + DTLB_READ / 4 + 1] === vaHi) ||
      ((words[entry + DTLB_WRITE / 4] | 0) === page && words[entry + DTLB_WRITE / 4 + 1] === vaHi);
  }

  #isUsed(entry: number): boolean {
    const { words } = this.block;
    return isValid(words[entry + DTLB_READ / 4]) || isValid(words[entry + DTLB_WRITE / 4]);
  }

  /** Caches where the records of a page are. */
  fillFetch(bank: Bank, vaHi: number, vaLo: number, records: number, global: boolean): void {
    const offset = fetchEntry(vaLo);
    const entry = (bank.address + offset) >>> 2;
    const { words } = this.block;
    if (!isValid(words[entry + ITLB_TAG / 4])) this.#log(bank, offset);
    words[entry + ITLB_TAG / 4] = vaLo & ~0xfff;
    words[entry + ITLB_TAG / 4 + 1] = vaHi;
    words[entry + ITLB_RECORDS / 4] = records;
    words[entry + ITLB_FLAGS / 4] = global ? 1 : 0;
    if (global && isLow(vaHi)) bank.hasLowGlobals = true;
  }

  /** The records of a page, if they are cached; else 0. */
  findFetch(bank: Bank, vaHi: number, vaLo: number): number {
    const entry = (bank.address + fetchEntry(vaLo)) >>> 2;
    const { words } = this.block;
    const isHit = (words[entry + ITLB_TAG / 4] | 0) === (vaLo & ~0xfff) && words[entry + ITLB_TAG / 4 + 1] === vaHi;
    return isHit ? words[entry + ITLB_RECORDS / 4] : 0;
  }

  /** A place has its first entry since the bank was emptied. See `writeLog`. */
  #log({ address }: Bank, offset: number): void {
    const { words, halves } = this.block;
    const at = (address + BANK_LOG) >>> 2, count = words[at];
    if (count === LOG_UNKNOWN) return;
    words[at] = count > LOG_PLACES ? LOG_UNKNOWN : count + 1;
    if (count <= LOG_PLACES) halves[(at + 1) * 2 + count - 1] = offset >>> LOG_SHIFT;
  }

  /** Remembers that a cached page is part of a larger block. */
  noteBlock(bank: Bank, vaHi: number, vaLo: number, sizeBits: number): void {
    if (sizeBits <= 12) return;
    const bits = sizeBits >= 30 ? 30 : 21;
    const blocks = bits === 30 ? bank.blocks30 : bank.blocks21;
    if (blocks.size < MOST_BLOCKS) blocks.add(blockNumber(vaHi, vaLo, bits));
    else bank.hasManyBlocks ||= !blocks.has(blockNumber(vaHi, vaLo, bits));
  }

  /** A generated walk put a page of a bank into it: `found` is its answer. */
  noted(address: number, vaHi: number, vaLo: number, found: number): void {
    const bank = this.at(address);
    if (bank === undefined) return;
    if (found & WALK_GLOBAL && isLow(vaHi)) bank.hasLowGlobals = true;
    this.noteBlock(bank, vaHi, vaLo, found >>> WALK_SIZE_SHIFT);
  }

  /** Empties banks that match. */
  invalidate(matches: (bank: Bank) => boolean): void {
    for (const bank of this.#banks.values()) if (matches(bank)) this.#clear(bank);
  }

  /** Drops banks for good: their vCPU or address space is gone. */
  forget(matches: (bank: Bank) => boolean): void {
    for (const bank of this.#banks.values()) {
      if (!matches(bank)) continue;
      this.#remove(bank);
      this.#free.push(bank.address);
      this.generation++;
    }
  }

  #clear(bank: Bank): void {
    this.generation++;
    // Many are empty when a guest drops all.
    if (this.block.words[(bank.address + BANK_LOG) >>> 2] !== LOG_EMPTY) this.#routines.clear(bank.address);
    bank.hasLowGlobals = bank.hasManyBlocks = false;
    if (bank.blocks21.size > 0) bank.blocks21.clear();
    if (bank.blocks30.size > 0) bank.blocks30.clear();
  }

  /**
   * Drops one page from banks that match, and the whole of a bank when the page lies in a block. The address's
   * bits above 55 don't count: they may be tags.
   * @param asid of banks of other address spaces only global entries go; without it all do
   */
  invalidateVa(matches: (bank: Bank) => boolean, vaHi: number, vaLo: number, asid?: number): void {
    this.generation++;
    const block21 = blockNumber(vaHi, vaLo, 21), block30 = blockNumber(vaHi, vaLo, 30);
    for (const bank of this.#banks.values()) {
      if (!matches(bank)) continue;
      const globalOnly = asid !== undefined && bank.asid !== asid;
      // A look at an entry of every address space is a miss of the host's caches each.
      if (globalOnly && isLow(vaHi) && !bank.hasLowGlobals) continue;
      if (bank.hasManyBlocks || bank.blocks21.has(block21) || bank.blocks30.has(block30)) this.#clear(bank);
      else this.#dropPage(bank, vaHi, vaLo, globalOnly);
    }
  }

  #dropPage(bank: Bank, vaHi: number, vaLo: number, globalOnly: boolean): void {
    const { words } = this.block;
    const page = vaLo & ~0xfff;
    const offset = dataEntry(vaLo);
    for (const d of [(bank.address + offset) >>> 2, (bank.address + offset + DTLB_SECOND) >>> 2]) {
      if (globalOnly && words[d + DTLB_FLAGS / 4] !== 1) continue;
      for (const tag of [d + DTLB_READ / 4, d + DTLB_WRITE / 4]) {
        if ((words[tag] | 0) === page && ((words[tag + 1] ^ vaHi) & 0x00ff_ffff) === 0) words[tag] = words[tag + 1] = -1;
      }
    }
    const i = (bank.address + fetchEntry(vaLo)) >>> 2;
    if (!globalOnly || words[i + ITLB_FLAGS / 4] === 1) {
      if ((words[i] | 0) === page && ((words[i + 1] ^ vaHi) & 0x00ff_ffff) === 0) words[i] = words[i + 1] = -1;
    }
  }

  /** A frame holds decoded code from now on: no write may go past the slow path. */
  protectFrame(frame: number): void {
    this.#routines.protectFrame(this.#first, this.#end, BANK_SIZE, frame);
  }

  /** A page of records is gone. */
  dropRecords(records: number): void {
    this.#routines.dropRecords(this.#first, this.#end, BANK_SIZE, records);
  }
}

/** Whether the low word of a tag is that of a page. */
function isValid(tag: number): boolean {
  return (tag & 0xfff) === 0;
}

/** Whether TTBR0_EL1 translates an address: bit 55 says it, whatever a tag is. */
function isLow(vaHi: number): boolean {
  return (vaHi & (1 << 23)) === 0;
}

/** The number of the block of `1 << bits` bytes that holds a VA; a tag in the top byte doesn't count. */
function blockNumber(vaHi: number, vaLo: number, bits: 21 | 30): number {
  const hi = vaHi & (1 << 23) ? vaHi | 0xff00_0000 : vaHi & 0x00ff_ffff;
  return hi * 2 ** (32 - bits) + (vaLo >>> bits);
}
