/** A guest's console, for a test: what comes out is expected, what goes in is sent. */
import type { GuestLog } from "./guest_log.ts";

/** A length of virtual time: nanoseconds, or a text such as `5s` or `10ms`. */
export type Duration = number | string;

/** How long to wait for something. */
export interface Patience {
  /** Virtual time; 10 s when absent. */
  readonly within?: Duration;
}

/** What was expected, and came. */
export interface Seen {
  /** What matched. */
  readonly text: string;
  /** Groups of the expression: `groups[0]` is its first pair of parentheses. */
  readonly groups: readonly (string | undefined)[];
  /** What came before, since the last expectation. */
  readonly before: string;
}

/** What a console needs of the guest. */
export interface ConsoleOwner {
  readonly log: GuestLog;
  /** Virtual time, in nanoseconds. */
  now(): number;
  /** Runs until `isDone`; false: that can't be any more, or not in time. */
  run(within: Duration | undefined, isDone: () => boolean): Promise<boolean>;
  /** Types. */
  type(port: string, bytes: Uint8Array): void;
  /** Ends a test. */
  fail(message: string): never;
}

/** Virtual time without output after which what is there is complete: an expression that matches at the very end might match more. */
const QUIET_NS = 50_000_000;

/** A serial port of a guest, as text without colours. */
export class GuestConsole {
  readonly #owner: ConsoleOwner;

  /** Made by `Guest.console`. */
  constructor(
    owner: ConsoleOwner,
    /** The port's name. */
    readonly name: string,
  ) {
    this.#owner = owner;
  }

  /** All that came out since the boot. */
  get text(): string {
    return this.#owner.log.port(this.name).text;
  }

  /** What came out since the last expectation. */
  get unread(): string {
    return this.text.slice(this.#owner.log.port(this.name).read);
  }

  /**
   * Runs until the guest has printed this, behind what was expected before. `^` and `$` of an expression mean lines. Throws a `GuestError` when it
   * doesn't come within the time, when the guest ends, or when nothing can happen any more.
   */
  async expect(wanted: string | RegExp, { within }: Patience = {}): Promise<Seen> {
    const port = this.#owner.log.port(this.name);
    const expression = typeof wanted === "string"
      ? undefined
      : new RegExp(wanted.source, [...new Set(`${wanted.flags.replace("y", "")}mg`)].join(""));
    let seen: (Seen & { readonly end: number }) | undefined;
    let length = -1, sinceNs = 0;
    const look = (): boolean => {
      if (length !== port.text.length) [length, sinceNs] = [port.text.length, this.#owner.now()];
      const { read, text } = port;
      if (expression) expression.lastIndex = read;
      const found = expression?.exec(text);
      const index = expression ? found?.index ?? -1 : text.indexOf(wanted as string, read);
      if (index < 0) return false;
      const match = found?.[0] ?? wanted as string;
      seen = { text: match, groups: found?.slice(1) ?? [], before: text.slice(read, index), end: index + match.length };
      return expression === undefined || seen.end < text.length || this.#owner.now() - sinceNs >= QUIET_NS;
    };
    await this.#owner.run(within, look);
    if (seen === undefined) this.#owner.fail(`${wanted instanceof RegExp ? wanted : JSON.stringify(wanted)} didn't come at ${this.name}`);
    port.read = seen.end;
    return { text: seen.text, groups: seen.groups, before: seen.before };
  }

  /** Types, now: the guest hears of it when it runs. */
  send(text: string): void {
    this.#owner.type(this.name, new TextEncoder().encode(text));
  }
}
