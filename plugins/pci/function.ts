/**
 * One PCI function: configuration space, BARs and interrupts.
 *
 * A hostile guest may write anything anywhere, at every width: writes keep the bits that the layout calls writable, BARs only
 * say where the bus looks for the function, and messages go where the guest says, checked by whoever takes them.
 */
import type { MmioHandler } from "../../core/mod.ts";
import { eachBar, layOut } from "./config_space.ts";
import type { Layout } from "./config_space.ts";
import type { PciBar, PciFunctionSpec } from "./contract.ts";
import { flushMsix, msixBar, placeMsix, resetMsix } from "./msix.ts";
import type { MsixState } from "./msix.ts";
import { BarBits, Command, CONFIG_SIZE, Header, Msi, MsiControl, Msix, MsixControl, MULTI_FUNCTION, Status } from "./registers.ts";

/** State of a function, plain data. */
export interface FunctionState {
  /** Configuration space. */
  readonly config: Uint8Array;
  /** Absent without MSI-X. */
  readonly msix?: MsixState;
  /** The device's interrupt condition, and the vector that stands for it. */
  level: boolean;
  vector: number;
  /** How the guest hears of interrupts, as of the last look. */
  signalling: "intx" | "msi" | "msix";
}

/** What a function does to the world. */
export interface FunctionPort {
  /** A message: a write of 32 bits by this function. */
  message(requesterId: number, address: number, data: number): void;
  /** INTA# may have changed. */
  intxChanged(): void;
}

/** A function on the bus. */
export class FunctionModel {
  readonly state: FunctionState;
  /** BARs by number. */
  readonly bars: readonly (readonly [index: number, bar: PciBar])[];
  readonly #layout: Layout;
  readonly #config: DataView;

