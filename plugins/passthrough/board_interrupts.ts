/**
 * Inputs of the board's interrupt controller, without the controller: levels of lines. A device's output goes straight to the virtual
 * interrupt of the domain that has the line. No physical interrupt is taken to EL2 and none is acknowledged, masked, routed or
 * deactivated there; so no list register carries a physical INTID (ICH_LR<n>_EL2.HW is 0), and a guest that never deactivates keeps
 * nobody else from an interrupt.
 */
import { definePlugin } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { BoardInterrupts } from "./contract.ts";
import { BoardLines } from "./lines.ts";
import type { LinesState } from "./lines.ts";

/** The plugin. */
export const boardInterrupts: Plugin<Record<never, never>, LinesState> = definePlugin<Record<never, never>, LinesState>({
  name: "board_interrupts",
  doc: "Interrupt lines of the board's own devices, for domains that have such a device by pass-through.",
  options: {},
  provides: [BoardInterrupts],
  state: () => ({ high: new Map() }),
  setup: ({ provide, state }) => provide(BoardInterrupts, new BoardLines(state)),
});
