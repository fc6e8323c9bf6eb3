/** Watches the guest's consoles for texts that must come, and texts that must not. */
import type { Ending } from "./exit_codes.ts";

/** What Linux prints when it gives up for good. */
const PANIC = "---[ end Kernel panic";

/** What to watch for. */
export interface Expectations {
  /** Must all come, in this order. */
  readonly expect: readonly string[];
  /** None may come. */
  readonly refuse: readonly string[];
}

/** Takes console output as it comes and tells when a run is decided. */
export class Watcher {
  readonly #expect: string[];
  readonly #refuse: readonly string[];
  readonly #keep: number;
  readonly #ports = new Map<string, { decoder: TextDecoder; tail: string }>();
  /** The ending, once decided. */
  ending: Ending | undefined;

  constructor({ expect, refuse }: Expectations) {
    this.#expect = [...expect];
    this.#refuse = refuse;
    this.#keep = Math.max(PANIC.length, ...expect.map((text) => text.length), ...refuse.map((text) => text.length)) - 1;
  }

  /** Expected texts that haven't come yet. */
  get missing(): readonly string[] {
    return this.#expect;
  }

  /** Output of a port. Texts are found across calls. */
  see(name: string, bytes: Uint8Array): void {
    if (this.ending) return;
    let port = this.#ports.get(name);
    if (!port) this.#ports.set(name, port = { decoder: new TextDecoder(), tail: "" });
    const text = port.tail + port.decoder.decode(bytes, { stream: true });
    this.ending = this.#judge(text, port);
  }

  #judge(text: string, port: { tail: string }): Ending | undefined {
    const bad = earliest(text, this.#refuse);
    let from = 0;
    while (this.#expect.length > 0) {
      const at = text.indexOf(this.#expect[0], from);
      if (at < 0 || (bad && bad.at < at)) break;
      from = at + this.#expect[0].length;
      this.#expect.shift();
      if (this.#expect.length === 0) return { kind: "expected" };
    }
    if (bad) return { kind: "refused", text: bad.text };
    if (text.includes(PANIC)) return { kind: "panic", text: PANIC };
    port.tail = text.slice(Math.max(from, text.length - this.#keep));
    return undefined;
  }
}

function earliest(text: string, needles: readonly string[]): { at: number; text: string } | undefined {
  const found = needles.map((needle) => ({ at: text.indexOf(needle), text: needle })).filter(({ at }) => at >= 0);
  return found.sort((a, b) => a.at - b.at)[0];
}
