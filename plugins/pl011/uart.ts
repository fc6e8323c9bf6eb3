/**
 * A PL011 (Arm DDI 0183). The transmitter is infinitely fast: a byte leaves at once, so the transmit FIFO is always
 * empty. The receiver has the chip's 16 characters, filled at the line's speed.
 *
 * A hostile guest can write any value to any register at any width: registers keep their writable bits, what nobody
 * implements reads as zero, and the FIFO never grows beyond 16. Input from outside waits in `backlog`, which only the
 * far end can fill.
 */
import type { Clock, Timer } from "../../core/mod.ts";
import type { DeviceLine, DeviceWindow } from "../device/contract.ts";
import { APB_CLOCK_HZ } from "../fdt/contract.ts";
import {
  BLOCK_SIZE,
  Control,
  Flag,
  genericWritable,
  identification,
  Interrupt,
  Line,
  Offset,
  receiveTriggers,
  Reset,
  writable,
} from "./registers.ts";

const FIFO_DEPTH = 16;
/** The generic UART's, and where it interrupts. */
const GENERIC_DEPTH = 32, GENERIC_TRIGGER = 16;
/** Of a line whose divisor isn't set, in bits per second. */
const DEFAULT_BAUD = 115_200;
/** Status polls in a row, with no character sent between them, by which a guest without interrupts shows that it waits for input. */
const POLLS_THAT_LISTEN = 8;

/** State, plain data. */
export interface UartState {
  /** Registers that just keep what is written, by offset / 4. */
  readonly registers: Uint32Array;
  /** RIS. */
  raised: number;
  /** Receive FIFO, oldest first. */
  readonly fifo: number[];
  /** Input that hasn't entered the FIFO: the far end holds it back, as with hardware flow control. */
  readonly backlog: number[];
  /** Status polls since the last character was sent. */
  polls: number;
}

/** Reset state. Of the generic UART, what firmware leaves: all on, 8 bits, FIFOs. */
export function resetState(isGeneric = false): UartState {
  const registers = new Uint32Array(0x4c / 4);
  registers[Offset.CR / 4] = isGeneric ? Reset.CR | Control.UARTEN : Reset.CR;
  registers[Offset.IFLS / 4] = Reset.IFLS;
  if (isGeneric) registers[Offset.LCR_H / 4] = Line.FEN | Line.WLEN_8;
  return { registers, raised: 0, fifo: [], backlog: [], polls: 0 };
}

/** The chip. */
export class Uart implements DeviceWindow {
  readonly #next: Timer;
  readonly #idle: Timer;

  constructor(
    private readonly state: UartState,
    private readonly line: DeviceLine,
    private readonly transmit: (byte: number) => void,
    private readonly clock: Clock,
    /** A generic UART: fewer registers, a longer FIFO. */
    private readonly isGeneric = false,
  ) {
    this.#next = clock.timer("receive", () => this.#receiveNext());
    this.#idle = clock.timer("receive timeout", () => this.#timeout());
  }

  /** A byte from outside. */
  input(byte: number): void {
    this.state.backlog.push(byte);
    this.#fill();
  }

  /** `size` 1, 2, 4 or 8 bytes; only the addressed word answers. */
  read(offset: number, size: number): number {
    const word = this.#readWord(offset & ~3);
    const lanes = word >>> 8 * (offset & 3);
    return size >= 4 ? lanes : lanes & ((1 << 8 * size) - 1);
  }

  /** Writes are to a register's low byte, half or all of it; at other bytes they do nothing. */
  write(offset: number, _size: number, written: bigint): void {
    const value = Number(written & 0xffff_ffffn);
    if ((offset & 3) !== 0 || offset < 0 || offset >= BLOCK_SIZE) return;
    const { state } = this;
    switch (offset) {
      case Offset.DR:
        this.#send(value & 0xff);
        break;
      case Offset.ICR:
        state.raised &= ~value;
        break;
      default:
        if (this.#writable[offset] === undefined) return;
        state.registers[offset / 4] = value & this.#writable[offset];
        if (offset === Offset.LCR_H || offset === Offset.IFLS) this.#level();
    }
    this.#drive();
    this.#fill();
  }

  #readWord(offset: number): number {
    const { state } = this;
    switch (offset) {
      case Offset.DR:
        return this.#take();
      case Offset.FR:
        return this.#flags();
      case Offset.RIS:
        return state.raised;
      case Offset.MIS:
        return state.raised & state.registers[Offset.IMSC / 4];
    }
    if (offset >= Offset.ID && offset < BLOCK_SIZE) return identification[(offset - Offset.ID) / 4];
    return this.#writable[offset] === undefined ? 0 : state.registers[offset / 4];
  }

