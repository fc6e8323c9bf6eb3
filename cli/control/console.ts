/** `console`: a serial port of a run, on this terminal. */
import { Command } from "@cliffy/command";
import { bytesOf, textOf } from "../console/byte_text.ts";
import { addControlOption, withRun } from "./verbs.ts";
import type { ControlOptions } from "./verbs.ts";
import { EXIT } from "../exit_codes.ts";
import { Terminal } from "../console/terminal.ts";
import type { Done } from "../verb.ts";

/** Bytes that go in one request: a quarter of the longest line, because a byte may take four characters more. */
const PIECE = 2048;
/** How long the terminal waits before it looks whether the run is still there. */
const LOOK_MS = 200;

/** The command. */
export function command(done: Done): Command {
  const described = new Command()
    .description("Connect this terminal to a serial port of a run. C-a x leaves; the run goes on.")
    .arguments("<name:string>");
  return addControlOption(described).action(async (options: ControlOptions, name: string) =>
    done(await connect(options, name))
  ) as unknown as Command;
}

function connect(options: ControlOptions, name: string): Promise<number> {
  return withRun(options, async (client) => {
    const terminal = new Terminal();
    let over = false;
    client.onEvent = (event) => {
      if (event.event === "lost") terminal.remark(`\n-- ${event.count} bytes lost --\n`);
      else if (!terminal.write(bytesOf(event.bytes))) terminal.quit ??= {};
    };
    client.closed.then(() => {
      over = true;
      terminal.wake();
    });
    const port = await client.ask({ verb: "console", name }) as string;
    terminal.open();
    try {
      while (!over && !terminal.quit) {
        const typed = textOf(Uint8Array.from(terminal.take().flatMap(({ bytes }) => [...bytes])));
        for (let at = 0; at < typed.length; at += PIECE) await client.ask({ verb: "input", port, bytes: typed.slice(at, at + PIECE) });
        await terminal.wait(LOOK_MS);
      }
    } finally {
      terminal.close();
    }
    return terminal.quit?.signal ? EXIT.interrupted : EXIT.ok;
  });
}
