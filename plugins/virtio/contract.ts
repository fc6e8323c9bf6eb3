/** What whoever writes a virtio device builds on: a model, and a plugin made of it. */
export { virtioPlugin } from "./plugin.ts";
export type { TransportOptions, VirtioState } from "./plugin.ts";
export type { DiskRequest, Served, VirtioBehaviour, VirtioBuffer, VirtioContext, VirtioModel, VirtioShape } from "./model.ts";
