/** A file that is written in large pieces. */

const PIECE = 65_536;

/** Text to a file. */
export class TextFile {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #length = 0;

  /** Throws when it can't be made. */
  constructor(readonly path: string) {
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
  }

  /** Adds text. */
  write(text: string): void {
    this.#waiting.push(text);
    this.#length += text.length;
    if (this.#length >= PIECE) this.#flush();
  }

  /** Writes the rest. */
  close(): void {
    this.#flush();
    this.#file.close();
  }

  #flush(): void {
    const bytes = this.#encoder.encode(this.#waiting.join(""));
    this.#waiting = [];
    this.#length = 0;
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
  }
}
