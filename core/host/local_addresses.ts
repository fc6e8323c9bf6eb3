/** Which addresses are this host itself, or nobody that a guest should reach without its owner's leave. */

/** First octets, and how many bits count: this host, loopback, link-local (with the metadata of clouds), multicast, reserved, broadcast. */
const RANGES: readonly (readonly [address: readonly number[], bits: number])[] = [
  [[0, 0, 0, 0], 8],
  [[127, 0, 0, 0], 8],
  [[169, 254, 0, 0], 16],
  [[224, 0, 0, 0], 3],
];

const word = (octets: readonly number[]) => octets.reduce((all, octet) => all * 256 + octet, 0);

/** True for this host's own addresses, loopback, link-local, multicast and reserved ones, and for whatever isn't a numeric IPv4 address. */
export function isLocalAddress(hostname: string): boolean {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(hostname)?.slice(1).map(Number);
  if (octets === undefined || octets.some((octet) => octet > 255)) return true;
  const address = word(octets);
  if (RANGES.some(([base, bits]) => Math.floor(address / 2 ** (32 - bits)) === Math.floor(word(base) / 2 ** (32 - bits)))) return true;
  return ownAddresses().includes(hostname);
}

/** Without the permission `sys` they aren't known. */
function ownAddresses(): string[] {
  try {
    return Deno.networkInterfaces().map(({ address }) => address);
  } catch {
    return [];
  }
}
