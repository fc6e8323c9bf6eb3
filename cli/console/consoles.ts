/** The consoles of a board's guests on one terminal: one at a time, or all of them line by line; some of them in files. */
import { bytesOf, textOf } from "./byte_text.ts";
import { ConsoleLines } from "./lines.ts";
import type { LineStyle } from "./lines.ts";

/** What a console that isn't shown has said lately, shown when it is chosen. */
const BACKLOG = 8192;

/** Who sees consoles. */
export interface ConsoleOutput {
  /** Bytes to the terminal. `false` when nobody reads any more. */
  show(bytes: Uint8Array): boolean;
  /** A remark of ours, which is no guest's output. */
  remark(text: string): void;
  /** Bytes to the file of a console. */
  file(name: string, bytes: Uint8Array): void;
  readonly style: LineStyle;
}

/** How a board's consoles are shown at first. */
export interface ConsoleSettings {
  /** Where input goes; absent: `console`, or the first. */
  readonly chosen?: string;
  /** Absent: one at a time. */
  readonly all?: boolean;
  /** Those that go to files: shown only when they are chosen. */
  readonly files?: ReadonlySet<string>;
}

/** Connects consoles with the terminal. */
export class Consoles {
  #names: readonly string[] = [];
  #chosen: string | undefined;
  #all = false;
  #files: ReadonlySet<string> = new Set();
  readonly #lines: ConsoleLines;
  readonly #backlog = new Map<string, string>();

  constructor(readonly output: ConsoleOutput) {
    this.#lines = new ConsoleLines(output.style);
  }

  /** The board is built: these are its consoles. Output before that is kept. */
  start(names: readonly string[], { chosen, all = false, files = new Set() }: ConsoleSettings = {}): void {
    this.#names = names;
    this.#files = files;
    this.#all = all;
    this.#chosen = chosen ?? (names.includes("console") ? "console" : names.find((name) => !files.has(name)) ?? names[0]);
    this.#lines.choose(this.#chosen);
    for (const [name, text] of [...this.#backlog]) {
      this.#backlog.delete(name);
      this.write(name, bytesOf(text));
    }
  }

  /** Where input goes. */
  get chosen(): string | undefined {
    return this.#chosen;
  }

  /** A console's output. `false` when nobody reads any more. */
  write(name: string, bytes: Uint8Array): boolean {
    if (this.#files.has(name)) this.output.file(name, bytes);
    const isChosen = name === this.#chosen;
    if (!this.#all && isChosen) return this.output.show(bytes);
    if (this.#all && (isChosen || !this.#files.has(name))) return this.#show(this.#lines.take(name, textOf(bytes)));
    this.#backlog.set(name, ((this.#backlog.get(name) ?? "") + textOf(bytes)).slice(-BACKLOG));
    return true;
  }

  /** A key after the escape key; `false`: it means nothing here. */
  command(key: string): boolean {
    if (key === "c") this.#choose((this.#names.indexOf(this.#chosen ?? "") + 1) % this.#names.length);
    else if (/^[1-9]$/.test(key)) this.#choose(Number(key) - 1);
    else if (key === "m") this.#changeMode();
    else return false;
    return true;
  }

  /** What the keys do, a line each, and which consoles there are. Empty when there is only one. */
  get help(): string {
    if (this.#names.length < 2) return "";
    const list = this.#names.map((name, index) => {
      const notes = [...name === this.#chosen ? ["chosen"] : [], ...this.#files.has(name) ? ["in a file"] : []];
      return `C-a ${index < 9 ? index + 1 : "c"}    console ${name}${notes.length ? ` (${notes.join(", ")})` : ""}`;
    });
    return ["C-a c    the next console", `C-a m    ${this.#all ? "the chosen console alone" : "all consoles, line by line"}`, ...list, ""]
      .join("\n");
  }

  /** No more output comes. */
  end(): void {
    if (this.#all) this.#show(this.#lines.end());
  }

  #choose(index: number): void {
    const name = this.#names[index];
    if (name === undefined) {
      this.output.remark(`there is no console ${index + 1}: there is ${this.#names.join(", ") || "none"}`);
      return;
    }
    this.#show(this.#lines.choose(undefined));
    this.#chosen = name;
    this.output.remark(this.#all ? `input goes to ${name}` : `console ${name}, ${index + 1} of ${this.#names.length}`);
    if (this.#all) this.#show(this.#lines.choose(name));
    this.#replay(name);
  }

  #changeMode(): void {
    if (this.#all) {
      this.#show(this.#lines.end());
    } else {
      this.#lines.choose(this.#chosen);
    }
    this.#all = !this.#all;
    this.output.remark(this.#all ? `all consoles; input goes to ${this.#chosen}` : `console ${this.#chosen} alone`);
    if (this.#all) { for (const name of this.#names) if (!this.#files.has(name)) this.#replay(name); }
  }

  /** Shows what was said while nobody saw it. */
  #replay(name: string): void {
    const text = this.#backlog.get(name);
    this.#backlog.delete(name);
    if (text === undefined) return;
    if (this.#all) this.#show(this.#lines.take(name, text));
    else this.output.show(bytesOf(text));
  }

  #show(text: string): boolean {
    return text === "" || this.output.show(bytesOf(text));
  }
}
