/** The host's sockets by Deno's means. Deno's datagram sockets are unstable, so those are Node's. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { lookup } from "node:dns";
import { Buffer } from "node:buffer";
import { STREAM_LIMIT } from "./host_sockets.ts";
import type { ConnectFailure, RecordType, Resolution, SocketCommand, SocketDriver, SocketEvent, SocketService } from "./host_sockets.ts";
import { isLocalAddress } from "./local_addresses.ts";

/** Bytes of one read. */
const CHUNK = 64 * 1024;
/** Streams of one listener that live at a time; more wait in the host's queue. */
const ACCEPTED = 64;
/** Datagrams that may wait for the machine, on each socket; more are dropped. */
const WAITING_DATAGRAMS = 256;

type Post = (event: SocketEvent) => void;

/** The real thing. Needs the permission `net`, and `sys` to know the host's own addresses. */
export const denoSockets: SocketDriver = {
  live: true,
  open: (post) => new DenoSockets(post),
};

class DenoSockets implements SocketService {
  readonly #streams = new Map<number, DenoStream>();
  readonly #listeners = new Map<number, Deno.Listener | Deno.UnixListener>();
  readonly #datagrams = new Map<number, Socket>();
  #accepted = 0;

  constructor(private readonly post: Post) {}

  do(command: SocketCommand): void {
    switch (command.kind) {
      case "connect":
        return void this.#connect(command);
      case "write":
        return this.#streams.get(command.id)?.write(command.bytes);
      case "taken":
        return this.#streams.get(command.id)?.taken(command.bytes);
      case "end":
        return this.#streams.get(command.id)?.end();
      case "send":
        return this.#send(command);
      case "resolve":
        return void resolve(command).then((resolution) => this.post({ kind: "resolved", id: command.id, resolution }));
      case "close":
        return this.#close(command.id);
    }
  }

  listen(id: number, at: Extract<SocketCommand, { kind: "connect" }>["to"]): number {
    const listener = at.transport === "tcp"
      ? Deno.listen({ hostname: at.hostname, port: at.port })
      : Deno.listen({ transport: "unix", path: at.path });
    this.#listeners.set(id, listener);
    this.#accept(id, listener);
    return listener.addr.transport === "tcp" ? listener.addr.port : 0;
  }

