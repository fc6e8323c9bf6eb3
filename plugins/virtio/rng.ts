/** Entropy device: Virtio 1.2, "Entropy Device". Its bytes come from the board's seed, so a run repeats. */
import type { VirtioModel } from "./model.ts";

/** Bytes for one buffer: a driver that asks for gigabytes gets its bytes in portions. */
const PORTION = 0x1_0000;

/** It has none. */
export type RngState = Record<never, never>;

/** The device. */
export const rng: VirtioModel<Record<never, never>, RngState> = {
  name: "virtio_rng",
  doc: "Virtio entropy device: random bytes from the board's seed.",
  options: {},
  shape: () => ({ deviceId: 4, features: [], queues: [8] }),
  state: () => ({}),
  create: ({ random }) => ({
    serve(_queue, buffer) {
      const count = Math.min(buffer.writable, PORTION);
      if (count === 0) buffer.reject("a request for entropy with no room for it");
      buffer.write(0, random(count));
      return count;
    },
  }),
};
