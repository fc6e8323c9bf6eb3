/**
 * A bank of NOR flash: two 16-bit chips side by side on a 32-bit bus, with one command state for both. Drivers that take
 * the pair for a single 16-bit chip with a stride of 4 bytes (U-Boot does) rely on that, as it is so in QEMU's machine.
 *
 * A hostile guest can write anything in any width at any time: every bus cycle leads to one of the states below,
 * the only things that grow are bounded (a sector of content, a buffer of 1,024 cycles), and what isn't a command
 * leads back to reading the array.
 */
import { BUFFER_CYCLES, BUS_BYTES, Command, identification, LOCK_WORD, queryTable, SECTOR_BYTES, Status } from "./commands.ts";

/** What the next bus cycle means: a command, or the rest of one. */
export type Cycle = "command" | "program" | "erase" | "lock" | "buffer-count" | "buffer-data" | "buffer-confirm";
/** What reads give. */
export type ReadMode = "array" | "status" | "id" | "query";

/** State of one bank, plain data. */
export interface BankState {
  /** Sectors that aren't blank, by number. */
  contents: Map<number, Uint8Array>;
  /** Locked sectors. Volatile: a reset unlocks them. */
  readonly locked: Set<number>;
  mode: ReadMode;
  cycle: Cycle;
  status: number;
  /** Buffered program: its sector, cycles to come, and cycles so far. */
  sector: number;
  remaining: number;
  readonly buffer: { readonly offset: number; readonly size: number; readonly value: number }[];
}

/** A bank after power-up: blank, unlocked, reading its array. */
export function blankBank(): BankState {
  return {
    contents: new Map(),
    locked: new Set(),
    mode: "array",
    cycle: "command",
    status: Status.READY,
    sector: 0,
    remaining: 0,
    buffer: [],
  };
}

const BLANK = 0xff;

/** The chips. */
export class Bank {
  readonly #query: readonly number[];

  /** `changed`: a sector's content is another. */
  constructor(readonly state: BankState, readonly sizeBytes: number, private readonly changed: (sector: number) => void) {
    this.#query = queryTable(sizeBytes);
  }

  /** True while the bank is plain memory. */
  get isArray(): boolean {
    return this.state.mode === "array" && this.state.cycle === "command";
  }

  /** `size` 1, 2, 4 or 8 bytes; little-endian lanes of the bus. */
  read(offset: number, size: number): bigint {
    let value = 0n;
    for (let index = size - 1; index >= 0; index--) value = value << 8n | BigInt(this.#byte(offset + index));
    return value;
  }

  /** One bus cycle; 8 bytes are two. */
  write(offset: number, size: number, value: bigint): void {
    const { state } = this;
    if (size > BUS_BYTES) {
      this.write(offset, BUS_BYTES, value & 0xffff_ffffn);
      this.write(offset + BUS_BYTES, BUS_BYTES, value >> 32n);
      return;
    }
    const word = Number(value);
    switch (state.cycle) {
      case "command":
        return this.#command(word & 0xff);
      case "program":
        return this.#finish(this.#program([{ offset, size, value: word }]) ? 0 : Status.PROGRAM_ERROR | Status.LOCKED);
      case "erase":
        return this.#erase(sectorOf(offset), word & 0xff);
      case "lock":
        return this.#lock(sectorOf(offset), word & 0xff);
      case "buffer-count":
        return this.#count(sectorOf(offset), word & 0xffff);
      case "buffer-data":
        return this.#collect(offset, size, word);
      case "buffer-confirm":
        return this.#confirm(word & 0xff);
    }
  }

  /** Bytes from outside the machine, as a programmer puts them onto the chips. */
  place(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const sector = sectorOf(offset + done);
      const within = (offset + done) % SECTOR_BYTES;
      const part = bytes.subarray(done, done + SECTOR_BYTES - within);
      const content = this.#writable(sector);
      content.set(part, within);
      if (content.every((byte) => byte === BLANK)) this.state.contents.delete(sector);
      this.changed(sector);
      done += part.length;
    }
  }

