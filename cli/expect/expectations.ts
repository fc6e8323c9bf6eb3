/** Watches the guest's consoles for texts that must come, and texts that must not; and types when it is time. */
import { ConsoleText } from "../../core/mod.ts";
import type { Ending } from "../exit_codes.ts";
import type { Match, Pattern } from "./patterns.ts";

/** What Linux prints when it gives up for good. */
const PANIC = "---[ end Kernel panic";
/** What it prints before, also when it starts over instead. */
const PANICS = /Kernel panic - not syncing.*/;
/** How much of a port's output is looked at again: no match is longer. */
const KEEP = 8192;
/** Virtual time without output after which what is there is complete: a prompt has come, and not the beginning of a line. */
const QUIET_NS = 50_000_000;

/** What a script does: it waits for something, or types something. */
export type Step = { readonly expect: Pattern } | { readonly send: string };

/** What to watch for. */
export interface Expectations {
  /** In this order. */
  readonly steps: readonly Step[];
  /** None may come. */
  readonly refuse: readonly Pattern[];
}

interface Port {
  readonly decoder: ConsoleText;
  text: string;
  /** Where the next match may begin. */
  from: number;
}

/** Takes console output as it comes and tells when a run is decided. */
export class Watcher {
  readonly #steps: Step[];
  readonly #refuse: readonly Pattern[];
  readonly #ports = new Map<string, Port>();
  readonly #typed: string[] = [];
  #quietSinceNs: number | undefined;
  /** The ending, once decided. */
  ending: Ending | undefined;
  /** What a kernel said when it panicked. */
  panic: string | undefined;
  /** True when what it does must not depend on how fast the host is. */
  readonly isScripted: boolean;

  constructor({ steps, refuse }: Expectations) {
    this.#steps = [...steps];
    this.#refuse = refuse;
    this.isScripted = steps.length > 0 || refuse.length > 0;
    this.#type();
  }

  /** Expected texts that haven't come yet. */
  get missing(): readonly string[] {
    return this.#steps.flatMap((step) => "expect" in step ? [step.expect.text] : []);
  }

  /** True while something is still to be typed. */
  get types(): boolean {
    return this.#typed.length > 0 || this.#steps.some((step) => "send" in step);
  }

  /** True when something is to be typed now. */
  get typing(): boolean {
    return this.#typed.length > 0;
  }

  /** What is to be typed now. */
  takeInput(): readonly string[] {
    return this.#typed.splice(0);
  }

  /** Output of a port. Texts are found across calls. */
  see(name: string, bytes: Uint8Array): void {
    if (this.ending) return;
    let port = this.#ports.get(name);
    if (!port) this.#ports.set(name, port = { decoder: new ConsoleText(), text: "", from: 0 });
    port.text += port.decoder.take(bytes);
    this.#quietSinceNs = undefined;
    this.#judge(port, false);
    const cut = Math.max(0, port.text.length - KEEP);
    port.text = port.text.slice(cut);
    port.from = Math.max(0, port.from - cut);
  }

  /** Time has passed: output that has ended for a while is taken as complete. Without a time: no more will come. */
  settle(nowNs?: number): void {
    if (this.ending || this.#quietSinceNs === Infinity) return;
    if (nowNs !== undefined) {
      this.#quietSinceNs ??= nowNs;
      if (nowNs - this.#quietSinceNs < QUIET_NS) return;
    }
    this.#quietSinceNs = Infinity;
    for (const port of this.#ports.values()) this.#judge(port, true);
  }

  #judge(port: Port, isComplete: boolean): void {
    while (this.ending === undefined) {
      const bad = this.#earliest(port, isComplete);
      const step = this.#steps[0];
      const good = step !== undefined && "expect" in step ? find(step.expect, port, isComplete) : undefined;
      if (good && !(bad && bad.at < good.at)) {
        this.#steps.shift();
        for (const other of this.#ports.values()) if (other !== port) other.from = other.text.length;
        port.from = good.end;
        if (this.#steps.length === 0) this.ending = { kind: "expected" };
        else this.#type();
      } else if (bad) {
        this.ending = { kind: "refused", text: bad.text };
      } else {
        // What was expected is none.
        const rest = port.text.slice(port.from);
        this.panic ??= PANICS.exec(rest)?.[0].trimEnd();
        if (rest.includes(PANIC)) this.ending = { kind: "panic", text: this.panic ?? PANIC };
        return;
      }
    }
  }

  /** What comes before the next expectation is typed at once. */
  #type(): void {
    for (let step = this.#steps[0]; step !== undefined && "send" in step; step = this.#steps[0]) {
      this.#steps.shift();
      this.#typed.push(step.send);
    }
  }

  #earliest(port: Port, isComplete: boolean): Match & { readonly text: string } | undefined {
    let first: Match & { readonly text: string } | undefined;
    for (const pattern of this.#refuse) {
      const match = find(pattern, port, isComplete);
      if (match && (!first || match.at < first.at)) first = { ...match, text: pattern.text };
    }
    return first;
  }
}

/** `isComplete`: a match at the very end counts for an expression as well. */
function find(pattern: Pattern, { text, from }: Port, isComplete: boolean): Match | undefined {
  const match = pattern.find(text, from);
  return match && pattern.isOpen && !isComplete && match.end === text.length ? undefined : match;
}
