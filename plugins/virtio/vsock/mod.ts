/** Sockets between the guest and the host with no network between them: Virtio's device 19. */
import type { VirtioModel } from "../model.ts";
import { VsockDevice } from "./device.ts";
import type { VsockOptions, VsockState } from "./options.ts";

export type { VsockOptions, VsockState };

/** What stands for the port in a pattern. */
const PORT = "{port}";

function checkConnect(value: unknown): string | undefined {
  if (typeof value === "string") return value.includes(PORT) ? undefined : `a path with ${PORT} in it, or a path for each port`;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `a path with ${PORT} in it, or ports with their paths`;
  for (const [port, path] of Object.entries(value)) {
    if (!/^\d{1,10}$/.test(port) || Number(port) >= 2 ** 32) return `ports from 0 to 4294967295, not ${JSON.stringify(port)}`;
    if (typeof path !== "string" || path === "") return `the path of a Unix socket for port ${port}`;
  }
}

/** The device. */
export const vsock: VirtioModel<VsockOptions, VsockState> = {
  name: "virtio_vsock",
  doc: "Virtio sockets: connections between the guest and Unix sockets of the host, both ways.",
  options: {
    cid: { kind: "integer", default: 3, min: 3, max: 0xffff_fffe, doc: "The guest's address (context ID). The host's is 2." },
    connect: {
      kind: "any",
      optional: true,
      doc: `Where ports of the host lead: the path of a Unix socket for each (\`5000: ./host.sock\`), or one path with ${PORT} in it. ` +
        "Relative to the manifest; all other ports refuse.",
      check: checkConnect,
    },
    listen: {
      kind: "text",
      optional: true,
      doc:
        "A Unix socket, made here, for programs of the host: a line `CONNECT port`, and after the answer `OK ...` it is that port of the guest.",
    },
  },
  sockets: true,
  shape: () => ({ deviceId: 19, features: [], queues: [128, 128, 64] }),
  state: () => ({ live: new Map(), nextPort: 0 }),
  create(context) {
    const { options: { connect }, sockets } = context;
    if (sockets === undefined) throw new Error("virtio_vsock has no sockets of the host here");
    const pathOf = (port: number) => typeof connect === "string" ? connect.replaceAll(PORT, String(port)) : connect?.[String(port)];
    return new VsockDevice(context, sockets, pathOf);
  },
};
