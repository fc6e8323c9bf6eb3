/** `run --gdb`: a socket for GDB, and a machine that waits for it. */
import type { Machine, StopReason } from "../../core/mod.ts";
import { History } from "./history.ts";
import { Session } from "./session.ts";

/** Where GDB connects: `127.0.0.1:1234` or `unix:PATH`. */
export type GdbAddress = { readonly hostname: string; readonly port: number } | { readonly path: string };

/** While it is halted, the machine is asked again after so long. */
const LOOK_MS = 1000;

/** Takes `1234`, `:1234`, `HOST:1234`, `[::1]:1234` or `unix:PATH` apart. Whoever connects owns the guests: without a host, only this one can. */
export function parseAddress(text: string): GdbAddress | undefined {
  if (text.startsWith("unix:")) return text.length > 5 ? { path: text.slice(5) } : undefined;
  const found = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d{1,5})$/.exec(text);
  if (!found || Number(found[3]) > 65535) return undefined;
  return { hostname: found[1] || found[2] || "127.0.0.1", port: Number(found[3]) };
}

/** Serves one GDB at a time. */
export class GdbServer {
  readonly #listener: Deno.Listener<Deno.Conn>;
  #session: Session | undefined;
  #connection: Deno.Conn | undefined;
  #history: History | undefined;
  /** What was given to the connection is out. */
  #sent: Promise<void> = Promise.resolve();
  /** The end that a crashed machine has come to, while GDB looks at it. */
  #end: StopReason | undefined;
  wake: () => void = () => {};
  quit: () => void = () => {};
  say: (line: string) => void = () => {};

  /** Throws a `Deno.errors` error when the address can't be had. */
  constructor(readonly address: GdbAddress) {
    this.#listener = "path" in address ? Deno.listen({ transport: "unix", path: address.path }) : Deno.listen(address);
  }

  /** As GDB's `target remote` wants it. */
  get place(): string {
    if ("path" in this.address) return this.address.path;
    const { hostname, port } = this.#listener.addr as Deno.NetAddr;
    return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  }

  /** The machine as it is to be driven from now on. `waits`: it doesn't run before GDB lets it. */
  drive(machine: Machine, waits: boolean): Machine {
    const history = this.#history = new History(machine, (line) => this.say(line));
    if (waits) machine.debugger.stop();
    this.#accept();
    const own: Partial<Machine> = {
      runFor: (ns, ms) => this.#run(history, ns, ms),
      serialInput(port, bytes) {
        history.machine.serialInput(port, bytes);
        history.typed(port, bytes);
      },
    };
    return new Proxy(machine, {
      get: (_, name) => {
        const { machine } = history;
        if (Object.hasOwn(own, name)) return own[name as keyof Machine];
        if (this.#isHalted && name === "waiting") return true;
        if (this.#isHalted && name === "wakeAfterMs") return LOOK_MS;
        if (this.#isHalted && name === "runsInVain") return false;
        const value = Reflect.get(machine, name, machine);
        return typeof value === "function" ? value.bind(machine) : value;
      },
    });
  }

  get #isHalted(): boolean {
    return this.#history?.machine.debugger.isHalted === true || this.#end !== undefined;
  }

  #run(history: History, ns: number, ms: number): StopReason | undefined {
    const session = this.#session;
    const reason = this.#end ?? history.machine.runFor(ns, ms);
    if (session && !reason) history.pass();
    this.#end = session?.look(reason) ? reason : undefined;
    return this.#end ? undefined : reason;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      if (this.#session) connection.close();
      else void this.#serve(connection);
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const history = this.#history!;
    const send = (bytes: Uint8Array) => {
      this.#sent = this.#sent.then(async () => {
        for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
      }).catch(() => {});
    };
    if ("setNoDelay" in connection) (connection as Deno.TcpConn).setNoDelay();
    this.#connection = connection;
    const session = this.#session = new Session({ history, send, wake: () => this.wake(), quit: () => this.quit() });
    history.pass();
    const buffer = new Uint8Array(0x8000);
    try {
      for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
        session.receive(buffer.subarray(0, count));
        // Who sends without reading waits.
        await this.#sent;
      }
    } catch {
      // The connection broke: as good as gone.
    }
    this.#session = this.#connection = undefined;
    session.leave();
  }

  /** The run is over. */
  async close(): Promise<void> {
    this.#listener.close();
    if (this.#connection) {
      await this.#sent;
      shut(this.#connection);
    }
    if ("path" in this.address) {
      try {
        Deno.removeSync(this.address.path);
      } catch {
        // Somebody else removed it.
      }
    }
  }
}

function shut(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}