  #byte(offset: number): number {
    const { state } = this;
    const sector = sectorOf(offset);
    if (state.mode === "array") return state.contents.get(sector)?.[offset % SECTOR_BYTES] ?? BLANK;
    // Both chips answer with 16 bits, of which the registers have 8.
    if (offset % 2 !== 0) return 0;
    const word = Math.floor(offset % SECTOR_BYTES / BUS_BYTES);
    switch (state.mode) {
      case "status":
        return state.status;
      case "id":
        return word === LOCK_WORD ? Number(state.locked.has(sector)) : identification[word] ?? 0;
      case "query":
        return this.#query[word] ?? 0;
    }
  }

  #command(command: number): void {
    const { state } = this;
    const expect = (cycle: Cycle) => {
      state.cycle = cycle;
      state.mode = "status";
    };
    switch (command) {
      case Command.PROGRAM:
      case Command.PROGRAM_ALTERNATE:
        return expect("program");
      case Command.ERASE:
        return expect("erase");
      case Command.LOCK:
        return expect("lock");
      case Command.BUFFERED_PROGRAM:
        return expect("buffer-count");
      case Command.CLEAR_STATUS:
        state.status = Status.READY;
        return;
      case Command.READ_STATUS:
        state.mode = "status";
        return;
      case Command.READ_ID:
        state.mode = "id";
        return;
      case Command.QUERY:
        state.mode = "query";
        return;
      default:
        state.mode = "array";
    }
  }

  #erase(sector: number, confirmation: number): void {
    if (confirmation !== Command.CONFIRM) return this.#finish(Status.ERASE_ERROR | Status.PROGRAM_ERROR);
    if (this.state.locked.has(sector)) return this.#finish(Status.ERASE_ERROR | Status.LOCKED);
    if (this.state.contents.delete(sector)) this.changed(sector);
    this.#finish(0);
  }

  #lock(sector: number, what: number): void {
    const { locked } = this.state;
    if (what === Command.LOCK_SET) locked.add(sector);
    else if (what === Command.CONFIRM) locked.delete(sector);
    else return this.#finish(Status.ERASE_ERROR | Status.PROGRAM_ERROR);
    this.#finish(0);
  }

  /** The register has one less than the number of cycles. */
  #count(sector: number, less: number): void {
    const { state } = this;
    if (less >= BUFFER_CYCLES) return this.#finish(Status.PROGRAM_ERROR | Status.ERASE_ERROR);
    state.sector = sector;
    state.remaining = less + 1;
    state.buffer.length = 0;
    state.cycle = "buffer-data";
  }

  #collect(offset: number, size: number, value: number): void {
    const { state } = this;
    if (sectorOf(offset) !== state.sector) return this.#finish(Status.PROGRAM_ERROR | Status.ERASE_ERROR);
    state.buffer.push({ offset, size, value });
    if (--state.remaining === 0) state.cycle = "buffer-confirm";
  }

  #confirm(confirmation: number): void {
    if (confirmation !== Command.CONFIRM) return this.#finish(Status.PROGRAM_ERROR | Status.ERASE_ERROR);
    this.#finish(this.#program(this.state.buffer) ? 0 : Status.PROGRAM_ERROR | Status.LOCKED);
  }

  /** Programming only clears bits. False: the sector is locked. All writes are to one sector. */
  #program(writes: readonly { readonly offset: number; readonly size: number; readonly value: number }[]): boolean {
    const sector = sectorOf(writes[0].offset);
    if (this.state.locked.has(sector)) return false;
    // Ones into a blank sector leave it blank.
    if (!this.state.contents.has(sector) && writes.every(({ size, value }) => value === 2 ** (8 * size) - 1)) return true;
    const bytes = this.#writable(sector);
    for (const { offset, size, value } of writes) {
      for (let index = 0; index < size; index++) bytes[offset % SECTOR_BYTES + index] &= value >>> 8 * index;
    }
    this.changed(sector);
    return true;
  }

  /** The command is done at once; errors stay until they are cleared. */
  #finish(errors: number): void {
    const { state } = this;
    state.status |= errors;
    state.cycle = "command";
    state.mode = "status";
    state.remaining = 0;
    state.buffer.length = 0;
  }

  #writable(sector: number): Uint8Array {
    const { contents } = this.state;
    let bytes = contents.get(sector);
    if (bytes === undefined) contents.set(sector, bytes = new Uint8Array(SECTOR_BYTES).fill(BLANK));
    return bytes;
  }
}

function sectorOf(offset: number): number {
  return Math.floor(offset / SECTOR_BYTES);
}
