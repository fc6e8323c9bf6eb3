/** The plugin `network_gateway`: a user-mode network for everybody on a segment of the board's switch. */
import { definePlugin } from "../../../core/mod.ts";
import type { Plugin } from "../../../core/mod.ts";
import { NetworkSwitch } from "../link.ts";
import { startNetwork, userNetworkOptions } from "./plugin.ts";
import type { UserNetworkOptions } from "./plugin.ts";
import { emptyStack } from "./stack.ts";
import type { StackState } from "./stack.ts";

/** Options. */
export interface NetworkGatewayOptions extends UserNetworkOptions {
  readonly segment: string;
}

/** The gateway. */
export const networkGateway: Plugin<NetworkGatewayOptions, StackState> = definePlugin({
  name: "network_gateway",
  doc: "What user_network is for one domain, for all domains on a segment of the board's network_switch.",
  options: { segment: { kind: "text", default: "lan", doc: "The segment." }, ...userNetworkOptions },
  needs: [NetworkSwitch],
  state: emptyStack,
  setup(context) {
    const { options, get, fail, onStop } = context;
    try {
      const end = get(NetworkSwitch).segment(options.segment).plug("network_gateway");
      onStop(() => end.unplug());
      startNetwork(context, end);
    } catch (error) {
      if (error instanceof Error && error.name === "OptionError") throw error;
      fail("segment", error instanceof Error ? error.message : String(error));
    }
  },
});
