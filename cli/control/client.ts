/** The other end of a control socket. */
import { boundedLines } from "./protocol.ts";
import type { Answer, ControlEvent, Request } from "./protocol.ts";

/** Longest line that a run sends: a `ps` of many domains. */
const ANSWER_LIMIT = 4 * 2 ** 20;

type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;

/** What a run refuses, or that it can't be reached. */
export class ControlError extends Error {
  override readonly name = "ControlError";
}

/** A connection. */
export class ControlClient {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #ids = 0;
  /** Told of what comes by itself. */
  onEvent: ((event: ControlEvent) => void) | undefined;
  /** Resolves when the run has ended, or has hung up. */
  readonly closed: Promise<void>;

  private constructor(readonly connection: Deno.Conn) {
    this.closed = this.#read();
  }

  /** Throws a {@linkcode ControlError}. */
  static async connect(path: string): Promise<ControlClient> {
    try {
      return new ControlClient(await Deno.connect({ transport: "unix", path }));
    } catch (error) {
      const why = error instanceof Deno.errors.NotFound ? "there is no such socket" : (error as Error).message;
      throw new ControlError(`no run answers at ${path}: ${why}`);
    }
  }

  /** Asks, and returns the result. Throws a {@linkcode ControlError} with the run's words. */
  async ask(request: Unnumbered<Request>): Promise<unknown> {
    const id = ++this.#ids;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    const bytes = new TextEncoder().encode(`${JSON.stringify({ id, ...request })}\n`);
    try {
      for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
    } catch {
      this.#waiting.get(id)?.({ id, ok: false, error: "the run is over" });
    }
    const answer = await answered;
    if (!answer.ok) throw new ControlError(answer.error);
    return answer.result;
  }

  /** Hangs up. */
  close(): void {
    try {
      this.connection.close();
    } catch {
      // The run has done so.
    }
  }

  async #read(): Promise<void> {
    try {
      for await (const line of boundedLines(this.connection, ANSWER_LIMIT)) {
        if (line === undefined) break;
        const data = JSON.parse(line) as Answer | ControlEvent;
        if ("event" in data) this.onEvent?.(data);
        // An answer without a number is to whatever was asked.
        else for (const id of data.id === 0 ? [...this.#waiting.keys()] : [data.id]) this.#settle(id, data);
      }
    } catch {
      // The connection broke: the same as its end.
    }
    for (const id of [...this.#waiting.keys()]) this.#settle(id, { id, ok: false, error: "the run is over" });
  }

  #settle(id: number, answer: Answer): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }
}
