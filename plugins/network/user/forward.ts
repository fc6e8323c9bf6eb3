/** Forwarded ports: `tcp:127.0.0.1:2222-:22`, from a port of the host to one of a guest. */
import { parseIpv4 } from "./addresses.ts";

/** One of them. */
export interface Forward {
  readonly protocol: "tcp" | "udp";
  readonly host: { readonly hostname: string; readonly port: number };
  /** Absent: the guest that came first. */
  readonly guest?: number;
  readonly port: number;
}

/** A text that says what is wrong when it isn't one. */
export function parseForward(text: string): Forward | string {
  const [, protocol, hostname, hostPort, guest, port] = /^(tcp|udp):([\d.]*):(\d{1,5})-([\d.]*):(\d{1,5})$/.exec(text) ?? [];
  if (protocol === undefined) return "PROTOCOL:[HOST ADDRESS]:PORT-[GUEST ADDRESS]:PORT, such as tcp:127.0.0.1:2222-:22";
  if (Number(hostPort) > 65_535 || Number(port) < 1 || Number(port) > 65_535) return "ports from 1 to 65535; the host's may be 0";
  if (hostname !== "" && parseIpv4(hostname) === undefined || guest !== "" && parseIpv4(guest) === undefined) return "IPv4 addresses";
  return {
    protocol: protocol as "tcp" | "udp",
    // Nobody else of the network gets in unless the board says so.
    host: { hostname: hostname || "127.0.0.1", port: Number(hostPort) },
    ...guest === "" ? {} : { guest: parseIpv4(guest) },
    port: Number(port),
  };
}
