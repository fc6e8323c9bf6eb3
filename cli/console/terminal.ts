/** The user's terminal as a guest's console: raw mode, the escape key, and piped input just the same. */

import { setImmediate } from "node:timers";
import type { Consoles } from "./consoles.ts";

/** C-a, as in QEMU and screen. */
const ESCAPE = 0x01;

/** Turns of the event loop between two slices: its runtime looks once in 31 at what other threads have, such as input. Each takes some µs. */
const TURNS = 32;

const HELP = `
C-a h    this help
C-a p    press the guest's power key
C-a x    end the run
C-a C-a  send C-a to the guest
`;

/** What was typed to one console. */
export interface Typed {
  /** Absent: the terminal knows no consoles. */
  readonly console?: string;
  readonly bytes: Uint8Array;
}

/** Standard input. Bytes for the guests are collected until they are taken. */
export class Terminal {
  readonly interactive: boolean = Deno.stdin.isTerminal();
  /** True when no more input comes. */
  ended = false;
  /** The user asked to leave, or a signal did. */
  quit: { readonly signal?: string } | undefined;
  /** The user asked to press the guest's power key; whoever presses it clears this. */
  powerKey = false;
  #typed: { readonly console: string | undefined; readonly bytes: number[] }[] = [];
  #escaped = false;
  #raw = false;
  #wake: (() => void) | undefined;
  readonly #signals: [Deno.Signal, () => void][] = [];
  readonly #restore = () => this.close();

  /** `consoles` tells where input goes, and knows more keys. */
  constructor(readonly consoles?: Pick<Consoles, "chosen" | "command" | "help">) {}

  /** Goes into raw mode and starts to read. */
  open(): void {
    if (this.interactive) {
      Deno.stdin.setRaw(true);
      this.#raw = true;
      globalThis.addEventListener("unload", this.#restore);
    }
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      const handler = () => {
        this.quit = { signal };
        this.#wake?.();
      };
      Deno.addSignalListener(signal, handler);
      this.#signals.push([signal, handler]);
    }
    this.#read();
  }

  /** Gives the terminal back. May be called twice. */
  close(): void {
    if (this.#raw) {
      this.#raw = false;
      Deno.stdin.setRaw(false);
      globalThis.removeEventListener("unload", this.#restore);
    }
    for (const [signal, handler] of this.#signals.splice(0)) Deno.removeSignalListener(signal, handler);
  }

  /** Input for the guests since the last call, in order. */
  take(): Typed[] {
    return this.#typed.splice(0).map(({ console, bytes }) => ({ console, bytes: Uint8Array.from(bytes) }));
  }

  /** Resolves when there is something to do, or after so many milliseconds. */
  async wait(ms: number): Promise<void> {
    const isWanted = () => this.#typed.length > 0 || this.powerKey || this.quit !== undefined;
    if (ms <= 0 || isWanted()) {
      // A timer takes 2 ms at least.
      for (let turn = 0; turn < TURNS; turn++) {
        await new Promise<void>((resolve) => void setImmediate(resolve));
        if (isWanted()) return;
      }
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** There is something to do: whoever waits looks again. */
  wake(): void {
    this.#wake?.();
  }

  /** Bytes to standard output, unmodified. `false` when nobody reads any more. */
  write(bytes: Uint8Array): boolean {
    try {
      for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return false;
      throw error;
    }
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await Deno.stdin.read(buffer).catch(() => null);
      if (count === null) break;
      for (const byte of buffer.subarray(0, count)) this.#key(byte);
      this.#wake?.();
    }
    this.ended = true;
    this.#wake?.();
  }

  /** The escape key works where a person types; piped bytes go through as they are. */
  #key(byte: number): void {
    if (!this.interactive) this.#type(byte);
    else if (this.#escaped) this.#command(byte);
    else if (byte === ESCAPE) this.#escaped = true;
    else this.#type(byte);
  }

  /** What is typed before another console is chosen goes to the one before. */
  #type(byte: number): void {
    const console = this.consoles?.chosen;
    const last = this.#typed.at(-1);
    if (last !== undefined && last.console === console) last.bytes.push(byte);
    else this.#typed.push({ console, bytes: [byte] });
  }

  #command(byte: number): void {
    this.#escaped = false;
    const key = String.fromCharCode(byte).toLowerCase();
    if (byte === ESCAPE) this.#type(ESCAPE);
    else if (key === "x") this.quit = {};
    else if (key === "p") this.powerKey = true;
    else if (key === "h" || key === "?") this.remark(HELP + (this.consoles?.help ?? ""));
    else this.consoles?.command(key);
  }

  /** A text of ours, beside what guests say. */
  remark(text: string): void {
    const bytes = new TextEncoder().encode(this.interactive ? text.replaceAll("\n", "\r\n") : text);
    Deno.stderr.writeSync(bytes);
  }
}
