/**
 * The control socket of a run: who may reach it (this user alone) sees and operates the domains.
 *
 * What can a hostile client do here? Operate the domains: that is what the socket is for. It can't make the run wait or grow: a client has one
 * request under way and is read no further until it is answered, lines are bounded, what a client doesn't read is dropped, and where there are
 * too many clients the one that was silent longest goes.
 */
import type { Machine } from "../../core/mod.ts";
import { bytesOf, textOf } from "../console/byte_text.ts";
import { ControlCommands } from "./commands.ts";
import { clearPath } from "./place.ts";
import { boundedLines, LINE_LIMIT, parseRequest } from "./protocol.ts";
import type { Answer, ControlEvent, Request } from "./protocol.ts";

const MAX_CLIENTS = 16;
/** How often a busy run looks for clients. */
const LOOK_MS = 100;
/** Bytes of output that wait for a client. */
const OUTPUT_LIMIT = 256 * 1024;
/** The last bytes of each port, for who comes later. */
const BACKLOG = 4096;

/** A way to a client: a socket, or what is like one. */
export type Connection = Pick<Deno.Conn, "read" | "write" | "close">;

interface Waiting {
  readonly client: Client;
  readonly request: Request;
  readonly answer: (answer: Answer) => void;
}

/** One connection. */
class Client {
  readonly ports: Set<string> = new Set();
  lastHeard = 0;
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #lost = new Map<string, number>();
  #writing = false;
  #sent: (() => void)[] = [];

  constructor(readonly connection: Connection) {}

  /** Resolves when the client has read it. */
  send(answer: Answer): Promise<void> {
    this.#push(answer);
    return new Promise((resolve) => {
      this.#sent.push(resolve);
      this.#write();
    });
  }

  /** Output, as far as there is room. */
  output(port: string, bytes: Uint8Array): void {
    if (this.#bytes + bytes.length > OUTPUT_LIMIT) {
      this.#lost.set(port, (this.#lost.get(port) ?? 0) + bytes.length);
      return;
    }
    this.#push({ event: "output", port, bytes: textOf(bytes) });
    this.#write();
  }

  close(): void {
    try {
      this.connection.close();
    } catch {
      // It has gone by itself.
    }
    for (const done of this.#sent.splice(0)) done();
  }

  #push(line: Answer | ControlEvent): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    this.#bytes += bytes.length;
    this.#waiting.push(bytes);
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        for (let at = 0; at < next.length;) at += await this.connection.write(next.subarray(at));
        this.#bytes -= next.length;
        for (const [port, count] of this.#lost) this.#push({ event: "lost", port, count });
        this.#lost.clear();
      }
      for (const done of this.#sent.splice(0)) done();
    } catch {
      this.close();
    } finally {
      this.#writing = false;
    }
  }
}

/** Listens, and keeps requests until the run has time for them. */
export class ControlServer {
  readonly #clients = new Set<Client>();
  readonly #backlog = new Map<string, string>();
  #waiting: Waiting[] = [];
  #closed = false;
  #breathed = 0;
  /** Called when a request waits. */
  onRequest: (() => void) | undefined;

  /** Without a socket it serves those that {@linkcode admit} brings. */
  constructor(readonly path?: string, readonly listener?: Deno.Listener) {}

  /** Makes the socket, for this user alone. Throws an error that says why it can't be had. */
  static async open(path: string): Promise<ControlServer> {
    await clearPath(path);
    const mask = Deno.umask(0o177);
    try {
      const server = new ControlServer(path, Deno.listen({ transport: "unix", path }));
      server.#accept(server.listener!);
      return server;
    } finally {
      Deno.umask(mask);
    }
  }

  /**
   * A busy run's loop never rests, and only when it does the host looks for what came through sockets: this makes it rest for a millisecond,
   * now and then, or each time while somebody is connected.
   */
  async breathe(): Promise<void> {
    const now = performance.now();
    if (now - this.#breathed < (this.#clients.size > 0 ? 0 : LOOK_MS)) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#breathed = performance.now();
  }

  /** True when a request waits. */
  get pending(): boolean {
    return this.#waiting.length > 0;
  }

  /** Does what was asked since the last time. Between two slices of the run: so each operation has one virtual time. */
  async serve(machine: Machine): Promise<void> {
    for (const { client, request, answer } of this.#waiting.splice(0)) {
      if (!this.#clients.has(client)) continue;
      const commands = new ControlCommands(machine, {
        attach: (port) => {
          client.ports.add(port);
          const before = this.#backlog.get(port);
          if (before) client.output(port, bytesOf(before));
        },
      });
      answer(await commands.run(request));
    }
  }

  /** What a serial port put out. */
  output(port: string, bytes: Uint8Array): void {
    this.#backlog.set(port, ((this.#backlog.get(port) ?? "") + textOf(bytes)).slice(-BACKLOG));
    for (const client of this.#clients) if (client.ports.has(port)) client.output(port, bytes);
  }

  /** The run is over. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.listener?.close();
    for (const { request, answer } of this.#waiting.splice(0)) answer({ id: request.id, ok: false, error: "the run is over" });
    // What was said last gets out, unless nobody reads it.
    await new Promise((resolve) => setTimeout(resolve, this.#clients.size > 0 ? 20 : 0));
    for (const client of this.#clients) client.close();
    if (this.path === undefined) return;
    try {
      Deno.removeSync(this.path);
    } catch {
      // Somebody has removed it.
    }
  }

  /** Talks with a client until it goes. */
  admit(connection: Connection): Promise<void> {
    if (this.#clients.size >= MAX_CLIENTS) {
      const [oldest] = [...this.#clients].sort((a, b) => a.lastHeard - b.lastHeard);
      this.#clients.delete(oldest);
      oldest.close();
    }
    const client = new Client(connection);
    client.lastHeard = performance.now();
    this.#clients.add(client);
    return this.#converse(client);
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    try {
      for await (const connection of listener) this.admit(connection);
    } catch (error) {
      if (!this.#closed) console.error(`control socket: ${(error as Error).message}`);
    }
  }

  async #converse(client: Client): Promise<void> {
    try {
      for await (const line of boundedLines(client.connection, LINE_LIMIT)) {
        client.lastHeard = performance.now();
        if (line === undefined) {
          await client.send({ id: 0, ok: false, error: `a line has at most ${LINE_LIMIT} bytes` });
          break;
        }
        if (line.trim() === "") continue;
        await client.send(await this.#ask(client, line));
      }
    } catch {
      // It is gone.
    } finally {
      this.#clients.delete(client);
      client.close();
    }
  }

  #ask(client: Client, line: string): Promise<Answer> {
    const request = parseRequest(line);
    if ("error" in request) return Promise.resolve({ id: request.id, ok: false, error: request.error });
    if (this.#closed) return Promise.resolve({ id: request.id, ok: false, error: "the run is over" });
    return new Promise((answer) => {
      this.#waiting.push({ client, request, answer });
      this.onRequest?.();
    });
  }
}
