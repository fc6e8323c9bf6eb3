/**
 * Networks: a user-mode one for a domain, and a switch for several.
 * @module
 */
export { userNetwork } from "./user/plugin.ts";
export type { UserNetworkOptions } from "./user/plugin.ts";
