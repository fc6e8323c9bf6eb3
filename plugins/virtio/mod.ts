/**
 * Virtio (Virtual I/O Device, version 1.2): one core for status, negotiation and queues, transports, and devices that know neither.
 * @module
 */
import type { Plugin } from "../../core/mod.ts";
import { blk } from "./blk/mod.ts";
import type { BlkOptions, BlkState } from "./blk/mod.ts";
import { virtioPlugin } from "./plugin.ts";
import type { TransportOptions, VirtioState } from "./plugin.ts";
import { rng } from "./rng.ts";

/** Block device. */
export const virtioBlk: Plugin<BlkOptions & TransportOptions, VirtioState<BlkState>> = virtioPlugin(blk);
/** Entropy device. */
export const virtioRng: Plugin<TransportOptions, VirtioState<Record<never, never>>> = virtioPlugin(rng);
