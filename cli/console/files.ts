/** Files that consoles are written to: `--console NAME=FILE`. */

/** The files of a run, by console. */
export class ConsoleFiles {
  readonly #files = new Map<string, Deno.FsFile>();

  /** Opens them. Throws an error that says which one can't be had, and leaves none open then. */
  constructor(settings: readonly string[]) {
    try {
      for (const setting of settings) this.#open(setting);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Consoles that have one. */
  get names(): ReadonlySet<string> {
    return new Set(this.#files.keys());
  }

  /** Bytes as they come. */
  write(name: string, bytes: Uint8Array): void {
    const file = this.#files.get(name);
    for (let at = 0; file && at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  }

  /** Closes them. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #open(setting: string): void {
    const at = setting.indexOf("=");
    const [name, path] = [setting.slice(0, at), setting.slice(at + 1)];
    if (at < 1 || path === "") throw new Error(`--console ${setting}: want NAME=FILE`);
    if (this.#files.has(name)) throw new Error(`--console ${setting}: ${name} has a file already`);
    try {
      this.#files.set(name, Deno.openSync(path, { write: true, create: true, truncate: true }));
    } catch (error) {
      throw new Error(`--console ${setting}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
