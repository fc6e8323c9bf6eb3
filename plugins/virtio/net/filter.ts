/** Which frames the driver wants: Virtio 1.2, "Packet Receive Filtering", "Setting MAC Address Filtering", "VLAN Filtering". */

/** Addresses of a table; a longer one lets everything through. */
const MOST_ADDRESSES = 64;
const MAC = 6;
const VLAN_TYPE = 0x8100;

/** State, plain data. */
export interface FilterState {
  /** The device's address; the driver may change it. */
  mac: Uint8Array;
  promiscuous: boolean;
  allMulticast: boolean;
  allUnicast: boolean;
  noMulticast: boolean;
  noUnicast: boolean;
  noBroadcast: boolean;
  /** What the driver listed; absent: it has listed nothing, and gets every multicast. */
  unicast: string[] | undefined;
  multicast: string[] | undefined;
  /** A bit for each VLAN. */
  readonly vlans: Uint8Array;
}

/** Before the driver says anything. */
export function openFilter(mac: Uint8Array): FilterState {
  return {
    mac: mac.slice(),
    promiscuous: false,
    allMulticast: false,
    allUnicast: false,
    noMulticast: false,
    noUnicast: false,
    noBroadcast: false,
    unicast: undefined,
    multicast: undefined,
    vlans: new Uint8Array(4096 / 8),
  };
}

const key = (address: Uint8Array) => address.toHex();

/** Takes the two tables of a command; false when they aren't well-formed. */
export function setTables(filter: FilterState, data: Uint8Array): boolean {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const tables: string[][] = [];
  let at = 0;
  for (let n = 0; n < 2; n++) {
    if (at + 4 > data.length) return false;
    const count = view.getUint32(at, true);
    at += 4;
    if (count > (data.length - at) / MAC) return false;
    const end = at + MAC * count;
    const table: string[] = [];
    for (; at < end; at += MAC) if (table.length <= MOST_ADDRESSES) table.push(key(data.subarray(at, at + MAC)));
    tables.push(table);
  }
  [filter.unicast, filter.multicast] = tables;
  return true;
}

/** Is a frame for the driver? `byVlan`: it asked for that filter. */
export function wanted(filter: FilterState, frame: Uint8Array, byVlan: boolean): boolean {
  if (byVlan && frame.length >= 16 && (frame[12] << 8 | frame[13]) === VLAN_TYPE) {
    const vlan = (frame[14] & 15) << 8 | frame[15];
    if ((filter.vlans[vlan >>> 3] >>> (vlan & 7) & 1) === 0) return false;
  }
  if (filter.promiscuous) return true;
  const to = key(frame.subarray(0, MAC));
  if (to === "ffffffffffff") return !filter.noBroadcast;
  if ((frame[0] & 1) !== 0) return !filter.noMulticast && (filter.allMulticast || listed(filter.multicast, to, true));
  return to === key(filter.mac) || !filter.noUnicast && (filter.allUnicast || listed(filter.unicast, to, false));
}

function listed(table: readonly string[] | undefined, address: string, absent: boolean): boolean {
  return table === undefined ? absent : table.length > MOST_ADDRESSES || table.includes(address);
}