  /** `kept`: state from before, of the same declaration. Throws a `RangeError` when the declaration contradicts itself. */
  constructor(spec: PciFunctionSpec, readonly requesterId: number, kept: FunctionState | undefined, private readonly port: FunctionPort) {
    const place = placeMsix(spec);
    const msix = kept?.msix ?? (place && resetMsix(place.vectors));
    const bars = place && msix ? { ...spec.bars, [place.bar]: msixBar(spec, place, msix, () => this.#refresh()) } : spec.bars;
    this.bars = eachBar(bars);
    this.#layout = layOut(place ? { ...spec, msix: place } : spec, bars);
    this.state = kept ?? { config: this.#layout.image.slice(), msix, level: false, vector: 0, signalling: "intx" };
    this.#config = new DataView(this.state.config.buffer, this.state.config.byteOffset, CONFIG_SIZE);
  }

  /** Says in the header that the device has several functions. */
  setMultiFunction(): void {
    this.state.config[Header.TYPE] |= MULTI_FUNCTION;
  }

  /** COMMAND. */
  get command(): number {
    return this.#config.getUint16(Header.COMMAND, true);
  }

  /** INTA#. */
  get intx(): boolean {
    const { level, signalling, config } = this.state;
    return level && signalling === "intx" && config[Header.INTERRUPT_PIN] !== 0 && (this.command & Command.INTX_DISABLE) === 0;
  }

  /** Base of a BAR as the guest programmed it: an address in I/O or memory space, exact below 2^53. */
  base(index: number, bar: PciBar): number {
    const at = Header.BAR + 4 * index;
    const low = this.#config.getUint32(at, true);
    if (bar.kind === "io") return (low & ~3) >>> 0;
    return ((low & ~(BarBits.PREFETCHABLE | 7)) >>> 0) + (bar.kind === "memory64" ? this.#config.getUint32(at + 4, true) * 2 ** 32 : 0);
  }

  /** The handler behind an address of one of the two spaces, if all of the access is in one of this function's BARs. */
  find(io: boolean, address: number, size: number): { readonly handler: MmioHandler; readonly offset: number } | undefined {
    if ((this.command & (io ? Command.IO : Command.MEMORY)) === 0) return undefined;
    for (const [index, bar] of this.bars) {
      if ((bar.kind === "io") !== io) continue;
      const offset = address - this.base(index, bar);
      if (offset >= 0 && offset + size <= bar.size) return { handler: bar.handler, offset };
    }
    return undefined;
  }

  /** Reads configuration space: `size` 1, 2 or 4, within one word. */
  readConfig(offset: number, size: number): number {
    if (offset + size > CONFIG_SIZE) return 0; // no extended capabilities
    this.#reading(offset, size);
    let value = 0;
    for (let n = size - 1; n >= 0; n--) value = value * 256 + this.#byte(offset + n);
    return value;
  }

  /** Writes configuration space: `size` 1, 2 or 4, within one word. */
  writeConfig(offset: number, size: number, value: number): void {
    if (offset + size > CONFIG_SIZE) return;
    const { config } = this.state;
    for (let n = 0; n < size; n++) {
      const mask = this.#layout.writable[offset + n];
      config[offset + n] = config[offset + n] & ~mask | value >>> 8 * n & mask;
    }
    for (const { capability, at, end } of this.#layout.custom) {
      if (offset + size > at && offset < end) capability.written?.(config.subarray(at, end), offset - at, size);
    }
    this.#refresh();
  }

  /** The device's interrupt condition. */
  setLevel(level: boolean, vector: number): void {
    const { state } = this;
    if (state.level === level && state.vector === vector) return;
    state.level = level;
    state.vector = vector;
    if (state.signalling === "intx") this.port.intxChanged();
    else if (level) this.signal(vector);
    else this.#withdraw(vector);
  }

  /** A message, held while it is masked. */
  signal(vector: number): void {
    const { state } = this;
    if (!Number.isInteger(vector) || vector < 0) return;
    if (state.signalling === "msi") {
      const at = this.#layout.msi + Msi.PENDING;
      this.#config.setUint32(at, this.#config.getUint32(at, true) | 1 << this.#msiVector(vector), true);
    } else if (state.signalling === "msix" && vector < state.msix!.table.length / 16) {
      state.msix!.pending[vector >>> 3] |= 1 << (vector & 7);
    } else return;
    this.#flush();
  }

  /** A masked message whose reason is gone is no longer pending. */
  #withdraw(vector: number): void {
    const { state } = this;
    if (state.signalling === "msi") {
      const at = this.#layout.msi + Msi.PENDING;
      this.#config.setUint32(at, this.#config.getUint32(at, true) & ~(1 << this.#msiVector(vector)), true);
    } else if (state.msix && vector < 2048) state.msix.pending[vector >>> 3] &= ~(1 << (vector & 7));
  }

  /** The guest may have granted fewer messages than the function has: they then share. */
  #msiVector(vector: number): number {
    const control = this.#config.getUint16(this.#layout.msi + Msi.CONTROL, true);
    const granted = Math.min(control >>> MsiControl.ENABLED & 7, control >>> MsiControl.CAPABLE & 7);
    return vector & (1 << granted) - 1;
  }

  /** After the guest changed something: what signals interrupts, and what is masked. */
  #refresh(): void {
    const { state } = this;
    const signalling = this.#signalling();
    if (signalling !== state.signalling) {
      state.signalling = signalling;
      // A condition from before the change must not be forgotten.
      if (state.level && signalling !== "intx") this.signal(state.vector);
    }
    this.#flush();
    this.port.intxChanged();
  }

  #signalling(): FunctionState["signalling"] {
    const { msi, msix } = this.#layout;
    if (msix !== 0 && (this.#config.getUint16(msix + Msix.CONTROL, true) & MsixControl.ENABLE) !== 0) return "msix";
    if (msi !== 0 && (this.#config.getUint16(msi + Msi.CONTROL, true) & MsiControl.ENABLE) !== 0) return "msi";
    return "intx";
  }

  /** Sends messages that nothing holds back. A function that isn't bus master can't write memory: it waits. */
  #flush(): void {
    const { state } = this;
    const { msi, msix } = this.#layout;
    if (state.signalling === "intx" || (this.command & Command.MASTER) === 0) return;
    const send = (address: number, data: number) => this.port.message(this.requesterId, address, data);
    if (state.signalling === "msix") {
      if ((this.#config.getUint16(msix + Msix.CONTROL, true) & MsixControl.MASK) === 0) flushMsix(state.msix!, send);
      return;
    }
    const config = this.#config;
    const ready = config.getUint32(msi + Msi.PENDING, true) & ~config.getUint32(msi + Msi.MASK, true);
    if (ready === 0) return;
    config.setUint32(msi + Msi.PENDING, config.getUint32(msi + Msi.PENDING, true) & ~ready, true);
    const address = config.getUint32(msi + Msi.ADDRESS, true) + config.getUint32(msi + Msi.ADDRESS_HIGH, true) * 2 ** 32;
    const data = config.getUint16(msi + Msi.DATA, true);
    for (let vector = 0; vector < 32; vector++) {
      // The low bits of the data name the vector where several were granted.
      if ((ready >>> vector & 1) !== 0) send(address, data & ~this.#msiVector(31) | this.#msiVector(vector));
    }
  }

  #reading(offset: number, size: number): void {
    for (const { capability, at, end } of this.#layout.custom) {
      if (offset + size > at && offset < end) capability.reading?.(this.state.config.subarray(at, end), offset - at, size);
    }
  }

  #byte(at: number): number {
    const { config, level } = this.state;
    return at === Header.STATUS && level ? config[at] | Status.INTERRUPT : config[at];
  }
}
