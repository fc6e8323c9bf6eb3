/**
 * Networks for devices: Ethernet frames on cables. A device gets one end of a cable, a user-mode network or a switch has the other;
 * neither knows what the other one is.
 */
import { capability } from "../../core/mod.ts";
import type { Capability } from "../../core/mod.ts";

/** A checksum that isn't computed yet: its field holds the sum of the pseudo-header, and what it covers begins at `start`. */
export interface PartialChecksum {
  /** Bytes from the frame's start. */
  readonly start: number;
  /** Of the field, from `start`. */
  readonly offset: number;
}

/** A TCP segment that is longer than the link allows, to be cut into frames of `size` bytes of data each. */
export interface Segmentation {
  /** TCP over IPv4 or IPv6. */
  readonly kind: "tcp4" | "tcp6";
  /** Bytes of data in each frame but the last. */
  readonly size: number;
}

/** An Ethernet frame without its check sequence. Whoever sends it never changes it again. */
export interface Frame {
  /** From the destination's address on. */
  readonly bytes: Uint8Array;
  /** Absent: all checksums are there. */
  readonly checksum?: PartialChecksum;
  /** Only with `checksum`. */
  readonly segmentation?: Segmentation;
}

/** Who takes frames at one end of a cable. */
export interface FrameReceiver {
  /** A frame comes. False: there is no room, it is lost. */
  receive(frame: Frame): boolean;
  /** The far end has room again, after it lost a frame. */
  ready?(): void;
}

/** One end of a cable. */
export interface CableEnd {
  /** Who takes what the far end sends; nobody before. */
  attach(receiver: FrameReceiver): void;
  /** Sends. False: nobody is there, or there is no room. Never throws, keeps no more than the frame. */
  send(frame: Frame): boolean;
  /** Tells the far end that there is room again. */
  ready(): void;
  /** Nothing goes through any more. */
  unplug(): void;
}

/** Something with a socket for a cable. */
export interface Network {
  /** Throws an error that says why there is no socket left. */
  plug(owner: string): CableEnd;
}

/** The domain's own network to the world outside. */
export const UserNetwork: Capability<Network> = capability("UserNetwork", "domain");

/** Segments that domains of a board share, by name. */
export interface NetworkSwitch {
  /** Throws an error that says what segments there are. */
  segment(name: string): Network;
}

/** The board's switch. */
export const NetworkSwitch: Capability<NetworkSwitch> = capability("NetworkSwitch", "board");
