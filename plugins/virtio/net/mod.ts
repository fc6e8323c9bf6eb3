/** The virtio network device as a model: its address, and the cable that it is on. */
import { formatMac, parseMac } from "../../network/contract.ts";
import type { VirtioModel } from "../model.ts";
import { NetDevice } from "./device.ts";
import { openFilter } from "./filter.ts";
import { Net } from "./protocol.ts";
import { nothingWaits } from "./state.ts";
import type { NetOptions, NetState } from "./state.ts";

export type { NetOptions, NetState } from "./state.ts";

const CABLE = "cable";

/** The device. */
export const net: VirtioModel<NetOptions, NetState> = {
  name: "virtio_net",
  doc: "Virtio network device, on the domain's user_network or on the board's network_switch.",
  options: {
    switch: { kind: "text", optional: true, doc: "Segment of the board's network_switch; absent: the domain's user_network." },
    mac: {
      kind: "text",
      optional: true,
      doc: "Its hardware address, such as 52:54:00:12:34:56; from the board's seed when absent.",
      check(value) {
        const mac = parseMac(String(value));
        if (mac === undefined) return "six octets in hexadecimal, with colons between";
        return (mac[0] & 1) === 0 && mac.some((octet) => octet !== 0) ? undefined : "an address of one station, not of a group";
      },
    },
    mtu: { kind: "integer", default: 1500, min: 576, max: 65_521, doc: "The longest packet, without its Ethernet header, in bytes." },
    queues: { kind: "integer", default: 1, min: 1, max: 16, doc: "Pairs of queues: one for each vCPU is best." },
    queue_size: {
      kind: "integer",
      default: 256,
      min: 16,
      max: 1024,
      doc: "Entries of each queue at most, a power of two.",
      check: (value) => Number.isInteger(Math.log2(value as number)) ? undefined : "a power of two",
    },
    offloads: { kind: "boolean", default: true, doc: "Offers to compute checksums and to cut TCP segments, both ways." },
  },
  shape: ({ queues, queue_size, offloads }) => ({
    deviceId: 1,
    features: [
      Net.MTU,
      Net.MAC,
      Net.MRG_RXBUF,
      Net.STATUS,
      Net.CTRL_VQ,
      Net.CTRL_RX,
      Net.CTRL_VLAN,
      Net.CTRL_RX_EXTRA,
      Net.CTRL_MAC_ADDR,
      ...offloads ? [Net.CSUM, Net.GUEST_CSUM, Net.CTRL_GUEST_OFFLOADS, Net.GUEST_TSO4, Net.GUEST_TSO6, Net.HOST_TSO4, Net.HOST_TSO6] : [],
      ...queues > 1 ? [Net.MQ] : [],
    ],
    queues: [...new Array(2 * queues).fill(queue_size), 64],
  }),
  state: ({ queues }) => ({
    filter: openFilter(new Uint8Array(6)),
    running: false,
    pairs: 1,
    offloads: 0n,
    waiting: Array.from({ length: queues }, nothingWaits),
    lost: false,
  }),
  cables: (options) => ({ [CABLE]: { option: "switch", segment: options.switch } }),
  create(context) {
    const { options, state, random, cable } = context;
    // Locally administered.
    const mac = options.mac === undefined ? Uint8Array.of(0x52, 0x54, 0, ...random(3)) : parseMac(options.mac)!;
    if (state.filter.mac.every((octet) => octet === 0)) state.filter = openFilter(mac);
    context.trace("virtio_net", () => `hardware address ${formatMac(mac)}`);
    return new NetDevice(context, mac, cable!(CABLE));
  },
};
