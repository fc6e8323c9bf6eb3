/** What the board says of a network device, and what the device knows: plain data. */
import type { Frame } from "../../network/contract.ts";
import type { FilterState } from "./filter.ts";

/** Options. */
export interface NetOptions {
  readonly mac?: string;
  readonly mtu: number;
  readonly queues: number;
  readonly queue_size: number;
  readonly offloads: boolean;
  readonly switch?: string;
}

/** Frames for one queue pair that wait for receive buffers. */
export interface Waiting {
  frames: Frame[];
  /** Of all of them together. */
  bytes: number;
  /** What is left of a frame that goes on in the next buffer. */
  rest: Uint8Array | undefined;
}

/** State. */
export interface NetState {
  filter: FilterState;
  /** The driver is ready. */
  running: boolean;
  /** Queue pairs in use. */
  pairs: number;
  /** Feature bits of what the driver takes now. */
  offloads: bigint;
  /** By queue pair. */
  waiting: Waiting[];
  /** A frame was lost for want of room: who sent it waits. */
  lost: boolean;
}

/** Nothing waits. */
export const nothingWaits = (): Waiting => ({ frames: [], bytes: 0, rest: undefined });
