/** How the parts of a user-mode network send. */
import type { Frame } from "../link.ts";
import type { Packet } from "./ipv4.ts";
import type { Plan } from "./plan.ts";

/** Fills in what a packet carries, from an offset of the frame on; returns what is left to others. */
export type Fill = (frame: Uint8Array, at: number) => Omit<Frame, "bytes"> | void;

/** To guests. Nothing here throws. */
export interface Output {
  readonly plan: Plan;
  /** A packet to an address of the network. False: it was lost, or nobody knows yet where that is. */
  packet(to: number, from: number, protocol: number, size: number, fill: Fill): boolean;
  /** A UDP datagram, in fragments when it must be. */
  datagram(to: number, toPort: number, from: number, fromPort: number, data: Uint8Array): void;
  /** An error about a packet, to its sender. */
  error(kind: readonly [number, number], about: Packet): void;
}
