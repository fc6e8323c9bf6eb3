/** Lines of several consoles on one screen: each behind its console's name, none within another. */

/** A line that doesn't end is shown in pieces of this size. */
const LONGEST = 4096;
/** To the beginning of the row, and erase it. */
const ERASE = "\r\x1b[K";
// deno-lint-ignore no-control-regex -- questions to the terminal: its answers would be typed to whichever console is chosen
const QUESTIONS = /\x1b\[[?>=]?[0-9;]*[cn]/g;

/** How lines are put out. */
export interface LineStyle {
  /** `\n`, or `\r\n` where a terminal is in raw mode. */
  readonly newline: string;
  /** The line that the chosen console has begun is shown as it grows: somebody types there. */
  readonly live: boolean;
}

/** What of a line one sees: a carriage return starts it over. */
function visible(line: string): string {
  const text = line.replace(/\r+$/, "").replace(QUESTIONS, "");
  return text.slice(text.lastIndexOf("\r") + 1);
}

/** Puts the lines of consoles together. */
export class ConsoleLines {
  readonly #begun = new Map<string, string>();
  /** The line at the cursor: whose it is, and what is shown of it. */
  #open: { readonly name: string; shown: string } | undefined;
  /** The console whose line is shown as it grows. */
  #chosen: string | undefined;

  constructor(readonly style: LineStyle) {}

  /** What the screen gets for a console's output. */
  take(name: string, output: string): string {
    const lines = ((this.#begun.get(name) ?? "") + output).split("\n");
    let begun = lines.pop()!;
    while (begun.length > LONGEST) {
      lines.push(begun.slice(0, LONGEST));
      begun = begun.slice(LONGEST);
    }
    this.#begun.set(name, begun);
    return lines.map((line) => this.#line(name, line)).join("") + this.#begin();
  }

  /** Another console is the one where somebody types. */
  choose(name: string | undefined): string {
    const end = this.#open === undefined ? "" : this.style.newline;
    this.#open = undefined;
    this.#chosen = name;
    return end + this.#begin();
  }

  /** Ends the lines that have begun. */
  end(): string {
    const open = this.#open === undefined ? "" : this.style.newline;
    if (this.#open) this.#begun.delete(this.#open.name);
    this.#open = undefined;
    const rest = [...this.#begun].filter(([, begun]) => visible(begun) !== "").map(([name, begun]) => this.#line(name, begun));
    this.#begun.clear();
    return open + rest.join("");
  }

  #line(name: string, line: string): string {
    const text = visible(line);
    const open = this.#open;
    this.#open = undefined;
    if (open?.name === name && text.startsWith(open.shown)) return text.slice(open.shown.length) + this.style.newline;
    return (open ? ERASE : "") + this.#prefix(name) + text + this.style.newline;
  }

  /** Shows, or shows again, what the chosen console has begun. */
  #begin(): string {
    if (!this.style.live || this.#chosen === undefined) return "";
    const begun = visible(this.#begun.get(this.#chosen) ?? "");
    const open = this.#open;
    if (open === undefined && begun === "") return "";
    this.#open = { name: this.#chosen, shown: begun };
    if (open !== undefined && begun.startsWith(open.shown)) return begun.slice(open.shown.length);
    return (open ? ERASE : "") + this.#prefix(this.#chosen) + begun;
  }

  #prefix(name: string): string {
    return `[${name}] `;
  }
}