  get #writable(): Readonly<Record<number, number>> {
    return this.isGeneric ? genericWritable : writable;
  }

  #send(byte: number): void {
    const { state } = this;
    state.polls = 0;
    // Not gated by UARTEN and TXE: firmware that ran before the guest would have set them.
    if ((state.registers[Offset.CR / 4] & Control.LBE) !== 0) this.#push(byte);
    else this.transmit(byte);
    state.raised |= Interrupt.TX; // the FIFO has drained past its trigger level
  }

  #flags(): number {
    const { state } = this;
    if (state.polls < POLLS_THAT_LISTEN) state.polls++;
    this.#fill();
    const depth = this.#depth();
    return Flag.CTS | Flag.TXFE | (state.fifo.length === 0 ? Flag.RXFE : 0) | (state.fifo.length >= depth ? Flag.RXFF : 0);
  }

  #take(): number {
    const { state } = this;
    const byte = state.fifo.shift();
    if (byte === undefined) return 0;
    if (state.fifo.length === 0) {
      state.raised &= ~Interrupt.RT;
      this.#idle.disarm();
    }
    if (state.fifo.length < this.#trigger()) state.raised &= ~Interrupt.RX;
    this.#drive();
    this.#fill();
    return byte;
  }

  #push(byte: number): void {
    const { state } = this;
    if (state.fifo.length >= this.#depth()) return; // only loopback can overrun: input from outside waits
    state.fifo.push(byte);
    this.#level();
    this.#idle.arm(this.clock.nowNs + 32 * this.#bitNs());
    this.#drive();
  }

  /** Lets the next character in, one character time after the previous one. */
  #fill(): void {
    const { state } = this;
    if (state.backlog.length === 0 || this.#next.deadlineNs !== undefined || !this.#listening()) return;
    if (state.fifo.length < this.#depth()) this.#receiveNext();
  }

  #receiveNext(): void {
    const { state } = this;
    if (state.backlog.length === 0 || state.fifo.length >= this.#depth() || !this.#listening()) return;
    this.#next.arm(this.clock.nowNs + 10 * this.#bitNs());
    this.#push(state.backlog.shift()!);
  }

  /**
   * The receiver is on and somebody reads it: by interrupt, or by polling. Drivers throw away what they find in the
   * FIFO when they start, so what is typed (or piped in) before that would be lost.
   */
  #listening(): boolean {
    const { registers, polls } = this.state;
    const on = Control.UARTEN | Control.RXE;
    if ((registers[Offset.CR / 4] & on) !== on) return false;
    return (registers[Offset.IMSC / 4] & (Interrupt.RX | Interrupt.RT)) !== 0 || polls >= POLLS_THAT_LISTEN;
  }

  /** No character for 32 bit periods, and the FIFO isn't empty. */
  #timeout(): void {
    if (this.state.fifo.length === 0) return;
    this.state.raised |= Interrupt.RT;
    this.#drive();
  }

  #level(): void {
    const { state } = this;
    if (state.fifo.length >= this.#trigger()) state.raised |= Interrupt.RX;
    else state.raised &= ~Interrupt.RX;
  }

  #drive(): void {
    this.line.set((this.state.raised & this.state.registers[Offset.IMSC / 4]) !== 0);
  }

  #hasFifo(): boolean {
    return (this.state.registers[Offset.LCR_H / 4] & Line.FEN) !== 0;
  }

  #depth(): number {
    return this.isGeneric ? GENERIC_DEPTH : this.#hasFifo() ? FIFO_DEPTH : 1;
  }

  #trigger(): number {
    if (this.isGeneric) return GENERIC_TRIGGER;
    return this.#hasFifo() ? receiveTriggers[this.state.registers[Offset.IFLS / 4] >>> 3 & 7] : 1;
  }

  /** One bit period in nanoseconds. */
  #bitNs(): number {
    const divisor = this.state.registers[Offset.IBRD / 4] * 64 + this.state.registers[Offset.FBRD / 4];
    const baud = divisor >= 64 ? APB_CLOCK_HZ * 4 / divisor : DEFAULT_BAUD;
    return Math.ceil(1e9 / baud);
  }
}
