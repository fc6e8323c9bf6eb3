/**
 * Arm PL061 GPIO controller: eight pins, one 4 KiB block and one level-sensitive interrupt. Pin 3 is the power key, as on QEMU's
 * `virt` machine: a byte that arrives at its serial port presses it.
 * @module
 */
import type { DeviceTreeNode } from "../../core/mod.ts";
import { defineDevice, devicePlugin, PRIMECELL_SIZE, primeCellNodes } from "../device/contract.ts";
import type { DeviceModel, DevicePlaces, DevicePlugin, PlaceOptions } from "../device/contract.ts";
import { GpioPins } from "./contract.ts";
import { Gpio, resetState } from "./gpio.ts";
import type { GpioState } from "./gpio.ts";
import { PINS } from "./registers.ts";

/** Options of the chip itself. */
export interface GpioOptions {
  readonly port: string;
}

/** Options. */
export type Pl061Options = GpioOptions & PlaceOptions;

const POWER_KEY_PIN = 3;
/** Linux's input event code. */
const KEY_POWER = 116;
/** How long a byte presses the key. */
const PRESS_NS = 100_000_000;

const gpio: DeviceModel<GpioOptions, GpioState> = defineDevice<GpioOptions, GpioState>({
  name: "pl061",
  doc: "Arm PL061 GPIO controller with a power key.",
  module: import.meta.url,
  options: {
    port: {
      kind: "text",
      default: "power-key",
      doc: "Serial port of the power key: a byte that arrives there presses it for 100 ms. Bytes during a press do nothing.",
    },
  },
  windows: { registers: { size: PRIMECELL_SIZE, default: 0x0903_0000, doc: "IPA of the register block, 4 KiB." } },
  interrupts: { combined: { default: 39, doc: "Its combined interrupt, level-sensitive." } },
  inputs: PINS,
  ports: ({ port }) => [port],
  deviceTree: (_, places) => [{ under: "/", nodes: nodes(places) }],
  state: resetState,
  create({ options, state, clock, interrupt, port }) {
    const chip = new Gpio(state, interrupt("combined"));
    const release = clock.timer("power key", () => chip.setInput(POWER_KEY_PIN, false));
    port(options.port).onInput(() => {
      if (release.deadlineNs !== undefined) return;
      chip.setInput(POWER_KEY_PIN, true);
      release.arm(clock.nowNs + PRESS_NS);
    });
    return { windows: { registers: chip.handler }, input: (pin, high) => chip.setInput(pin, high) };
  },
});

/** The plugin. */
export const pl061: DevicePlugin<GpioOptions, GpioState> = devicePlugin(gpio, {
  provides: [GpioPins],
  provide: (provide, setInput) => provide(GpioPins, { count: PINS, setInput }),
});

/** Devicetree bindings "arm,pl061" and "gpio-keys". */
function nodes(places: DevicePlaces): DeviceTreeNode[] {
  const label = `gpio_${places.unit}`;
  return [
    ...primeCellNodes("pl061", places, { "gpio-controller": true, "#gpio-cells": { cells: [2] } }, label),
    {
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
    },
  ];
}

export default pl061;
