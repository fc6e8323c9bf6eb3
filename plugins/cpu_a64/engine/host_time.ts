/** Where the host's time goes, by its clock. */

/** Adds up times. Each moment counts for the innermost of what is being done. */
export class HostTime {
  readonly #spent = new Map<string, number>();
  #doing: string | undefined;
  #since = 0;

  /** @param now the clock, in milliseconds */
  constructor(readonly now: () => number = () => performance.now()) {}

  /** Does something, in the name of `what`. */
  of<T>(what: string, body: () => T): T {
    const outer = this.#doing;
    this.#goOn(what);
    try {
      return body();
    } finally {
      this.#goOn(outer);
    }
  }

  /** Milliseconds, without those of what was done within. */
  spent(what: string): number {
    return this.#spent.get(what) ?? 0;
  }

  #goOn(what: string | undefined): void {
    const now = this.now();
    if (this.#doing !== undefined) this.#spent.set(this.#doing, this.spent(this.#doing) + now - this.#since);
    this.#doing = what;
    this.#since = now;
  }
}
