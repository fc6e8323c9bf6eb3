/**
 * `run --web`: a page with the consoles, the map, exits and vCPUs of a run that goes on. It speaks the control socket's language over a
 * WebSocket.
 *
 * Who may? Whoever has the address that is printed: it holds a key. Other users of this machine don't know it, and a page of somebody else in
 * the same browser has another origin.
 */
import type { Board } from "../../core/mod.ts";
import type { Connection, ControlServer } from "../control/server.ts";
import { LINE_LIMIT } from "../control/protocol.ts";
import { mapOf } from "../map/layout.ts";
import { mapSvg } from "../map/svg.ts";
import configuration from "../../deno.json" with { type: "json" };

/** Where it listens when nothing else is said. */
const ANYWHERE = { hostname: "127.0.0.1", port: 0 };
/** Bytes that a page may leave unread before its connection ends. */
const UNREAD_LIMIT = 4 * 2 ** 20;

/** Asset paths by their last part. */
const ASSETS: Readonly<Record<string, { readonly type: string; readonly read: () => Promise<Uint8Array<ArrayBuffer>> }>> = {
  "": { type: "text/html; charset=utf-8", read: () => own("page.html") },
  "page.js": { type: "text/javascript; charset=utf-8", read: () => own("page.js") },
  "page.css": { type: "text/css; charset=utf-8", read: () => own("page.css") },
  "xterm.js": { type: "text/javascript; charset=utf-8", read: () => terminal("lib/xterm.js") },
  "xterm.css": { type: "text/css; charset=utf-8", read: () => terminal("css/xterm.css") },
};

/** Ours: beside this file, on a disk or on a registry. */
async function own(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetch(new URL(name, import.meta.url))).arrayBuffer());
}

/** Never called, it is for browsers; but what a module imports is fetched with the program, also from a registry. */
export const terminalPackage = (): Promise<unknown> => import("@xterm/xterm");

async function terminal(name: string): Promise<Uint8Array<ArrayBuffer>> {
  // By its whole name: `@xterm/xterm` alone means nothing to a module that came from a registry.
  const main = import.meta.resolve(configuration.imports["@xterm/xterm"]);
  return await Deno.readFile(new URL(main.replace(/lib\/xterm\.js$/, name)));
}

/** Reads `HOST:PORT`, `PORT`, or nothing. Undefined when it is none of these. */
export function parseWebAddress(text: string | true): { readonly hostname: string; readonly port: number } | undefined {
  if (text === true) return ANYWHERE;
  const [, host, port] = /^(?:(\[[0-9a-fA-F:]+\]|[\w.-]+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535) return undefined;
  return { hostname: host?.replace(/^\[|\]$/g, "") ?? ANYWHERE.hostname, port: Number(port) };
}

/** The page's server. */
export class WebServer {
  readonly #key = crypto.getRandomValues(new Uint8Array(16)).toHex();
  readonly #sockets = new Set<WebSocket>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** Throws what `Deno.serve` throws when it can't listen there. */
  constructor(readonly board: Board, readonly control: ControlServer, address: { readonly hostname: string; readonly port: number }) {
    this.#server = Deno.serve({ ...address, onListen: () => {} }, (request) => this.#answer(request));
  }

  /** What a browser opens. */
  get url(): string {
    const { hostname, port } = this.#server.addr;
    return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/${this.#key}/`;
  }

  /** Ends it. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const [, key, name, ...rest] = new URL(request.url).pathname.split("/");
    const headers = { "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'", "referrer-policy": "no-referrer" };
    const refuse = (status: number, why: string) => new Response(`${why}\n`, { status, headers });
    if (key !== this.#key || name === undefined || rest.length > 0) {
      return refuse(404, "not found: open the address that the run has printed");
    }
    if (name === "socket") {
      const origin = request.headers.get("origin");
      if (origin !== null && new URL(origin).host !== request.headers.get("host")) {
        return refuse(403, "another page's script has no access");
      }
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return refuse(400, "want a WebSocket");
      const { socket, response } = Deno.upgradeWebSocket(request);
      this.#converse(socket);
      return response;
    }
    if (name === "map.svg") {
      return new Response(mapSvg(this.board.name, mapOf(this.board)), { headers: { ...headers, "content-type": "image/svg+xml" } });
    }
    if (!Object.hasOwn(ASSETS, name)) return refuse(404, "not found");
    const { type, read } = ASSETS[name];
    return new Response(await read(), { headers: { ...headers, "content-type": type } });
  }

  #converse(socket: WebSocket): void {
    this.#sockets.add(socket);
    const connection = new SocketConnection(socket);
    socket.onopen = () => this.control.admit(connection);
    socket.onclose = () => this.#sockets.delete(socket);
  }
}

/** A WebSocket as a stream of lines: a message is a line. */
class SocketConnection implements Connection {
  #lines: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(readonly socket: WebSocket) {
    const end = () => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.onerror = end;
    socket.addEventListener("close", end);
    socket.onmessage = ({ data }) => {
      // Whoever sends more than is read has no interest in answers.
      const waiting = this.#lines.reduce((sum, { length }) => sum + length, 0);
      if (typeof data !== "string" || data.length + waiting > 4 * LINE_LIMIT) return this.close();
      this.#lines.push(new TextEncoder().encode(`${data}\n`));
      this.#wake?.();
    };
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#lines.length === 0) {
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const [line] = this.#lines;
    const count = Math.min(into.length, line.length);
    into.set(line.subarray(0, count));
    if (count === line.length) this.#lines.shift();
    else this.#lines[0] = line.subarray(count);
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#ended || this.socket.readyState !== WebSocket.OPEN || this.socket.bufferedAmount > UNREAD_LIMIT) {
      this.close();
      return Promise.reject(new Deno.errors.BrokenPipe("the page has gone, or doesn't read"));
    }
    this.socket.send(new TextDecoder().decode(bytes));
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.#ended = true;
    this.#wake?.();
    this.socket.close();
  }
}
