/**
 * A third-party device in one file: eight LEDs, one bit each in a register. What they show is a line of text on a serial port, `*` for lit,
 * so that a test or a terminal sees them. Linux drives it with what it has: a memory-mapped GPIO port (gpio-mmio), LEDs on GPIOs (leds-gpio).
 *
 * A hostile guest can write the register as often as it likes: each change is one line of ten bytes.
 */
import { defineDevice, devicePlugin, registers } from "../mod.ts";
import type { AtOption, DevicePlaces, DevicePlugin, DeviceTreeNode } from "../mod.ts";

const LEDS = 8;

const block = registers(32, { DATA: { at: 0, access: "rw", fields: { LEDS: [LEDS - 1, 0] } } }, { widths: [1, 2, 4], size: 0x1000 });

/** What a manifest may say. */
export interface LedOptions {
  /** Serial port that shows them. */
  readonly port: string;
}

/** The register, and what was shown last. */
interface State {
  readonly registers: ReturnType<typeof block.reset>;
  shown: number;
}

/** The plugin. */
export const ledBank: DevicePlugin<LedOptions, State, AtOption> = devicePlugin(defineDevice<LedOptions, State>({
  name: "led_bank",
  doc: "Eight LEDs, shown on a serial port.",
  module: import.meta.url,
  options: { port: { kind: "text", default: "leds", doc: "The serial port that shows them, a line for each change." } },
  windows: { registers: { size: 0x1000, default: 0x0913_0000 } },
  ports: ({ port }) => [port],
  deviceTree: (_, places) => [{ under: "/", nodes: nodes(places) }],
  state: () => ({ registers: block.reset(), shown: 0 }),
  create({ options, state, port }) {
    const text = port(options.port);
    const show = (lit: number) => {
      if (lit === state.shown) return;
      state.shown = lit;
      const leds = Array.from({ length: LEDS }, (_, n) => (lit >> n & 1) === 1 ? "*" : ".").join("");
      for (const byte of new TextEncoder().encode(`${leds}\r\n`)) text.write(byte);
    };
    return { windows: { registers: block.handler(state.registers, { DATA: { write: show } }) } };
  },
}));

/** Devicetree bindings "wd,mbl-gpio" (any memory-mapped port) and "gpio-leds". */
function nodes({ unit, at }: DevicePlaces): DeviceTreeNode[] {
  const label = `leds_${unit}`;
  return [{
    name: `gpio@${unit}`,
    label,
    properties: {
      compatible: { text: "wd,mbl-gpio" },
      reg: { reg: [[at("registers"), 4]] },
      "reg-names": { text: "dat" },
      "gpio-controller": true,
      "#gpio-cells": { cells: [2] },
    },
  }, {
    name: `leds-${unit}`,
    properties: { compatible: { text: "gpio-leds" } },
    children: Array.from({ length: LEDS }, (_, n) => ({
      name: `led-${n}`,
      properties: { label: { text: `bank:${n}` }, gpios: { cells: [`&${label}`, n, 0] } },
    })),
  }];
}

export default ledBank;
