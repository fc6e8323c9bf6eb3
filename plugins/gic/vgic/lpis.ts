/**
 * Locality-specific peripheral interrupts, as the redistributors know them. Arm IHI 0069, "LPIs". The tables lie in guest memory: their
 * addresses and contents are the guest's, so each read is checked against its RAM, and a table that isn't in RAM counts as all zeros.
 *
 * GICR_CTLR.CES is one: EnableLPIs can be cleared; what is pending is then written to the pending table and forgotten. CommonLPIAff is
 * zero: all redistributors share a configuration table, so there is one copy of it.
 *
 * Reading tables is work that a register write causes. Virtual time pays for it: until as much has passed as the work stands for, the next
 * read of the same vCPU's tables waits, and GICR_SYNCR says so.
 */
import type { Clock, Timer } from "../../../core/mod.ts";
import type { LpiTargets } from "../contract.ts";
import type { GuestMemory } from "./guest_memory.ts";
import type { LargeInterrupts } from "./list_registers.ts";
import { addReady, clearPending, FIRST_LPI, forEachReady, lowestBit, LPIS, removeReady, WORDS } from "./lpi_state.ts";
import type { LpiState } from "./lpi_state.ts";
import { readLpiRegister, writeLpiRegister } from "./lpi_registers.ts";

/** What LPIs need of the rest of the GIC. */
export interface LpiHost {
  readonly vcpus: number;
  /** The framework may replace it: asked for on each use. */
  readonly state: LpiState;
  /** Whether a vCPU runs: its list registers are in use. */
  isRunning(v: number): boolean;
  /** What is deliverable to a vCPU has changed. */
  refresh(v: number): void;
  trace(kind: string, detail: () => string): void;
  /** There are LPIs from now on. */
  open(lpis: Lpis): void;
}

/** Virtual time that a read of tables stands for, and each LPI besides that becomes pending or changes. */
const LOAD_NS = 100_000;
const LPI_NS = 100;
/** Which tables are to be read. */
const Load = { CONFIGURATION: 1, PENDING: 2 } as const;
/** GICR_PENDBASER.PTZ in its high word: the table is all zeros. */
const PTZ = 1 << 30;

/** The LPIs of a domain. */
export class Lpis implements LargeInterrupts, LpiTargets {
  readonly vcpus: number;
  readonly #timer: Timer;

  constructor(
    private readonly host: LpiHost,
    private readonly memory: GuestMemory,
    private readonly clock: Clock,
  ) {
    this.vcpus = host.vcpus;
    this.#timer = clock.timer("lpi tables", () => this.#loadDue());
  }

  get state(): LpiState {
    return this.host.state;
  }

  // For the list registers.

  forEachDeliverable(v: number, most: number, visit: (intid: number, priority: number) => void): void {
    if (this.state.levels[v] !== 0) forEachReady(this.state, v, most, (lpi, priority) => visit(FIRST_LPI + lpi, priority));
  }

  acknowledged(v: number, intid: number): void {
    this.#forget(v, intid - FIRST_LPI);
  }

  takeLate(v: number): void {
    const list = this.state.lateList[v];
    if (list.length === 0) return;
    for (const lpi of list) {
      const mask = 1 << (lpi & 31);
      const w = v * WORDS + (lpi >>> 5);
      if ((this.state.late[w] & mask) === 0) continue;
      this.state.late[w] &= ~mask;
      this.#remember(v, lpi);
    }
    list.length = 0;
  }

  // For an ITS and for direct LPIs.

  open(): void {
    this.host.open(this);
  }

  isPending(v: number, intid: number): boolean {
    const lpi = intid - FIRST_LPI;
    return lpi >= 0 && lpi < LPIS && (this.state.pending[v * WORDS + (lpi >>> 5)] >>> (lpi & 31) & 1) !== 0;
  }