  datagrams(id: number, at: { readonly hostname: string; readonly port: number } | undefined): void {
    const socket = createSocket("udp4");
    this.#datagrams.set(id, socket);
    // What came since the event loop last turned; the machine takes all of it then.
    let waiting = 0;
    socket.on("message", (message, { address, port }) => {
      if (waiting === 0) setTimeout(() => waiting = 0);
      if (++waiting > WAITING_DATAGRAMS) return;
      this.post({ kind: "datagram", id, bytes: new Uint8Array(message), from: { hostname: address, port } });
    });
    socket.on("error", () => {
      if (this.#datagrams.has(id)) this.post({ kind: "failed", id, why: "failed" });
      this.#close(id);
    });
    socket.bind(at?.port ?? 0, at?.hostname ?? "0.0.0.0");
  }

  close(): void {
    for (const id of [...this.#streams.keys(), ...this.#listeners.keys(), ...this.#datagrams.keys()]) this.#close(id);
  }

  #close(id: number): void {
    this.#streams.get(id)?.abort();
    this.#streams.delete(id);
    const listener = this.#listeners.get(id);
    this.#listeners.delete(id);
    listener?.close();
    if (listener?.addr.transport === "unix") remove((listener.addr as Deno.UnixAddr).path);
    const socket = this.#datagrams.get(id);
    this.#datagrams.delete(id);
    socket?.close();
  }

  async #connect({ id, to, local }: Extract<SocketCommand, { kind: "connect" }>): Promise<void> {
    if (to.transport === "tcp" && !local && isLocalAddress(to.hostname)) return this.post({ kind: "failed", id, why: "denied" });
    const stream = new DenoStream(id, this.post, () => void this.#streams.delete(id));
    this.#streams.set(id, stream);
    try {
      const connection = to.transport === "tcp"
        ? await Deno.connect({ hostname: to.hostname, port: to.port })
        : await Deno.connect({ transport: "unix", path: to.path });
      if (stream.use(connection)) this.post({ kind: "connected", id });
    } catch (error) {
      if (!this.#streams.delete(id)) return;
      this.post({ kind: "failed", id, why: failure(error) });
    }
  }

  async #accept(id: number, listener: Deno.Listener | Deno.UnixListener): Promise<void> {
    let living = 0;
    let freed: (() => void) | undefined;
    for (;;) {
      let connection: Deno.Conn;
      try {
        connection = await listener.accept();
      } catch {
        if (!this.#listeners.has(id)) return;
        // Out of file descriptors, or the far end went at once.
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      const streamId = -(++this.#accepted);
      const stream = new DenoStream(streamId, this.post, () => {
        this.#streams.delete(streamId);
        living--;
        freed?.();
      });
      living++;
      this.#streams.set(streamId, stream);
      const { remoteAddr } = connection;
      const from = remoteAddr.transport === "tcp" ? `${remoteAddr.hostname}:${remoteAddr.port}` : "";
      this.post({ kind: "accepted", id, stream: streamId, from });
      stream.use(connection);
      while (living >= ACCEPTED && this.#listeners.has(id)) await new Promise<void>((resolve) => freed = resolve);
    }
  }

  #send({ id, bytes, to, local }: Extract<SocketCommand, { kind: "send" }>): void {
    if (!local && isLocalAddress(to.hostname)) return;
    this.#datagrams.get(id)?.send(Buffer.from(bytes), to.port, to.hostname, () => {});
  }
}

/** One connection: a loop that reads while somebody takes, and one that writes what waits. */
class DenoStream {
  #connection: Deno.Conn | undefined;
  #unread = 0;
  #takenAgain: (() => void) | undefined;
  readonly #queue: Uint8Array[] = [];
  #writing = false;
  #ending = false;
  #halves = 0;
  #gone = false;

  constructor(private readonly id: number, private readonly post: Post, private readonly forget: () => void) {}

  /** False: it was dropped meanwhile. */
  use(connection: Deno.Conn): boolean {
    if (this.#gone) {
      connection.close();
      return false;
    }
    this.#connection = connection;
    if (connection.remoteAddr.transport === "tcp") (connection as Deno.TcpConn).setNoDelay(true);
    this.#read(connection);
    return true;
  }

  write(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#pump();
  }

  taken(bytes: number): void {
    this.#unread -= bytes;
    this.#takenAgain?.();
  }

  end(): void {
    this.#ending = true;
    this.#pump();
  }

  abort(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#takenAgain?.();
    this.#connection?.close();
    this.forget();
  }

  async #read(connection: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(CHUNK);
    for (;;) {
      while (this.#unread >= STREAM_LIMIT && !this.#gone) await new Promise<void>((resolve) => this.#takenAgain = resolve);
      if (this.#gone) return;
      let count: number | null;
      try {
        count = await connection.read(buffer);
      } catch {
        return this.#broken();
      }
      if (this.#gone) return;
      if (count === null) {
        this.post({ kind: "ended", id: this.id });
        return this.#half();
      }
      this.#unread += count;
      this.post({ kind: "data", id: this.id, bytes: buffer.slice(0, count) });
    }
  }

  async #pump(): Promise<void> {
    const connection = this.#connection;
    if (this.#writing || connection === undefined) return;
    this.#writing = true;
    try {
      for (let bytes = this.#queue.shift(); bytes !== undefined && !this.#gone; bytes = this.#queue.shift()) {
        for (let at = 0; at < bytes.length;) {
          const count = await connection.write(bytes.subarray(at));
          at += count;
          if (this.#gone) return;
          this.post({ kind: "written", id: this.id, bytes: count });
        }
      }
      this.#writing = false;
      if (!this.#ending || this.#gone) return;
      this.#ending = false;
      await connection.closeWrite();
      this.#half();
    } catch {
      this.#broken();
    }
  }

  #half(): void {
    if (++this.#halves < 2 || this.#gone) return;
    this.post({ kind: "closed", id: this.id, broken: false });
    this.abort();
  }

  #broken(): void {
    if (this.#gone) return;
    this.post({ kind: "closed", id: this.id, broken: true });
    this.abort();
  }
}

/** A Unix socket's name outlives it, and nobody could listen there again. */
function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Somebody else has removed it.
  }
}

function failure(error: unknown): ConnectFailure {
  const { errors } = Deno;
  if (error instanceof errors.ConnectionRefused || error instanceof errors.NotFound) return "refused";
  if (error instanceof errors.TimedOut) return "timeout";
  if (error instanceof errors.NotCapable || error instanceof errors.PermissionDenied) return "denied";
  return error instanceof Error && /unreachable/i.test(error.message) ? "unreachable" : "failed";
}

async function resolve({ name, type, nameServer }: Extract<SocketCommand, { kind: "resolve" }>): Promise<Resolution> {
  const options = nameServer && { nameServer: { ipAddr: nameServer.hostname, port: nameServer.port } };
  const ask = async (wanted: RecordType) => (await Deno.resolveDns(name, wanted as "A", options) as unknown[]).map(recordText);
  try {
    const records = await ask(type);
    if (records.length > 0) return { kind: "found", records };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return { kind: "failed" };
  }
  // Deno doesn't tell "no such name" from "no such record"; and names of the host's own file are known to nobody else.
  const known = nameServer === undefined ? await hostLookup(name) : type === "A" ? [] : await ask("A").catch(() => []);
  if (known.length === 0) return { kind: "no-such-name" };
  return type === "A" ? { kind: "found", records: known } : { kind: "none" };
}

function hostLookup(name: string): Promise<string[]> {
  return new Promise((done) => lookup(name, { family: 4 }, (error, address) => done(error ? [] : [address])));
}

/** As a zone file prints it. */
function recordText(record: unknown): string {
  if (typeof record === "string") return record;
  if (Array.isArray(record)) return record.join("");
  const { preference, exchange, priority, weight, port, target } = record as Record<string, unknown>;
  return exchange !== undefined ? `${preference} ${exchange}` : `${priority} ${weight} ${port} ${target}`;
}
