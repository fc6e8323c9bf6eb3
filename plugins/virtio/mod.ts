/**
 * Virtio (Virtual I/O Device, version 1.2): one core for status, negotiation and queues, transports, and devices that know neither.
 * @module
 */
import type { Plugin } from "../../core/mod.ts";
import { balloon } from "./balloon.ts";
import type { BalloonOptions, BalloonState } from "./balloon.ts";
import { blk } from "./blk/mod.ts";
import type { BlkOptions, BlkState } from "./blk/mod.ts";
import { console } from "./console.ts";
import type { ConsoleOptions, ConsoleState } from "./console.ts";
import { virtioPlugin } from "./plugin.ts";
import type { TransportOptions, VirtioState } from "./plugin.ts";
import { rng } from "./rng.ts";

/** Memory balloon. */
export const virtioBalloon: Plugin<BalloonOptions & TransportOptions, VirtioState<BalloonState>> = virtioPlugin(balloon);
/** Block device. */
export const virtioBlk: Plugin<BlkOptions & TransportOptions, VirtioState<BlkState>> = virtioPlugin(blk);
/** Console with several ports. */
export const virtioConsole: Plugin<ConsoleOptions & TransportOptions, VirtioState<ConsoleState>> = virtioPlugin(console);
/** Entropy device. */
export const virtioRng: Plugin<TransportOptions, VirtioState<Record<never, never>>> = virtioPlugin(rng);
