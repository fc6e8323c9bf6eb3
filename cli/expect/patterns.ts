/** Texts and regular expressions to look for in a console's output. */
import { ValidationError } from "@cliffy/command";

/** Where something was found. */
export interface Match {
  readonly at: number;
  readonly end: number;
}

/** What to look for. */
export interface Pattern {
  /** As the user wrote it. */
  readonly text: string;
  /** A match that ends where the output ends so far may look different when more has come. */
  readonly isOpen: boolean;
  /** The first match that begins at `from` or behind it. */
  find(output: string, from: number): Match | undefined;
}

/** Exactly this text. */
export function literal(text: string): Pattern {
  return {
    text,
    isOpen: false,
    find(output, from) {
      const at = output.indexOf(text, from);
      return at < 0 ? undefined : { at, end: at + text.length };
    },
  };
}

/** What an option says: a text, or a regular expression between slashes: `/login: $/`, `/error/i`. Throws a `ValidationError`. */
export function parsePattern(flag: string, text: string): Pattern {
  if (text === "") throw new ValidationError(`${flag}: want a text, or a regular expression between slashes`);
  const [, source, flags] = text.match(/^\/(.+)\/([a-z]*)$/s) ?? [];
  if (source === undefined) return literal(text);
  let expression: RegExp;
  try {
    // ^ and $ mean lines. Where to begin is told by lastIndex.
    expression = new RegExp(source, [...new Set(`${flags}mg`)].join(""));
  } catch (error) {
    throw new ValidationError(`${flag} ${text}: ${(error as Error).message}`);
  }
  return {
    text,
    isOpen: true,
    find(output, from) {
      expression.lastIndex = from;
      const found = expression.exec(output);
      return found === null ? undefined : { at: found.index, end: found.index + found[0].length };
    },
  };
}

/** `\n`, `\r`, `\t`, `\e`, `\xHH` and `\\` in a text that is typed to a guest. */
export function unescape(text: string): string {
  const letters: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", e: "\x1b", "\\": "\\" };
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|([nrte\\]))/g,
    (_, hex?: string, letter?: string) => hex === undefined ? letters[letter!] : String.fromCharCode(parseInt(hex, 16)),
  );
}
