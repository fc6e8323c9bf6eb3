/** The plugin `user_network`: a network of a domain's own to the world outside. */
import { definePlugin } from "../../../core/mod.ts";
import type { BoardContext, OptionSpecs, Plugin } from "../../../core/mod.ts";
import { cable } from "../cable.ts";
import { UserNetwork } from "../link.ts";
import type { CableEnd } from "../link.ts";
import { parseNetwork } from "./addresses.ts";
import { parseForward } from "./forward.ts";
import type { Forward } from "./forward.ts";
import { parsePlace, planOf } from "./plan.ts";
import { emptyStack, UserStack } from "./stack.ts";
import type { StackState } from "./stack.ts";

/** Options. */
export interface UserNetworkOptions {
  readonly network: string;
  readonly mtu: number;
  readonly restrict: boolean;
  readonly host_access: boolean;
  readonly name_server?: string;
  readonly forward: readonly string[];
}

/** Their descriptions. */
export const userNetworkOptions: OptionSpecs = {
  network: {
    kind: "text",
    default: "10.0.2.0/24",
    doc: "Its addresses: .2 is the gateway, .3 the name server, guests get .15 and on by DHCP.",
    check: (value) => parseNetwork(String(value)) === undefined ? "a network such as 10.0.2.0/24, of 8 to 28 bits" : undefined,
  },
  mtu: { kind: "integer", default: 1500, min: 576, max: 65_521, doc: "The longest packet to a guest, in bytes." },
  restrict: { kind: "boolean", default: false, doc: "Nobody outside can be reached; forwarded ports work." },
  host_access: {
    kind: "boolean",
    default: false,
    doc: "The gateway's address leads to this host's loopback. Its other addresses can't be reached in any case.",
  },
  name_server: {
    kind: "text",
    optional: true,
    doc: "Asked in place of this host's name server: an IPv4 address, with :PORT when it isn't 53.",
    check: (value) => parsePlace(String(value), 53) === undefined ? "an IPv4 address, such as 192.0.2.53:5353" : undefined,
  },
  forward: {
    kind: "text",
    list: true,
    default: [],
    doc: "Ports of this host that lead to a guest: tcp:127.0.0.1:2222-:22, or udp:…; without an address of this host only it can call.",
    check(value) {
      for (const text of value as readonly string[]) {
        const forward = parseForward(text);
        if (typeof forward === "string") return forward;
      }
    },
  },
};

/** Brings a network up at one end of a cable. */
export function startNetwork(context: BoardContext<UserNetworkOptions, StackState>, end: CableEnd): void {
  const { options, state, clock, host: { sockets }, random, trace, fail } = context;
  const stack = new UserStack({ plan: planOf(options), state, clock, sockets, cable: end, random, trace });
  for (const text of options.forward) {
    const forward = parseForward(text) as Forward;
    try {
      if (forward.protocol === "udp") stack.udp.forward(forward, () => trace("user_network", () => `${text}: the port can't be had`));
      else trace("user_network", () => `${text}: port ${stack.tcp.forward(forward)}`);
    } catch (error) {
      fail("forward", `${text}: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** The network. */
export const userNetwork: Plugin<UserNetworkOptions, StackState> = definePlugin({
  name: "user_network",
  doc: "A network to the world outside: DHCP, DNS, and TCP and UDP through this host's sockets.",
  options: userNetworkOptions,
  provides: [UserNetwork],
  state: emptyStack,
  attach(context) {
    const [near, far] = cable();
    let owner: string | undefined;
    startNetwork(context, near);
    context.provide(UserNetwork, {
      plug(name) {
        if (owner !== undefined) {
          throw new Error("the domain's user_network has one socket, and it is taken: several devices go on a network_switch");
        }
        owner = name;
        return far;
      },
    });
  },
});
