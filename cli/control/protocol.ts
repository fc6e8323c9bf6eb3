/**
 * The language of the control socket: a line of JSON for each request, and one for each answer and event.
 *
 *     > {"id":1,"verb":"pause","domain":"linux"}
 *     < {"id":1,"ok":true,"result":"paused at 1.250 s"}
 */
import type { DomainStatus } from "../../core/mod.ts";

/** Verbs that act on a domain. */
export const DOMAIN_VERBS = ["pause", "unpause", "reboot", "destroy"] as const;
/** One of them. */
export type DomainVerb = typeof DOMAIN_VERBS[number];

/** What a client asks. */
export type Request =
  | { readonly id: number; readonly verb: "ps" }
  /** What happened so far, and what each vCPU is doing. */
  | { readonly id: number; readonly verb: "stats" }
  | { readonly id: number; readonly verb: DomainVerb; readonly domain: string }
  /** Output of a serial port comes as events from then on, and what was shown last at once. `name`: a port, or a domain with one port. */
  | { readonly id: number; readonly verb: "console"; readonly name: string }
  /** A character from U+0000 to U+00FF is a byte. */
  | { readonly id: number; readonly verb: "input"; readonly port: string; readonly bytes: string };

/** What `ps` gives. */
export interface PsResult {
  /** The board's name. */
  readonly board: string;
  /** Virtual time. */
  readonly nowNs: number;
  readonly domains: readonly DomainStatus[];
}

/** What `stats` gives. */
export interface StatsResult {
  /** Virtual time. */
  readonly nowNs: number;
  /** Executed by all vCPUs. */
  readonly instructions: number;
  /** Exits by cause. */
  readonly exits: Readonly<Record<string, number>>;
  /** A line or more for each vCPU. */
  readonly report: string;
}

/** The answer to a request. */
export type Answer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };

/** What comes by itself to who asked for a console. `lost`: bytes that were too much for a client that doesn't read. */
export type ControlEvent =
  | { readonly event: "output"; readonly port: string; readonly bytes: string }
  | { readonly event: "lost"; readonly port: string; readonly count: number };

/** Longest line of a request, in bytes. */
export const LINE_LIMIT = 16 * 1024;

/** A request, or what is wrong with a line. Never throws. */
export function parseRequest(line: string): Request | { readonly id: number; readonly error: string } {
  let data: unknown;
  try {
    data = JSON.parse(line);
  } catch {
    return { id: 0, error: "this is no line of JSON" };
  }
  if (typeof data !== "object" || data === null || Array.isArray(data)) return { id: 0, error: "want an object with id and verb" };
  const { id, verb, domain, name, port, bytes } = data as Record<string, unknown>;
  if (!Number.isSafeInteger(id)) return { id: 0, error: "id: want a number" };
  const wrong = (error: string) => ({ id: id as number, error });
  if (verb === "ps" || verb === "stats") return { id: id as number, verb };
  if (DOMAIN_VERBS.some((known) => known === verb)) {
    return typeof domain === "string" ? { id: id as number, verb: verb as DomainVerb, domain } : wrong("domain: want a name");
  }
  if (verb === "console") {
    return typeof name === "string" ? { id: id as number, verb, name } : wrong("name: want a serial port or a domain");
  }
  if (verb !== "input") return wrong(`verb: want ps, stats, ${DOMAIN_VERBS.join(", ")}, console or input`);
  if (typeof port !== "string") return wrong("port: want a serial port");
  // deno-lint-ignore no-control-regex -- bytes
  if (typeof bytes !== "string" || !/^[\u0000-\u00ff]*$/.test(bytes)) return wrong("bytes: want a character up to U+00FF for each byte");
  return { id: id as number, verb, port, bytes };
}

/** Lines of a stream without their ends. The last value is `undefined` when a line was too long: nothing after it is read. */
export async function* boundedLines(
  stream: { read(into: Uint8Array): Promise<number | null> },
  limit: number,
): AsyncGenerator<string | undefined> {
  const chunk = new Uint8Array(4096);
  let line: number[] = [];
  for (;;) {
    const count = await stream.read(chunk);
    if (count === null) return;
    for (const byte of chunk.subarray(0, count)) {
      if (byte === 0x0a) {
        yield new TextDecoder().decode(Uint8Array.from(line));
        line = [];
      } else if (line.length === limit) {
        yield undefined;
        return;
      } else line.push(byte);
    }
  }
}
