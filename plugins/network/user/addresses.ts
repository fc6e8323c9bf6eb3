/** IPv4 addresses as 32-bit numbers. */

/** From text such as `10.0.2.2`; undefined when it isn't one. */
export function parseIpv4(text: string): number | undefined {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (octets === undefined || octets.some((octet) => octet > 255)) return undefined;
  return octets.reduce((all, octet) => all * 256 + octet, 0);
}

/** As text. */
export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => address >>> shift & 0xff).join(".");
}

/** A network in CIDR notation, such as `10.0.2.0/24`; its prefix has 8 to 28 bits. Undefined when it isn't one. */
export function parseNetwork(text: string): { readonly base: number; readonly mask: number } | undefined {
  const [, address, prefix] = /^([\d.]+)\/(\d+)$/.exec(text) ?? [];
  const base = parseIpv4(address ?? "");
  const bits = Number(prefix);
  if (base === undefined || bits < 8 || bits > 28) return undefined;
  const mask = (0xffff_ffff << (32 - bits)) >>> 0;
  return (base & mask) >>> 0 === base ? { base, mask } : undefined;
}
