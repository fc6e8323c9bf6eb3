/**
 * A 16550A UART: eight registers of a byte, which know no bus (Texas Instruments PC16550D data sheet, "Registers"). The transmitter is
 * infinitely fast: a byte leaves at once. Its interrupt comes one character time later, as from a chip: one that came inside the handler
 * which fills the FIFO would find nothing to do. The receiver has 16 characters, filled at the line's speed.
 *
 * A hostile guest can write any register at any time: registers keep the bits that exist, the FIFO never grows beyond 16, and input from
 * outside waits in `backlog`, which only the far end can fill.
 */
import type { Clock, Timer } from "../../core/mod.ts";
import { Fcr, Ier, Iir, Lcr, Lsr, Mcr, Msr, receiveTriggers, Register } from "./registers.ts";

const FIFO_DEPTH = 16;
/** Status polls in a row, with no character sent between them, by which a guest without interrupts shows that it waits for input. */
const POLLS_THAT_LISTEN = 8;
/** Of a line whose divisor isn't set, in bits per second. */
const DEFAULT_BAUD = 115_200;

/** State, plain data. */
export interface UartState {
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scr: number;
  /** Divisor latch, 16 bits. */
  divisor: number;
  /** LSR's error bits, MSR's delta bits: a read clears them. */
  errors: number;
  deltas: number;
  /** Conditions with a memory: the transmitter ran empty, the receiver timed out. */
  emptied: boolean;
  timedOut: boolean;
  /** Receive FIFO, oldest first. */
  readonly fifo: number[];
  /** Input that hasn't entered the FIFO: the far end holds it back, as with hardware flow control. */
  readonly backlog: number[];
  /** Status polls since the last character was sent. */
  polls: number;
}

/** Reset state: the divisor is that of 115,200 baud for a chip of 1.8432 MHz. */
export function resetState(): UartState {
  return {
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    scr: 0,
    divisor: 1,
    errors: 0,
    deltas: 0,
    emptied: true,
    timedOut: false,
    fifo: [],
    backlog: [],
    polls: 0,
  };
}

/** Where the chip's pins lead. */
export interface UartPins {
  /** The interrupt pin. */
  interrupt(level: boolean): void;
  /** Serial output. */
  transmit(byte: number): void;
  readonly clock: Clock;
  /** The chip's clock in Hz, sixteen times the greatest baud rate. */
  readonly frequencyHz: number;
}

/** The chip. */
export class Uart16550 {
  readonly #next: Timer;
  readonly #idle: Timer;
  readonly #sent: Timer;

