/** A guest and somebody at its console who reads, types, and runs virtual time in slices, so that a session repeats to the instruction. */
import { assert, assertEquals } from "@std/assert";
import { boot } from "../../mod.ts";
import type { BootOptions, Machine, StopReason } from "../../mod.ts";

/** Virtual time between two looks at the console. */
const SLICE_NS = 1_000_000;
/** No boot of ours takes so long, not even on a busy machine: whatever does hangs. */
const WALL_LIMIT_MS = 300_000;
/** What a failure shows of the console. */
const TAIL = 2000;

/** What a kernel that is well never prints. */
const TROUBLE =
  /BUG:|WARNING:|Call trace|Kernel panic|Oops|nobody cared|rcu.*stall|Unable to handle|unexpected|FW BUG|self-tests? .*failed|ITS queue timeout|no ITS|lspci -vv/i;

/** What a session may be told besides what {@linkcode boot} may be. */
export interface SessionOptions extends Omit<BootOptions, "onSerial"> {
  /** Fails when it takes longer on the host's clock. */
  readonly wallLimitMs?: number;
  /** The CPU's break-before-make checker, which costs about a third more time: a session fails at its end when it has found anything. On when absent. */
  readonly checksTables?: boolean;
  /** The one serial port that {@linkcode Session.console} shows; all of them when absent. */
  readonly console?: string;
}

/** One run of a board. */
export class Session {
  /** What the guest printed so far. */
  console = "";
  /** What came out of each serial port so far. */
  readonly ports: Map<string, string> = new Map();
  /** Why it stopped, when it did. */
  stopped: StopReason | undefined;
  readonly #decoder = new TextDecoder();
  readonly #began = performance.now();
  /** What the break-before-make checker reported. */
  readonly #brokenTables: string[] = [];
  /** What the CPU's compiler had a fault with. */
  readonly #uncompiled: string[] = [];
  #machine!: Machine;
  /** How much of the console {@linkcode until} has passed. */
  #read = 0;

  private constructor(readonly wallLimitMs: number) {}

  /** Builds a board: a manifest's path or text. */
  static async start(board: string, options: SessionOptions = {}): Promise<Session> {
    const session = new Session(options.wallLimitMs ?? WALL_LIMIT_MS);
    const set = (options.checksTables ?? true) ? { "plugins.cpu_a64.break_before_make": "report", ...options.set } : options.set;
    session.#machine = await boot(board, {
      ...options,
      set,
      onTrace: (kind, detail) => {
        if (kind === "break before make") session.#brokenTables.push(detail);
        if (kind === "compiler") session.#uncompiled.push(detail);
        options.onTrace?.(kind, detail);
      },
      onSerial(port, bytes) {
        const text = session.#decoder.decode(bytes, { stream: true });
        session.ports.set(port, (session.ports.get(port) ?? "") + text);
        if (port === (options.console ?? port)) session.console += text;
      },
    });
    return session;
  }

  /** The machine behind it. */
  get machine(): Machine {
    return this.#machine;
  }

  /** Lines of the console in which the kernel complains. */
  get troubles(): readonly string[] {
    return this.console.split("\n").filter((line) => TROUBLE.test(line));
  }

  /** Runs until the console shows a text, from where the last such call ended. Fails when the guest ends before, or after `limitNs`. */
  until(text: string, limitNs: number = 20e9): void {
    const endNs = this.machine.nowNs + limitNs;
    for (;;) {
      const at = this.console.indexOf(text, this.#read);
      if (at >= 0) {
        this.#read = at + text.length;
        return;
      }
      assert(
        this.stopped === undefined,
        this.#complaint(`the guest ended (${this.stopped?.kind}) before it printed ${JSON.stringify(text)}`),
      );
      assert(this.machine.nowNs < endNs, this.#complaint(`${JSON.stringify(text)} didn't come in ${limitNs / 1e9} s of virtual time`));
      this.#slice(endNs);
    }
  }

  /** Types, now. */
  type(text: string, port = "console"): void {
    this.machine.serialInput(port, new TextEncoder().encode(text));
  }

  /** Types a line at the shell's prompt, and returns what the guest answers before the next one. */
  command(line: string, { prompt = "\n# ", limitNs }: { readonly prompt?: string; readonly limitNs?: number } = {}): string {
    this.type(`${line}\n`);
    // The terminal echoes the line; a carriage return may have folded it.
    this.until("\n");
    this.#read--; // the prompt may follow at once
    const from = this.#read;
    this.until(prompt, limitNs);
    this.#read -= 2;
    return this.console.slice(from, this.#read).replaceAll("\r", "").trim();
  }

  /** Runs to the end. Fails after `limitNs`. */
  finish(limitNs: number = 20e9): StopReason {
    const endNs = this.machine.nowNs + limitNs;
    while (this.stopped === undefined) {
      assert(this.machine.nowNs < endNs, this.#complaint(`no end in ${limitNs / 1e9} s of virtual time`));
      this.#slice(endNs);
    }
    return this.stopped;
  }

  /** After the guest asked for a reboot, or was reset: it starts over. */
  async reboot(limitNs?: number): Promise<void> {
    const reason = this.finish(limitNs);
    assertEquals(reason.kind, "reboot", this.#complaint("it ended"));
    await this.machine.reboot(reason.domain!);
    this.stopped = undefined;
  }

  [Symbol.dispose](): void {
    this.#machine.dispose();
    assertEquals(this.#brokenTables, [], "changes of live table entries without break-before-make");
    assertEquals(this.#uncompiled, [], "code that couldn't be compiled");
  }

  #slice(endNs: number): void {
    assert(performance.now() - this.#began < this.wallLimitMs, this.#complaint("the session takes too long on this machine's clock"));
    // No limit of wall-clock time: it would cut slices where the host is slow, and the run would differ.
    this.stopped = this.machine.runFor(Math.min(SLICE_NS, endNs - this.machine.nowNs), Infinity);
  }

  #complaint(what: string): string {
    return `${what}\n${this.stopped?.report ?? ""}\n--- the console's end ---\n${this.console.slice(-TAIL)}`;
  }
}
