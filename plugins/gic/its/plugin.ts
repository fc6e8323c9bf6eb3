/**
 * Interrupt translation service of a GICv3: turns devices' messages into LPIs, by tables in guest memory.
 *
 * A hostile guest chooses every address, table entry and command. Entries are checked on each use (tables.ts), commands take credit
 * (queue.ts), and a wrong one is ignored with a bounded trace; what a guest can reach is its own interrupts.
 */
import { definePlugin } from "../../../core/mod.ts";
import type { Plugin, PluginUse, ResourceContext } from "../../../core/mod.ts";
import { LpiTargets, MessageInterrupts } from "../contract.ts";
import { nodeName } from "../gicv3/node.ts";
import { guestMemory } from "../vgic/guest_memory.ts";
import { Commands } from "./commands.ts";
import { CommandQueue } from "./queue.ts";
import { FRAMES_SIZE, readIts, TRANSLATER, writeIts } from "./registers.ts";
import { resetState } from "./state.ts";
import type { ItsState } from "./state.ts";
import { Tables } from "./tables.ts";

/** Options. */
export interface ItsOptions {
  readonly at: number;
}

const FRAME_SIZE = FRAMES_SIZE / 2;

/** The plugin. */
export const its: Plugin<ItsOptions, ItsState> = definePlugin<ItsOptions, ItsState>({
  name: "its",
  doc: "Interrupt translation service for gicv3: message-signalled interrupts (LPIs).",
  options: {
    at: {
      kind: "address",
      default: 0x0808_0000,
      align: FRAME_SIZE,
      doc: "IPA of the control frame, 64 KiB, which the translation frame follows.",
    },
  },
  needs: [LpiTargets],
  provides: [MessageInterrupts],
  // Without a domain there is no guest that sees it.
  resources: ({ at }, context) =>
    context.domain === undefined ? {} : {
      windows: [{ name: "its", at, size: FRAMES_SIZE }],
      deviceTree: [{
        under: `/${nodeName(distributorOf(context))}`,
        nodes: [{
          name: `its@${at.toString(16)}`,
          label: "msi",
          properties: {
            compatible: { text: "arm,gic-v3-its" },
            "msi-controller": true,
            "#msi-cells": { cells: [1] },
            reg: { reg: [[at, FRAMES_SIZE]] },
          },
        }],
      }],
    },
  state: resetState,
  attach({ options: { at }, state, domain, clock, exceptions, trace, get, provide }) {
    const targets = get(LpiTargets);
    targets.open();
    const memory = guestMemory(domain);
    const commands = new Commands(new Tables(state, memory, targets.vcpus), targets, trace);
    const queue = new CommandQueue(state, memory, commands, clock, trace);
    const message = (deviceId: number, eventId: number): void => {
      if (state.enabled) commands.message(deviceId, eventId);
    };
    const actions = { run: () => queue.run(), message };
    exceptions.claimMmio(at, FRAMES_SIZE, "its", {
      read: (offset, size) => readIts(state, offset, size),
      write: (offset, size, value) => writeIts(state, actions, offset, size, value),
    });
    provide(MessageInterrupts, {
      at: at + FRAME_SIZE,
      size: FRAME_SIZE,
      write(deviceId, ipa, data) {
        if (ipa === at + TRANSLATER) message(deviceId, data >>> 0);
      },
    });
  },
});

/** Where the distributor of the GIC is to which it belongs: the node that its own lies below. */
function distributorOf({ board, domain }: ResourceContext): number {
  const provides = ({ plugin }: PluginUse) => plugin.provides?.some(({ name }) => name === LpiTargets.name) === true;
  const gic = [...domain?.plugins ?? [], ...board.plugins].find(provides);
  const distributor = gic?.options.distributor;
  return typeof distributor === "number" ? distributor : 0;
}
