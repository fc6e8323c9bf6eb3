/**
 * GICv2m: a frame beside a GICv2 in which a write makes an SPI pending, for devices that signal by messages. Arm DEN 0029 ("Server Base
 * System Architecture"), "GICv2m Architecture".
 *
 * A hostile guest can pend those SPIs, which are its own, as by GICD_ISPENDR.
 */
import { definePlugin, Interrupts, OptionError } from "../../../core/mod.ts";
import type { Plugin, ResourceContext } from "../../../core/mod.ts";
import { MessageInterrupts } from "../contract.ts";
import { gicv2 } from "../gicv2/plugin.ts";
import { nodeName } from "../gicv3/node.ts";
import { IIDR } from "../vgic/frame.ts";

/** Options. */
export interface Gicv2mOptions {
  readonly at: number;
  readonly first: number;
  readonly count: number;
}

const FRAME_SIZE = 0x1000;
const MSI_TYPER = 0x008;
const MSI_SETSPI_NS = 0x040;
const MSI_IIDR = 0xfcc;

/** The plugin. It has no state: the SPIs are the GIC's. */
export const gicv2m: Plugin<Gicv2mOptions, undefined> = definePlugin<Gicv2mOptions, undefined>({
  name: "gicv2m",
  doc: "MSI frame for gicv2: message-signalled interrupts that are SPIs.",
  options: {
    at: { kind: "address", default: 0x0802_0000, align: FRAME_SIZE, doc: "IPA of the frame, 4 KiB." },
    first: { kind: "interrupt", default: 80, doc: "The first SPI that a message can be." },
    count: { kind: "integer", default: 64, min: 1, max: 512, doc: "How many SPIs, from the first on; nothing else may drive them." },
  },
  needs: [Interrupts],
  provides: [MessageInterrupts],
  resources: ({ at, first, count }, context) => {
    if (context.domain === undefined) return {};
    return {
      windows: [{ name: "gicv2m", at, size: FRAME_SIZE }],
      interrupts: Array.from({ length: count }, (_, n) => ({ name: `message ${n}`, intid: first + n, trigger: "edge" })),
      deviceTree: [{
        under: `/${nodeName(distributorOf(context))}`,
        nodes: [{
          name: `v2m@${at.toString(16)}`,
          label: "msi",
          properties: { compatible: { text: "arm,gic-v2m-frame" }, "msi-controller": true, reg: { reg: [[at, FRAME_SIZE]] } },
        }],
      }],
    };
  },
  attach({ options: { at, first, count }, exceptions, get, fail, provide }) {
    if (first < 32) fail("first", "a PPI can't be a message");
    const interrupts = get(Interrupts);
    const lines = Array.from({ length: count }, (_, n) => interrupts.spi(first + n));
    const message = (intid: number): void => {
      const line = lines[intid - first];
      line?.set(true);
      line?.set(false);
    };
    exceptions.claimMmio(at, FRAME_SIZE, "gicv2m", {
      read(offset, size) {
        if (size !== 4) return 0;
        return offset === MSI_TYPER ? first << 16 | count : offset === MSI_IIDR ? IIDR : 0;
      },
      write(offset, size, value) {
        if (offset === MSI_SETSPI_NS && size === 4) message(Number(value));
      },
    });
    provide(MessageInterrupts, {
      at,
      size: FRAME_SIZE,
      write(_deviceId, ipa, data) {
        if (ipa === at + MSI_SETSPI_NS) message(data >>> 0);
      },
    });
  },
});

/** Where the distributor is whose node the frame's lies below. */
function distributorOf({ board, domain }: ResourceContext): number {
  const found = [...domain?.plugins ?? [], ...board.plugins].find(({ plugin }) => plugin.name === gicv2.name);
  if (found === undefined) throw new OptionError(undefined, `only ${gicv2.name} can have such a frame`);
  return found.options.distributor as number;
}
