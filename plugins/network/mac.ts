/** Hardware addresses. */

/** From text such as `52:54:00:12:34:56`; undefined when it isn't one. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (octet) => parseInt(octet, 16));
}

/** As text. */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (octet) => octet.toString(16).padStart(2, "0")).join(":");
}
