/** The plugin `network_switch`: segments that domains of a board share. */
import { definePlugin } from "../../../core/mod.ts";
import type { Plugin } from "../../../core/mod.ts";
import { NetworkSwitch } from "../link.ts";
import { Segment } from "./learning.ts";
import type { SegmentState } from "./learning.ts";

/** Options. */
export interface NetworkSwitchOptions {
  readonly segments: readonly string[];
  readonly ports: number;
  readonly pinned: boolean;
}

/** State, by segment. */
export type NetworkSwitchState = Record<string, SegmentState>;

/** The switch. */
export const networkSwitch: Plugin<NetworkSwitchOptions, NetworkSwitchState> = definePlugin({
  name: "network_switch",
  doc: "A learning Ethernet switch for the domains of a board, with segments that don't see one another.",
  options: {
    segments: {
      kind: "text",
      list: true,
      default: ["lan"],
      doc: "Names of its segments; a device's option `switch` says on which one it is.",
      check(value) {
        const names = value as readonly string[];
        if (names.length < 1 || names.length > 64) return "1 to 64 segments";
        return new Set(names).size === names.length && names.every((name) => name !== "") ? undefined : "names that differ";
      },
    },
    ports: { kind: "integer", default: 32, min: 2, max: 256, doc: "Sockets of each segment." },
    pinned: {
      kind: "boolean",
      default: false,
      doc: "A hardware address stays with the port that used it first; who speaks as another is dropped.",
    },
  },
  provides: [NetworkSwitch],
  state: ({ segments }) => Object.fromEntries(segments.map((name) => [name, { places: new Map(), nextPort: 0 }])),
  setup({ options, state, trace, provide }) {
    const segments = new Map(options.segments.map((name) => [name, new Segment(state[name], options, trace)]));
    provide(NetworkSwitch, {
      segment(name) {
        const found = segments.get(name);
        if (found === undefined) {
          throw new Error(`the switch has no segment ${JSON.stringify(name)}; there is ${options.segments.join(", ")}`);
        }
        return found;
      },
    });
  },
});
