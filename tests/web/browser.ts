/** Chromium without a window, driven by the DevTools protocol: what a user of a page would do. */
import type { Tool } from "../support/toolchain.ts";

export const chromium: Tool = { command: "chromium", package: "chromium" };

/** How long a page may take for what a test waits for. */
const PATIENCE_MS = 240_000;

/** A browser with one page. */
export class Browser {
  #lastId = 0;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  /** What the page complained about: exceptions and failed requests. */
  readonly complaints: string[] = [];

  private constructor(readonly process: Deno.ChildProcess, readonly directory: string, readonly socket: WebSocket) {
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
  }

  /** Opens a page. */
  static async open(url: string): Promise<Browser> {
    const directory = await Deno.makeTempDir({ prefix: "plugboard-browser-" });
    const args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
    const process = new Deno.Command(chromium.command, {
      args: [...args, "--remote-debugging-port=0", `--user-data-dir=${directory}`, "about:blank"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const portFile = `${directory}/DevToolsActivePort`;
    await patiently("Chromium to start", () => Deno.readTextFile(portFile).then((text) => text.includes("\n"), () => false));
    const [port] = (await Deno.readTextFile(portFile)).split("\n");
    const targets: { type: string; webSocketDebuggerUrl: string }[] = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
    const socket = new WebSocket(targets.find(({ type }) => type === "page")!.webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("no DevTools connection"));
    });
    const browser = new Browser(process, directory, socket);
    for (const domain of ["Runtime", "Log", "Page"]) await browser.#call(`${domain}.enable`);
    await browser.#call("Page.navigate", { url });
    return browser;
  }

  /** The value of an expression in the page; a promise's, when it is one. Throws what the page throws. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }) as {
      readonly result: { readonly value: unknown };
      readonly exceptionDetails?: { readonly exception?: { readonly description: string } };
    };
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  /** Waits until an expression is true. */
  async until(expression: string): Promise<void> {
    try {
      await patiently(expression, async () => await this.evaluate(expression) === true);
    } catch (error) {
      throw new Error(
        `${(error as Error).message}; the page: ${await this.evaluate("document.body?.innerText")}\n${this.complaints.join("\n")}`,
      );
    }
  }

  /** Types where the focus is, as a keyboard does. */
  async type(text: string): Promise<void> {
    for (const letter of text) {
      const key = letter === "\r"
        ? { key: "Enter", code: "Enter", windowsVirtualKeyCode: 13, text: letter }
        : { key: letter, text: letter };
      await this.#call("Input.dispatchKeyEvent", { type: "keyDown", ...key });
      await this.#call("Input.dispatchKeyEvent", { type: "keyUp", ...key });
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.socket.onclose = resolve);
    this.#call("Browser.close").catch(() => {});
    await closed;
    await this.process.status;
    await Deno.remove(this.directory, { recursive: true }).catch(() => {});
  }

  #call(method: string, params: Record<string, unknown> = {}): Promise<unknown> {
    const id = ++this.#lastId;
    this.socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  // deno-lint-ignore no-explicit-any -- what the protocol says
  #hear({ id, result, error, method, params }: any): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
    if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.exception?.description ?? "an exception");
    if (method === "Log.entryAdded" && params.entry.level === "error") this.complaints.push(`${params.entry.text} ${params.entry.url}`);
  }
}

async function patiently(what: string, isDone: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!await isDone()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