  constructor(private readonly state: UartState, private readonly pins: UartPins) {
    this.#next = pins.clock.timer("receive", () => this.#receiveNext());
    this.#idle = pins.clock.timer("receive timeout", () => {
      this.state.timedOut = this.state.fifo.length > 0;
      this.#drive();
    });
    this.#sent = pins.clock.timer("transmit", () => {
      this.state.emptied = true;
      this.#drive();
    });
  }

  /** A byte from outside. */
  input(byte: number): void {
    this.state.backlog.push(byte);
    this.#fill();
  }

  /** Reads a register, 0 to 7. */
  read(register: number): number {
    const { state } = this;
    const latch = (state.lcr & Lcr.DLAB) !== 0;
    switch (register) {
      case Register.RBR:
        return latch ? state.divisor & 0xff : this.#take();
      case Register.IER:
        return latch ? state.divisor >>> 8 : state.ier;
      case Register.IIR:
        return this.#identify();
      case Register.LCR:
        return state.lcr;
      case Register.MCR:
        return state.mcr;
      case Register.LSR:
        return this.#lineStatus();
      case Register.MSR:
        return this.#modemStatus();
      case Register.SCR:
        return state.scr;
    }
    return 0;
  }

  /** Writes a register, 0 to 7. */
  write(register: number, value: number): void {
    const { state } = this;
    const latch = (state.lcr & Lcr.DLAB) !== 0;
    value &= 0xff;
    switch (register) {
      case Register.THR:
        if (latch) state.divisor = state.divisor & 0xff00 | value;
        else this.#send(value);
        break;
      case Register.IER:
        if (latch) state.divisor = state.divisor & 0xff | value << 8;
        else this.#enable(value & Ier.ALL);
        break;
      case Register.FCR:
        this.#controlFifo(value);
        break;
      case Register.LCR:
        state.lcr = value;
        break;
      case Register.MCR:
        this.#controlModem(value & Mcr.ALL);
        break;
      case Register.SCR:
        state.scr = value;
        break; // LSR and MSR are for the factory's tests
    }
    this.#drive();
    this.#fill();
  }

  #send(byte: number): void {
    const { state } = this;
    state.polls = 0;
    state.emptied = false;
    this.#sent.arm(this.pins.clock.nowNs + this.#characterNs());
    if ((state.mcr & Mcr.LOOP) !== 0) this.#push(byte);
    else this.pins.transmit(byte);
  }

  #enable(ier: number): void {
    const { state } = this;
    // An empty transmitter interrupts whoever begins to listen.
    if ((ier & ~state.ier & Ier.THRE) !== 0 && this.#sent.deadlineNs === undefined) state.emptied = true;
    state.ier = ier;
  }

  #controlFifo(value: number): void {
    const { state } = this;
    const switched = ((value ^ state.fcr) & Fcr.ENABLE) !== 0;
    if (switched || (value & Fcr.CLEAR_RECEIVER) !== 0) {
      state.fifo.length = 0;
      state.timedOut = false;
      this.#idle.disarm();
    }
    // Without ENABLE the other bits aren't programmed.
    state.fcr = (value & Fcr.ENABLE) !== 0 ? value & (Fcr.ENABLE | Fcr.DMA | Fcr.TRIGGER) : 0;
  }

  #controlModem(value: number): void {
    const { state } = this;
    const before = this.#modemLines();
    state.mcr = value;
    const after = this.#modemLines();
    const changed = (before ^ after) >>> 4;
    // TERI tells of the trailing edge of RI only.
    state.deltas |= changed & ~Msr.TERI | (before & ~after) >>> 4 & Msr.TERI;
  }

  /** CTS, DSR, RI and DCD: connected, or in loopback what the outputs say. */
  #modemLines(): number {
    const { mcr } = this.state;
    if ((mcr & Mcr.LOOP) === 0) return Msr.CTS | Msr.DSR | Msr.DCD;
    return ((mcr & Mcr.RTS) !== 0 ? Msr.CTS : 0) | ((mcr & Mcr.DTR) !== 0 ? Msr.DSR : 0) | ((mcr & Mcr.OUT1) !== 0 ? Msr.RI : 0) |
      ((mcr & Mcr.OUT2) !== 0 ? Msr.DCD : 0);
  }

  #modemStatus(): number {
    const value = this.#modemLines() | this.state.deltas;
    this.state.deltas = 0;
    this.#drive();
    return value;
  }

  #lineStatus(): number {
    const { state } = this;
    if (state.polls < POLLS_THAT_LISTEN) state.polls++;
    this.#fill();
    const value = Lsr.THRE | Lsr.TEMT | state.errors | (state.fifo.length > 0 ? Lsr.DR : 0);
    state.errors = 0;
    this.#drive();
    return value;
  }

  /** The pending interrupt of the highest priority; looking at "transmitter empty" clears it. */
  #identify(): number {
    const { state } = this;
    const fifos = (state.fcr & Fcr.ENABLE) !== 0 ? Iir.FIFOS : 0;
    const source = this.#source();
    if (source === Iir.THRE) {
      state.emptied = false;
      this.#drive();
    }
    return fifos | source;
  }

  #source(): number {
    const { state } = this;
    const { ier } = state;
    if ((ier & Ier.LINE_STATUS) !== 0 && state.errors !== 0) return Iir.LINE_STATUS;
    if ((ier & Ier.RECEIVED) !== 0 && state.fifo.length >= this.#trigger()) return Iir.RECEIVED;
    if ((ier & Ier.RECEIVED) !== 0 && state.timedOut) return Iir.TIMEOUT;
    if ((ier & Ier.THRE) !== 0 && state.emptied) return Iir.THRE;
    if ((ier & Ier.MODEM_STATUS) !== 0 && state.deltas !== 0) return Iir.MODEM_STATUS;
    return Iir.NONE;
  }

  #drive(): void {
    this.pins.interrupt(this.#source() !== Iir.NONE);
  }

  #take(): number {
    const { state } = this;
    const byte = state.fifo.shift();
    if (byte === undefined) return 0;
    state.timedOut = false;
    if (state.fifo.length > 0) this.#armIdle();
    else this.#idle.disarm();
    this.#drive();
    this.#fill();
    return byte;
  }

  #push(byte: number): void {
    const { state } = this;
    if (state.fifo.length >= this.#depth()) {
      state.errors |= Lsr.OE; // only loopback can overrun: input from outside waits
      // Without FIFO the newcomer replaces what nobody read; a full FIFO keeps what it has.
      if ((state.fcr & Fcr.ENABLE) === 0) state.fifo[0] = byte;
    } else state.fifo.push(byte);
    state.timedOut = false;
    this.#armIdle();
    this.#drive();
  }

  /** Four character times without traffic, with FIFOs. */
  #armIdle(): void {
    if ((this.state.fcr & Fcr.ENABLE) !== 0) this.#idle.arm(this.pins.clock.nowNs + 4 * this.#characterNs());
  }

  /** Lets the next character in, one character time after the previous one. */
  #fill(): void {
    if (this.#next.deadlineNs === undefined) this.#receiveNext();
  }

  #receiveNext(): void {
    const { state } = this;
    if (state.backlog.length === 0 || state.fifo.length >= this.#depth() || !this.#listening()) return;
    this.#next.arm(this.pins.clock.nowNs + this.#characterNs());
    this.#push(state.backlog.shift()!);
  }

  /** Somebody reads, by interrupt or by polling. Drivers throw away what they find when they start: what is typed before waits. */
  #listening(): boolean {
    const { ier, lcr, mcr, polls } = this.state;
    if ((mcr & Mcr.LOOP) !== 0 || (lcr & Lcr.DLAB) !== 0) return false;
    return (ier & Ier.RECEIVED) !== 0 || polls >= POLLS_THAT_LISTEN;
  }

  #depth(): number {
    return (this.state.fcr & Fcr.ENABLE) !== 0 ? FIFO_DEPTH : 1;
  }

  #trigger(): number {
    return (this.state.fcr & Fcr.ENABLE) !== 0 ? receiveTriggers[this.state.fcr >>> 6] : 1;
  }

  /** Start, eight data and stop bits, in nanoseconds. */
  #characterNs(): number {
    const { divisor } = this.state;
    const baud = divisor > 0 ? this.pins.frequencyHz / 16 / divisor : DEFAULT_BAUD;
    return Math.ceil(10e9 / baud);
  }
}