  pend(v: number, intid: number): void {
    if (!this.#accepts(v, intid)) return;
    if (this.#edge(v, intid - FIRST_LPI)) this.host.refresh(v);
  }

  clear(v: number, intid: number): void {
    if (!this.isPending(v, intid)) return;
    const lpi = intid - FIRST_LPI;
    this.#forget(v, lpi);
    // Its place in the list is worth nothing without the bit, and is taken by the next edge: the list has each LPI once.
    const w = v * WORDS + (lpi >>> 5);
    if ((this.state.late[w] >>> (lpi & 31) & 1) !== 0) {
      this.state.late[w] &= ~(1 << (lpi & 31));
      this.state.lateList[v] = this.state.lateList[v].filter((other) => other !== lpi);
    }
    this.host.refresh(v);
  }

  move(from: number, to: number, intid: number): void {
    if (from === to || !this.isPending(from, intid) || !this.#accepts(to, intid)) return;
    this.clear(from, intid);
    this.pend(to, intid);
  }

  moveAll(from: number, to: number): number {
    const { state } = this;
    if (from === to || state.enabled[to] === 0) return 0;
    let moved = 0;
    for (let word = 0; word < WORDS; word++) {
      for (let bits = state.pending[from * WORDS + word]; bits !== 0; bits &= bits - 1) {
        const lpi = word << 5 | lowestBit(bits);
        if (FIRST_LPI + lpi >= this.#limit(to)) continue;
        this.#forget(from, lpi);
        this.#edge(to, lpi);
        moved++;
      }
    }
    if (moved === 0) return 0;
    state.late.fill(0, from * WORDS, (from + 1) * WORDS);
    state.lateList[from].length = 0;
    this.host.refresh(from);
    this.host.refresh(to);
    return moved;
  }

  invalidate(v: number, intid: number): void {
    if (!this.#accepts(v, intid)) return;
    const lpi = intid - FIRST_LPI;
    const value = this.memory.read(this.#propertiesAt(v) + lpi, 1)?.[0] ?? 0;
    if (this.#configure(lpi, value)) this.#refreshAll();
  }

  invalidateAll(v: number): number {
    if (this.state.enabled[v] === 0) return 0;
    const changes = this.#readProperties(v);
    if (changes > 0) this.#refreshAll();
    return changes;
  }

  // For the redistributors' registers.

  readRegister(v: number, offset: number): number {
    return readLpiRegister(this, v, offset);
  }

  writeRegister(v: number, offset: number, value: number): void {
    writeLpiRegister(this, v, offset, value);
  }

  /** GICR_CTLR.EnableLPIs. */
  isEnabled(v: number): boolean {
    return this.state.enabled[v] !== 0;
  }

  /** Sets it: the tables are read, or what is pending is written back. */
  enable(v: number, enable: boolean): void {
    const { state } = this;
    if (this.isEnabled(v) === enable) return;
    if (enable) {
      state.enabled[v] = 1;
      return this.requestLoad(v);
    }
    const loaded = (state.loading[v] & Load.PENDING) === 0;
    const pending = new Uint8Array(state.pending.slice(v * WORDS, (v + 1) * WORDS).buffer, 0, this.#count(v) / 8);
    // What was never read is still in the table.
    if (loaded && !this.memory.write(this.#pendingAt(v) + FIRST_LPI / 8, pending)) this.#notRam("pending", v);
    clearPending(state, v);
    state.enabled[v] = 0;
    state.loading[v] = 0;
    this.host.refresh(v);
  }

  /** Reads all of a vCPU's configuration (and after it was enabled its pending table): now, or when it is its turn. */
  requestLoad(v: number, pendingToo = true): void {
    const { state } = this;
    if (!this.isEnabled(v)) return;
    state.loading[v] |= pendingToo ? Load.CONFIGURATION | Load.PENDING : Load.CONFIGURATION;
    if (this.clock.nowNs >= state.loadAtNs[v]) this.#loadDue();
    else this.#arm();
  }

  /** GICR_SYNCR.Busy. */
  isBusy(v: number): boolean {
    return this.state.loading[v] !== 0;
  }

  #loadDue(): void {
    const { state } = this;
    for (let v = 0; v < this.vcpus; v++) {
      if (state.loading[v] === 0 || this.clock.nowNs < state.loadAtNs[v]) continue;
      const pending = (state.loading[v] & Load.PENDING) !== 0 ? this.#readPending(v) : 0;
      const changes = this.#readProperties(v);
      state.loading[v] = 0;
      state.loadAtNs[v] = this.clock.nowNs + LOAD_NS + LPI_NS * (pending + changes);
      if (changes > 0) this.#refreshAll();
      else this.host.refresh(v);
    }
    this.#arm();
  }

  #arm(): void {
    const due = this.state.loadAtNs.filter((_, v) => this.state.loading[v] !== 0);
    if (due.length > 0) this.#timer.arm(Math.min(...due));
  }

  /** Reads the configuration table. Returns how many pending LPIs that changed. */
  #readProperties(v: number): number {
    const count = this.#count(v);
    if (count === 0) return 0;
    const table = this.memory.read(this.#propertiesAt(v), count);
    if (table === undefined) this.#notRam("configuration", v);
    const { config, pending } = this.state;
    let changes = 0;
    for (let word = 0; word < count / 32; word++) {
      let bits = 0;
      for (let w = word; w < pending.length; w += WORDS) bits |= pending[w];
      for (; bits !== 0; bits &= bits - 1) {
        const lpi = word << 5 | lowestBit(bits);
        if (this.#configure(lpi, table?.[lpi] ?? 0)) changes++;
      }
    }
    if (table === undefined) config.fill(0, 0, count);
    else config.set(table);
    return changes;
  }

  /** Takes a configuration over. True when it matters to somebody. */
  #configure(lpi: number, value: number): boolean {
    const { state } = this;
    const before = state.config[lpi];
    if (before === value) return false;
    state.config[lpi] = value;
    let matters = false;
    for (let v = 0; v < this.vcpus; v++) {
      if ((state.pending[v * WORDS + (lpi >>> 5)] >>> (lpi & 31) & 1) === 0) continue;
      removeReady(state, v, lpi, before);
      addReady(state, v, lpi, value);
      matters = true;
    }
    return matters;
  }

  /** Reads the pending table. Returns how many LPIs are pending there. */
  #readPending(v: number): number {
    const { state } = this;
    if ((state.pendings[2 * v + 1] & PTZ) !== 0) return 0;
    const table = this.memory.read(this.#pendingAt(v) + FIRST_LPI / 8, this.#count(v) / 8);
    if (table === undefined) {
      this.#notRam("pending", v);
      return 0;
    }
    let found = 0;
    for (let n = 0; n < table.length; n++) {
      for (let bits = table[n]; bits !== 0; bits &= bits - 1) {
        this.#remember(v, n << 3 | lowestBit(bits));
        found++;
      }
    }
    return found;
  }

  /** An edge. True when the list registers may not show it. */
  #edge(v: number, lpi: number): boolean {
    const { state } = this;
    const mask = 1 << (lpi & 31);
    const w = v * WORDS + (lpi >>> 5);
    const already = (state.pending[w] & mask) !== 0;
    this.#remember(v, lpi);
    if (!this.host.isRunning(v)) return !already;
    // The one before may be acknowledged at this moment.
    if ((state.late[w] & mask) === 0) {
      state.late[w] |= mask;
      state.lateList[v].push(lpi);
    }
    return true;
  }

  #remember(v: number, lpi: number): void {
    this.state.pending[v * WORDS + (lpi >>> 5)] |= 1 << (lpi & 31);
    addReady(this.state, v, lpi, this.state.config[lpi]);
  }

  #forget(v: number, lpi: number): void {
    this.state.pending[v * WORDS + (lpi >>> 5)] &= ~(1 << (lpi & 31));
    removeReady(this.state, v, lpi, this.state.config[lpi]);
  }

  #accepts(v: number, intid: number): boolean {
    return this.state.enabled[v] !== 0 && intid >= FIRST_LPI && intid < this.#limit(v);
  }

  /** First INTID that GICR_PROPBASER.IDbits leaves out. */
  #limit(v: number): number {
    return Math.min(2 ** ((this.state.properties[2 * v] & 31) + 1), FIRST_LPI + LPIS);
  }

  /** LPIs of a vCPU; a multiple of 8192. */
  #count(v: number): number {
    return Math.max(this.#limit(v) - FIRST_LPI, 0);
  }

  #propertiesAt(v: number): number {
    const [low, high] = this.state.properties.subarray(2 * v);
    return (high & 0xf_ffff) * 2 ** 32 + ((low & 0xffff_f000) >>> 0);
  }

  #pendingAt(v: number): number {
    const [low, high] = this.state.pendings.subarray(2 * v);
    return (high & 0xf_ffff) * 2 ** 32 + ((low & 0xffff_0000) >>> 0);
  }

  #notRam(table: string, v: number): void {
    this.host.trace("LPI table", () => `the ${table} table of vCPU ${v} isn't in guest RAM`);
  }

  #refreshAll(): void {
    for (let v = 0; v < this.vcpus; v++) this.host.refresh(v);
  }
}
