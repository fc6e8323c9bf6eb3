/** A guest that talks to the world: its session runs in turns with the host's event loop, in which sockets come and go. */
import { assert } from "@std/assert";
import { setImmediate } from "node:timers";
import type { Session } from "./session.ts";

/** Virtual and wall-clock time of a turn. */
const [TURN_NS, TURN_MS] = [5_000_000, 10];
/** What a failure shows of the console. */
const TAIL = 3000;

/** Drives a session whose guest uses the host's sockets. */
export class Online {
  constructor(readonly guest: Session) {}

  /** Runs while `done` says no, `limitMs` of the host's clock at most. */
  async while(waiting: () => boolean, what: string, limitMs = 180_000): Promise<void> {
    const { guest } = this;
    const { machine } = guest;
    const end = performance.now() + limitMs;
    while (waiting()) {
      assert(guest.stopped === undefined, `the guest ended (${guest.stopped?.kind}) before ${what}\n${guest.console.slice(-TAIL)}`);
      assert(performance.now() < end, `${what} didn't come in ${limitMs / 1000} s\n${guest.console.slice(-TAIL)}`);
      guest.stopped = machine.runFor(TURN_NS, TURN_MS);
      await new Promise<void>((resolve) => {
        if (!machine.waiting) return void setImmediate(resolve);
        const timer = setTimeout(resolve, Math.min(machine.wakeAfterMs ?? 20, 20));
        machine.onHostInput(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Runs until a promise of the host's side is settled. */
  async during<T>(promise: Promise<T>, what: string, limitMs?: number): Promise<T> {
    let settled = false;
    const watched = promise.finally(() => settled = true);
    watched.catch(() => {});
    await this.while(() => !settled, what, limitMs);
    return await watched;
  }

  /** Types a line at the shell's prompt; what the guest answers. */
  async command(line: string, limitMs?: number): Promise<string> {
    const { guest } = this;
    const from = guest.console.length;
    guest.type(`${line}\n`);
    const echoed = () => guest.console.indexOf("\n", from);
    await this.while(() => echoed() < 0 || !guest.console.slice(echoed()).includes("\n# "), `the prompt after ${line}`, limitMs);
    return guest.console.slice(echoed() + 1, guest.console.lastIndexOf("\n# ") + 1).replaceAll("\r", "").trim();
  }
}
