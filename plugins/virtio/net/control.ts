/** Control commands: Virtio 1.2, "Control Virtqueue". */
import type { Served, VirtioBuffer, VirtioContext } from "../model.ts";
import type { NetOptions, NetState } from "./state.ts";
import { setTables } from "./filter.ts";
import { Acknowledge, Control, Net } from "./protocol.ts";

/** Longer ones are refused: the tables of a command are not that long. */
const LONGEST = 0x1_0000;

type Context = VirtioContext<NetOptions, NetState>;

/** Does what a command says, and acknowledges it. */
export function control(context: Context, buffer: VirtioBuffer): Served {
  if (buffer.writable < 1) buffer.reject("a control command with no room for its acknowledgement");
  const command = buffer.readable <= LONGEST ? buffer.read() : new Uint8Array(0);
  const done = command.length >= 2 && obey(context, command[0], command[1], command.subarray(2));
  if (!done) context.trace("virtio driver", () => `control command ${command[0]}, ${command[1]} with ${command.length - 2} bytes`);
  buffer.write(0, Uint8Array.of(done ? Acknowledge.OK : Acknowledge.ERROR));
  return 1;
}

/** False: refused. */
function obey(context: Context, kind: number, command: number, data: Uint8Array): boolean {
  const { has } = context;
  switch (kind) {
    case Control.RX.class:
      return has(command <= Control.RX.ALLMULTI ? Net.CTRL_RX : Net.CTRL_RX_EXTRA) && receive(context, command, data);
    case Control.MAC.class:
      return address(context, command, data);
    case Control.VLAN.class:
      return has(Net.CTRL_VLAN) && vlan(context, command, data);
    case Control.MQ.class:
      return has(Net.MQ) && command === Control.MQ.PAIRS_SET && pairs(context, data);
    case Control.OFFLOADS.class:
      return has(Net.CTRL_GUEST_OFFLOADS) && command === Control.OFFLOADS.SET && offloads(context, data);
    default:
      return false;
  }
}

function receive({ state: { filter } }: Context, command: number, data: Uint8Array): boolean {
  if (data.length !== 1 || data[0] > 1) return false;
  const on = data[0] === 1;
  const { PROMISC, ALLMULTI, ALLUNI, NOMULTI, NOUNI, NOBCAST } = Control.RX;
  const names = new Map<number, "promiscuous" | "allMulticast" | "allUnicast" | "noMulticast" | "noUnicast" | "noBroadcast">([
    [PROMISC, "promiscuous"],
    [ALLMULTI, "allMulticast"],
    [ALLUNI, "allUnicast"],
    [NOMULTI, "noMulticast"],
    [NOUNI, "noUnicast"],
    [NOBCAST, "noBroadcast"],
  ]);
  const name = names.get(command);
  if (name !== undefined) filter[name] = on;
  return name !== undefined;
}

function address({ state: { filter }, has }: Context, command: number, data: Uint8Array): boolean {
  if (command === Control.MAC.TABLE_SET) return has(Net.CTRL_RX) && setTables(filter, data);
  if (command !== Control.MAC.ADDR_SET || !has(Net.CTRL_MAC_ADDR) || data.length !== 6) return false;
  filter.mac = data.slice();
  return true;
}

function vlan({ state: { filter } }: Context, command: number, data: Uint8Array): boolean {
  if (data.length !== 2) return false;
  const id = data[0] | data[1] << 8;
  if (id > 0xfff || command > Control.VLAN.DEL) return false;
  const bit = 1 << (id & 7);
  if (command === Control.VLAN.ADD) filter.vlans[id >>> 3] |= bit;
  else filter.vlans[id >>> 3] &= ~bit;
  return true;
}

function pairs({ state, options }: Context, data: Uint8Array): boolean {
  if (data.length !== 2) return false;
  const count = data[0] | data[1] << 8;
  if (count < 1 || count > options.queues) return false;
  state.pairs = count;
  return true;
}

function offloads({ state, has }: Context, data: Uint8Array): boolean {
  if (data.length !== 8) return false;
  const wanted = new DataView(data.buffer, data.byteOffset).getBigUint64(0, true);
  const known = [Net.GUEST_CSUM, Net.GUEST_TSO4, Net.GUEST_TSO6].filter((bit) => has(bit));
  if ((wanted & ~known.reduce((mask, bit) => mask | 1n << BigInt(bit), 0n)) !== 0n) return false;
  // Without the checksum there is nothing to cut.
  if ((wanted >> BigInt(Net.GUEST_CSUM) & 1n) === 0n && wanted !== 0n) return false;
  state.offloads = wanted;
  return true;
}
