/** The host's sockets as a test plays them. */
import type { SocketCommand, SocketDriver, SocketEvent } from "../host/host_sockets.ts";

/** A world that never answers. */
export const silentSockets: SocketDriver = {
  live: true,
  open: () => ({ do() {}, listen: () => 0, datagrams() {}, close() {} }),
};

/** A world that the test plays: it sees every command, and posts events. */
export class FakeSockets implements SocketDriver {
  readonly live = true;
  /** Everything that was asked for, also listeners and datagram sockets by kind. */
  readonly commands: (SocketCommand | { readonly kind: "listen" | "datagrams"; readonly id: number; readonly at: unknown })[] = [];
  /** The machine has closed them. */
  closed = false;
  #post: ((event: SocketEvent) => void) | undefined;

  open(post: (event: SocketEvent) => void): ReturnType<SocketDriver["open"]> {
    this.#post = post;
    return {
      do: (command) => void this.commands.push(command),
      listen: (id, at) => {
        this.commands.push({ kind: "listen", id, at });
        return 1000 + id;
      },
      datagrams: (id, at) => void this.commands.push({ kind: "datagrams", id, at }),
      close: () => this.closed = true,
    };
  }

  /** Something comes from outside; `Bench.exchange` brings it in. */
  post(event: SocketEvent): void {
    if (this.#post === undefined) throw new Error("nobody has asked for a socket yet");
    this.#post(event);
  }

  /** Takes the commands of a kind so far. */
  take<K extends SocketCommand["kind"]>(kind: K): Extract<SocketCommand, { kind: K }>[] {
    const found = this.commands.filter((command) => command.kind === kind);
    for (const command of found) this.commands.splice(this.commands.indexOf(command), 1);
    return found as Extract<SocketCommand, { kind: K }>[];
  }
}
