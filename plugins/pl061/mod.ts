/**
 * Arm PL061 GPIO controller: eight pins, one 4 KiB block and one level-sensitive interrupt. Pin 3 is the power key, as on QEMU's
 * `virt` machine: a byte that arrives at its serial port presses it.
 * @module
 */
import { definePlugin, Interrupts, Serial } from "../../core/mod.ts";
import type { DeviceTreeFragment, DomainContext, Plugin } from "../../core/mod.ts";
import { apbClock } from "../fdt/contract.ts";
import { GpioPins } from "./contract.ts";
import { Gpio, resetState } from "./gpio.ts";
import type { GpioState } from "./gpio.ts";
import { BLOCK_SIZE, PINS } from "./registers.ts";

/** Options. */
export interface Pl061Options {
  readonly at: number;
  readonly interrupt: number;
  readonly port: string;
}

const POWER_KEY_PIN = 3;
/** Linux's input event code. */
const KEY_POWER = 116;
/** How long a byte presses the key. */
const PRESS_NS = 100_000_000;

/** The plugin. */
export const pl061: Plugin<Pl061Options, GpioState> = definePlugin<Pl061Options, GpioState>({
  name: "pl061",
  doc: "Arm PL061 GPIO controller with a power key.",
  options: {
    at: { kind: "address", default: 0x0903_0000, align: BLOCK_SIZE, doc: "IPA of the register block, 4 KiB." },
    interrupt: { kind: "interrupt", default: 39, doc: "Its combined interrupt, level-sensitive." },
    port: {
      kind: "text",
      default: "power-key",
      doc: "Serial port of the power key: a byte that arrives there presses it for 100 ms. Bytes during a press do nothing.",
    },
  },
  needs: [Interrupts, Serial],
  provides: [GpioPins],
  resources: (options) => ({
    windows: [{ name: "registers", at: options.at, size: BLOCK_SIZE }],
    interrupts: [{ name: "combined", intid: options.interrupt, trigger: "level" }],
    deviceTree: deviceTree(options),
  }),
  state: resetState,
  attach,
});

function attach({ get, options, state, clock, exceptions, provide }: DomainContext<Pl061Options, GpioState>): void {
  const gpio = new Gpio(state, get(Interrupts).spi(options.interrupt));
  exceptions.claimMmio(options.at, BLOCK_SIZE, "registers", gpio.handler);

  const release = clock.timer("power key", () => gpio.setInput(POWER_KEY_PIN, false));
  get(Serial).open(options.port).onInput(() => {
    if (release.deadlineNs !== undefined) return;
    gpio.setInput(POWER_KEY_PIN, true);
    release.arm(clock.nowNs + PRESS_NS);
  });

  provide(GpioPins, {
    count: PINS,
    setInput(pin, high) {
      if (!Number.isInteger(pin) || pin < 0 || pin >= PINS) throw new RangeError(`GPIO pin ${pin}: want 0 to ${PINS - 1}`);
      gpio.setInput(pin, high);
    },
  });
}

/** Devicetree bindings "arm,pl061" and "gpio-keys". */
function deviceTree({ at, interrupt }: Pl061Options): DeviceTreeFragment[] {
  const label = `gpio_${at.toString(16)}`;
  return [{
    under: "/",
    nodes: [apbClock, {
      name: `pl061@${at.toString(16)}`,
      label,
      properties: {
        compatible: { text: ["arm,pl061", "arm,primecell"] },
        reg: { reg: [[at, BLOCK_SIZE]] },
        interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
        "gpio-controller": true,
        "#gpio-cells": { cells: [2] },
        clocks: { cells: [`&${apbClock.label}`] },
        "clock-names": { text: "apb_pclk" },
      },
    }, {
      name: "gpio-keys",
      properties: { compatible: { text: "gpio-keys" } },
      children: [{
        name: "poweroff",
        properties: {
          label: { text: "GPIO Key Poweroff" },
          "linux,code": { cells: [KEY_POWER] },
          gpios: { cells: [`&${label}`, POWER_KEY_PIN, 0] },
        },
      }],
    }],
  }];
}

export default pl061;
