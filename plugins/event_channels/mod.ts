/**
 * Event channels of a board: between domains, and between a domain and the hypervisor.
 *
 * What can a hostile guest do here? Use up its own ports, and send events to who has bound a channel with it. Nothing crosses that the
 * policy doesn't allow; what is in guest memory is written, tested, and never followed.
 * @module
 */
import { definePlugin } from "../../core/mod.ts";
import type { Plugin, PluginUse } from "../../core/mod.ts";
import { DomainPolicy, isAllowed } from "../domain_policy/contract.ts";
import { EventChannels, EventPorts } from "./contract.ts";
import { Ports } from "./ports.ts";
import type { PortsState } from "./ports.ts";
import { channelFindings, channelsOf, checkChannel } from "./static_channels.ts";

export { eventDoorbell } from "./doorbell.ts";
export { EventChannels, EventPorts, PortKind } from "./contract.ts";

/** Options. */
export interface EventChannelOptions {
  readonly channels: readonly unknown[];
  readonly max_port: number;
}

/** State, plain data. */
export interface EventChannelState {
  readonly domains: Map<string, PortsState>;
  /** Numbers of domains that aren't in the manifest. */
  readonly ids: Map<string, number>;
}

/** The plugin. */
export const eventChannels: Plugin<EventChannelOptions, EventChannelState> = definePlugin<EventChannelOptions, EventChannelState>({
  name: "event_channels",
  doc: "Event channels between domains: those that the manifest declares, and those that guests bind where the policy allows it.",
  options: {
    channels: {
      kind: "any",
      list: true,
      default: [],
      check: (list) => (list as unknown[]).map(checkChannel).find((wrong) => wrong !== undefined),
      doc: "Channels from the start: { DOMAIN: PORT, DOMAIN: PORT } each. A guest can't close them.",
    },
    max_port: {
      kind: "integer",
      default: 1023,
      min: 1,
      max: 131_071,
      doc: "The highest port of a domain. From 4096 on only domains with the FIFO ABI reach them.",
    },
  },
  provides: [EventChannels, EventPorts],
  resources({ channels, max_port }, { board, domain }) {
    if (domain !== undefined) return {};
    const use = board.plugins.find(({ plugin }) => plugin.name === "event_channels");
    return { findings: use ? channelFindings(channels, max_port, board, [...use.path, "channels"]) : [] };
  },
  state: () => ({ domains: new Map(), ids: new Map() }),
  setup(context) {
    const { state: { ids }, board, provide, holds } = context;
    const live = new Map<string, Ports>();
    const idOf = (domain: string): number => {
      const index = board.domains.findIndex(({ name }) => name === domain);
      if (index >= 0) return index + 1;
      if (!ids.has(domain)) {
        const taken = new Set(ids.values());
        let id = board.domains.length + 1;
        while (taken.has(id)) id++;
        ids.set(domain, id);
      }
      return ids.get(domain)!;
    };
    const channels: BoardChannels = {
      live,
      of: (domain) => live.get(domain),
      idOf,
      nameOf: (id) => [...live.values()].find((ports) => ports.id === id)?.name,
      gone(domain) {
        live.delete(domain);
        ids.delete(domain);
      },
    };
    holds("domains", () => live.size);
    holds("ports", () => [...live.values()].reduce((sum, ports) => sum + ports.count, 0));
    provide(EventChannels, channels);
  },
  attach(context) {
    const { domain, options, board, find, fail, onStop, trace } = context;
    const channels = find(EventChannels) as BoardChannels;
    // One state for the board: it is that of `setup`, which the capability closes over; a domain's part is this instance's.
    const state: PortsState = { channels: new Map(), plain: { pending: new Set(), masked: new Set() } };
    context.state.domains.set(domain.name, state);
    const ports = new Ports(domain.name, channels.idOf(domain.name), domain.vcpus.length, options.max_port, state, {
      of: (name) => channels.live.get(name),
      allows: (subject, object) => isAllowed(find(DomainPolicy), { subject, object, verb: "event", declared: false }, trace),
    });
    channels.live.set(domain.name, ports);
    onStop(() => {
      ports.destroy();
      channels.gone(domain.name);
    });
    context.provide(EventPorts, ports);
    for (const [index, channel] of channelsOf(options.channels).entries()) {
      const end = channel.findIndex((candidate) => candidate.domain === domain.name);
      if (end < 0) continue;
      const mine = channel[end], other = channel[1 - end];
      if (!isAllowed(find(DomainPolicy), { subject: mine.domain, object: other.domain, verb: "event", declared: true }, trace)) {
        const use = board.plugins.find(({ plugin }) => plugin.name === "event_channels") as PluginUse;
        fail(
          "channels",
          `the board's policy doesn't let ${mine.domain} have a channel to ${other.domain} (entry ${index} of ${use.plugin.name})`,
        );
      }
      ports.declare(mine.port, other.domain, other.port);
    }
  },
});

/** What `setup` makes and `attach` adds to. */
interface BoardChannels extends EventChannels {
  readonly live: Map<string, Ports>;
  /** A domain went: its number is free. */
  gone(domain: string): void;
}

export default eventChannels;
