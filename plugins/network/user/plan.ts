/** Who has which address in a user-mode network. */
import { parseIpv4, parseNetwork } from "./addresses.ts";
import type { DhcpNetwork } from "./dhcp.ts";

/** Its addresses and rules. */
export interface Plan extends DhcpNetwork {
  readonly gatewayMac: Uint8Array;
  /** Nobody outside can be reached. */
  readonly restrict: boolean;
  /** The gateway's address leads to the host itself. */
  readonly hostAccess: boolean;
  /** Asked in place of the host's own. */
  readonly nameServer: { readonly hostname: string; readonly port: number } | undefined;
}

/** Host numbers. */
const [GATEWAY, DNS, FIRST] = [2, 3, 15];

/** From checked options. */
export function planOf(options: {
  readonly network: string;
  readonly mtu: number;
  readonly restrict: boolean;
  readonly host_access: boolean;
  readonly name_server?: string;
}): Plan {
  const { base, mask } = parseNetwork(options.network)!;
  const gateway = base + GATEWAY;
  const first = base + Math.min(FIRST, DNS + 1 + (~mask >>> 0) / 8 | 0);
  return {
    base,
    mask,
    gateway,
    dns: base + DNS,
    mtu: options.mtu,
    first,
    count: Math.min(base + (~mask >>> 0) - first, 240),
    // Locally administered, and the address itself.
    gatewayMac: Uint8Array.of(0x52, 0x55, gateway >>> 24, gateway >>> 16, gateway >>> 8, gateway),
    restrict: options.restrict,
    hostAccess: options.host_access,
    nameServer: options.name_server === undefined ? undefined : parsePlace(options.name_server, 53),
  };
}

/** `127.0.0.1:5353`, or without a port. Undefined when it isn't that. */
export function parsePlace(text: string, port?: number): { readonly hostname: string; readonly port: number } | undefined {
  const [, hostname, given] = /^([\d.]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const number = given === undefined ? port : Number(given);
  if (parseIpv4(hostname ?? "") === undefined || number === undefined || number > 65535) return undefined;
  return { hostname, port: number };
}
