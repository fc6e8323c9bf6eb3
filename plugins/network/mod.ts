/**
 * Networks: a user-mode one for a domain, a switch for several, and the way from a switch to the world.
 * @module
 */
export { networkSwitch } from "./switch/plugin.ts";
export type { NetworkSwitchOptions, NetworkSwitchState } from "./switch/plugin.ts";
export { networkGateway } from "./user/gateway.ts";
export type { NetworkGatewayOptions } from "./user/gateway.ts";
export { userNetwork } from "./user/plugin.ts";
export type { UserNetworkOptions } from "./user/plugin.ts";
