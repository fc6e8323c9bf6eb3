/** What a guest says at a console, as text: without colours and questions to the terminal. */

// deno-lint-ignore no-control-regex -- colours and questions to the terminal are no part of what a guest says
const CONTROLS = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-Z\\^-~])/g;
/** One that has begun. */
// deno-lint-ignore no-control-regex -- likewise
const BEGUN = /\x1b(?:\[[0-?]{0,32}[ -/]{0,32}|[ -/]{0,32})$/;

/** Takes bytes as they come. */
export class ConsoleText {
  readonly #decoder = new TextDecoder();
  /** A control sequence that has begun. */
  #begun = "";

  /** Text of the next bytes. */
  take(bytes: Uint8Array): string {
    const output = this.#begun + this.#decoder.decode(bytes, { stream: true });
    this.#begun = BEGUN.exec(output)?.[0] ?? "";
    return output.slice(0, output.length - this.#begun.length).replace(CONTROLS, "");
  }

  /** One that goes on by itself; of a character that isn't complete it doesn't know. */
  copy(): ConsoleText {
    const copy = new ConsoleText();
    copy.#begun = this.#begun;
    return copy;
  }
}
