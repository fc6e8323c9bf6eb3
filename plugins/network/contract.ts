/** What whoever builds a device or a network plugs together. */
export { cable } from "./cable.ts";
export { cableFindings, networkCables } from "./connect.ts";
export type { CableRequest } from "./connect.ts";
export { NetworkSwitch, UserNetwork } from "./link.ts";
export type { CableEnd, Frame, FrameReceiver, Network, PartialChecksum, Segmentation } from "./link.ts";
export { formatMac, parseMac } from "./mac.ts";
export { MOST_FRAME_BYTES, offloadProblem, plainFrames } from "./offload.ts";
