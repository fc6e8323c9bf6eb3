/**
 * Event channels for a guest that knows nothing of Xen: one page of registers and one level-sensitive interrupt, for a driver of ten lines.
 *
 *     0x00 SEND    w   a port: sends
 *     0x04 NEXT    r   the port of the oldest event that isn't masked, which is taken; 0: none
 *     0x08 MASK    w   a port: its events don't interrupt
 *     0x0c UNMASK  w   a port: they do
 *     0x10 RESULT  r   what the last write gave: 0, or an error below zero
 *
 * The interrupt is high while NEXT has something to give.
 *
 * What can a hostile guest do here? Ring the ports that are its own. Any other number is an error that it reads back.
 */
import { definePlugin, Interrupts, PAGE_SIZE } from "../../core/mod.ts";
import type { DomainContext, Plugin } from "../../core/mod.ts";
import { EventPorts } from "./contract.ts";
import { Errno } from "./errno.ts";
import type { Ports } from "./ports.ts";

/** Offsets of the registers, 32 bits each. */
export const Doorbell = { SEND: 0x00, NEXT: 0x04, MASK: 0x08, UNMASK: 0x0c, RESULT: 0x10 } as const;

/** Options. */
export interface DoorbellOptions {
  readonly at: number;
  readonly interrupt: number;
}

/** The plugin. */
export const eventDoorbell: Plugin<DoorbellOptions, { result: number }> = definePlugin<DoorbellOptions, { result: number }>({
  name: "event_doorbell",
  doc: "Event channels as a page of registers with one interrupt, for guests that don't speak Xen's ABI.",
  options: {
    at: { kind: "address", default: 0x090b_0000, align: PAGE_SIZE, doc: "IPA of the registers, 4 KiB." },
    interrupt: { kind: "interrupt", default: 46, min: 32, doc: "SPI that is high while an event waits." },
  },
  needs: [Interrupts, EventPorts],
  resources: ({ at, interrupt }, { domain }) =>
    domain === undefined ? {} : {
      windows: [{ name: "", at, size: PAGE_SIZE }],
      interrupts: [{ name: "", intid: interrupt, trigger: "level" }],
      deviceTree: [{
        under: "/",
        nodes: [{
          name: `doorbell@${at.toString(16)}`,
          properties: {
            compatible: { text: "plugboard,event-doorbell" },
            reg: { reg: [[at, PAGE_SIZE]] },
            interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
          },
        }],
      }],
    },
  state: () => ({ result: 0 }),
  attach,
});

function attach({ options, state, exceptions, get }: DomainContext<DoorbellOptions, { result: number }>): void {
  const line = get(Interrupts).spi(options.interrupt);
  const ports = get(EventPorts) as Ports;
  const { plain } = ports;
  plain.changed = () => line.set(plain.next() !== undefined);
  plain.changed();
  exceptions.claimMmio(options.at, PAGE_SIZE, "", {
    read(offset) {
      if (offset === Doorbell.RESULT) return state.result >>> 0;
      const port = offset === Doorbell.NEXT ? plain.next() : undefined;
      if (port !== undefined) plain.clear(port);
      return port ?? 0;
    },
    write(offset, _size, value) {
      const port = Number(value & 0xffff_ffffn);
      if (offset === Doorbell.SEND) state.result = ports.send(port);
      else if (offset === Doorbell.UNMASK) state.result = ports.unmask(port);
      else if (offset === Doorbell.MASK) {
        state.result = ports.status(port)?.kind ? 0 : Errno.EINVAL;
        if (state.result === 0) plain.mask(port);
      }
    },
  });
}
