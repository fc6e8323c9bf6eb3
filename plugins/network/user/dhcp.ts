/**
 * A DHCP server (RFC 2131, RFC 2132): hands out the network's addresses by hardware address.
 *
 * Leases are as many as there are addresses; when all are taken, the one that was asked for longest ago goes.
 */
import { get16, get32, put16, put32 } from "../bytes.ts";
import { formatMac } from "../mac.ts";

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

const FIXED = 236;
const MAGIC = 0x6382_5363;
const [REQUEST, REPLY] = [1, 2];
const BROADCAST_FLAG = 0x8000;
/** Message types. */
const Type = { DISCOVER: 1, OFFER: 2, REQUEST: 3, DECLINE: 4, ACK: 5, NAK: 6, RELEASE: 7, INFORM: 8 } as const;
/** Options. */
const Option = {
  PAD: 0,
  SUBNET: 1,
  ROUTER: 3,
  DNS: 6,
  HOST_NAME: 12,
  MTU: 26,
  REQUESTED: 50,
  LEASE: 51,
  TYPE: 53,
  SERVER: 54,
  END: 255,
} as const;
const LEASE_SECONDS = 86_400;

/** An address and whose it is. */
export interface Lease {
  readonly mac: string;
  readonly address: number;
}

/** What the server tells. */
export interface DhcpNetwork {
  readonly base: number;
  readonly mask: number;
  readonly gateway: number;
  readonly dns: number;
  readonly mtu: number;
  /** The first address that is handed out. */
  readonly first: number;
  /** How many are. */
  readonly count: number;
}

/** A reply, and where it goes. */
export interface DhcpReply {
  readonly message: Uint8Array;
  /** 0xffff_ffff: to everybody. */
  readonly to: number;
  readonly mac: Uint8Array | undefined;
}

interface Request {
  readonly type: number;
  readonly mac: Uint8Array;
  readonly client: number;
  readonly broadcast: boolean;
  readonly requested: number | undefined;
  readonly server: number | undefined;
}

/** Answers a message; `leases` is the server's state, the latest asked for last. Undefined: no answer. */
export function answerDhcp(network: DhcpNetwork, leases: Lease[], message: Uint8Array): DhcpReply | undefined {
  const request = parse(message);
  if (request === undefined) return undefined;
  const { type, server, client } = request;
  const key = formatMac(request.mac);
  const forgotten = () => leases.splice(0, leases.length, ...leases.filter(({ mac }) => mac !== key));
  if (server !== undefined && server !== network.gateway) return void (type === Type.REQUEST && forgotten());
  switch (type) {
    case Type.DISCOVER:
      return reply(network, message, request, Type.OFFER, lease(network, leases, key, request.requested));
    case Type.REQUEST: {
      const address = lease(network, leases, key, request.requested ?? client);
      const asked = request.requested ?? client;
      return reply(network, message, request, asked === address ? Type.ACK : Type.NAK, asked === address ? address : 0);
    }
    case Type.INFORM:
      return client === 0 ? undefined : reply(network, message, request, Type.ACK, 0);
    case Type.RELEASE:
      return void forgotten();
    default:
      return undefined;
  }
}

/** The address of a client: the one that it has, the one that it wants, the lowest that is free, or the one unused for longest. */
function lease({ first, count }: DhcpNetwork, leases: Lease[], mac: string, wanted: number | undefined): number {
  const free = (address: number) => leases.every((other) => other.address !== address);
  const at = leases.findIndex((other) => other.mac === mac);
  let address: number | undefined = at >= 0 ? leases.splice(at, 1)[0].address : undefined;
  if (address === undefined && wanted !== undefined && wanted >= first && wanted < first + count && free(wanted)) address = wanted;
  for (let candidate = first; address === undefined && candidate < first + count; candidate++) if (free(candidate)) address = candidate;
  address ??= leases.shift()!.address;
  leases.push({ mac, address });
  return address;
}

function parse(message: Uint8Array): Request | undefined {
  if (message.length < FIXED + 4 || message[0] !== REQUEST || message[1] !== 1 || message[2] !== 6) return undefined;
  if (get32(message, FIXED) !== MAGIC) return undefined;
  const options = new Map<number, Uint8Array>();
  for (let at = FIXED + 4; at < message.length && message[at] !== Option.END;) {
    if (message[at] === Option.PAD) {
      at++;
      continue;
    }
    const length = message[at + 1];
    if (length === undefined || at + 2 + length > message.length) return undefined;
    options.set(message[at], message.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  const address = (option: number) => {
    const value = options.get(option);
    return value?.length === 4 ? get32(value, 0) : undefined;
  };
  const type = options.get(Option.TYPE);
  if (type?.length !== 1) return undefined;
  return {
    type: type[0],
    mac: message.slice(28, 34),
    client: get32(message, 12),
    broadcast: (get16(message, 10) & BROADCAST_FLAG) !== 0,
    requested: address(Option.REQUESTED),
    server: address(Option.SERVER),
  };
}

function reply(network: DhcpNetwork, asked: Uint8Array, request: Request, type: number, address: number): DhcpReply {
  const four = (value: number) => {
    const bytes = new Uint8Array(4);
    put32(bytes, 0, value);
    return [...bytes];
  };
  const option = (number: number, value: readonly number[]) => [number, value.length, ...value];
  const options = [...option(Option.TYPE, [type]), ...option(Option.SERVER, four(network.gateway))];
  if (type !== Type.NAK) {
    // Who only informs himself has an address already.
    if (address !== 0) options.push(...option(Option.LEASE, four(LEASE_SECONDS)));
    options.push(...option(Option.SUBNET, four(network.mask)), ...option(Option.ROUTER, four(network.gateway)));
    options.push(...option(Option.DNS, four(network.dns)), ...option(Option.MTU, [network.mtu >>> 8, network.mtu & 0xff]));
  }
  // BOOTP clients want 300 bytes.
  const message = new Uint8Array(Math.max(300, FIXED + 4 + options.length + 1));
  message.set(asked.subarray(0, FIXED));
  message[0] = REPLY;
  message.fill(0, 8, 10); // seconds
  if (type === Type.NAK) message.fill(0, 12, 16);
  put32(message, 16, address);
  put32(message, 20, network.gateway);
  message.fill(0, 44, FIXED); // server name and file
  put32(message, FIXED, MAGIC);
  message.set([...options, Option.END], FIXED + 4);
  put16(message, 10, get16(asked, 10));
  if (type === Type.NAK) return { message, to: 0xffff_ffff, mac: undefined };
  if (request.client !== 0) return { message, to: request.client, mac: request.mac };
  return request.broadcast ? { message, to: 0xffff_ffff, mac: undefined } : { message, to: address, mac: request.mac };
}
