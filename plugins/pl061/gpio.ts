/**
 * A PL061 (Arm DDI 0190): eight pins, each an input or an output, and one interrupt of all inputs.
 *
 * What can a hostile guest do here? Change eight bits of each of a dozen registers. It can't move an input: what is outside does.
 * The alternate functions of GPIOAFSEL lead nowhere: it keeps what is written.
 */
import type { DeviceLine, DeviceWindow } from "../device/contract.ts";
import { block, DATA_SIZE } from "./registers.ts";
import type { Registers } from "./registers.ts";

/** State, plain data. Numbers are sets of pins, one bit each. */
export interface GpioState {
  readonly registers: Registers;
  /** What the guest drives, where pins are outputs. */
  outputs: number;
  /** Levels from outside, where pins are inputs. */
  inputs: number;
  /** Edges that were seen and not cleared. */
  edges: number;
}

/** Reset state: all pins are inputs, and low. */
export function resetState(): GpioState {
  return { registers: block.reset(), outputs: 0, inputs: 0, edges: 0 };
}

/** The chip. */
export class Gpio {
  /** Its register block. */
  readonly handler: DeviceWindow;

  constructor(private readonly state: GpioState, private readonly line: DeviceLine) {
    const { registers } = state;
    const update = { write: () => this.#drive() };
    const others = block.handler(registers, {
      GPIODIR: update,
      GPIOIS: update,
      GPIOIEV: update,
      GPIOIE: update,
      GPIORIS: { read: () => this.#raised() },
      GPIOMIS: { read: () => this.#raised() & registers.GPIOIE },
      GPIOIC: {
        write: (pins) => {
          state.edges &= ~pins;
          this.#drive();
        },
      },
    });
    this.handler = {
      read: (offset, size) => offset < DATA_SIZE ? this.#readData(offset, size) : others.read(offset, size),
      write: (offset, size, value) =>
        offset < DATA_SIZE ? this.#writeData(offset, size, Number(value & 0xffn)) : others.write(offset, size, value),
    };
  }

  /** Level of a pin from outside: it counts where the pin is an input. */
  setInput(pin: number, high: boolean): void {
    const { state } = this;
    const { GPIODIR, GPIOIS, GPIOIBE, GPIOIEV } = state.registers;
    const bit = 1 << pin;
    if (((state.inputs & bit) !== 0) === high) return;
    state.inputs ^= bit;
    const edge = (GPIOIBE & bit) !== 0 || ((GPIOIEV & bit) !== 0) === high;
    if (edge && ((GPIODIR | GPIOIS) & bit) === 0) state.edges |= bit;
    this.#drive();
  }

  #readData(offset: number, size: number): number {
    if (offset % 4 !== 0 || size > 4) return 0;
    const { registers, outputs, inputs } = this.state;
    return ((outputs & registers.GPIODIR) | (inputs & ~registers.GPIODIR)) & offset >> 2;
  }

  #writeData(offset: number, size: number, value: number): void {
    if (offset % 4 !== 0 || size > 4) return;
    const { state } = this;
    // Pins that are inputs keep their output value: Linux writes once more after it has made one an output.
    const pins = offset >> 2 & state.registers.GPIODIR;
    state.outputs = (state.outputs & ~pins) | (value & pins);
  }

  /** GPIORIS: edges as they were seen, levels as they are. */
  #raised(): number {
    const { registers: { GPIODIR, GPIOIS, GPIOIEV }, inputs, edges } = this.state;
    return (edges & ~GPIOIS) | (~(inputs ^ GPIOIEV) & GPIOIS & ~GPIODIR & 0xff);
  }

  #drive(): void {
    this.line.set((this.#raised() & this.state.registers.GPIOIE) !== 0);
  }
}
