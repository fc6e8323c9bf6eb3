/** How a run is operated from outside: the control socket, and the page. */
import { ValidationError } from "@cliffy/command";
import type { Board, Machine } from "../../core/mod.ts";
import { ControlPathError, socketPath } from "../control/place.ts";
import { ControlServer } from "../control/server.ts";
import type { Operator } from "./runner.ts";
import { parseWebAddress, WebServer } from "../web/server.ts";

/** What the command line asks for. */
export interface ControlOptions {
  readonly control?: string;
  readonly web?: string | true;
}

/** Who listens. */
export interface Control {
  readonly server: ControlServer;
  /** Lines for the user. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
}

/** Opens what is asked for; `undefined` when that is nothing, `null` when it can't be had, which has been said. */
export async function openControl({ control, web }: ControlOptions, board: Board): Promise<Control | undefined | null> {
  if (control === undefined && web === undefined) return undefined;
  const address = web === undefined ? undefined : parseWebAddress(web);
  if (web !== undefined && !address) throw new ValidationError(`--web ${web}: want HOST:PORT, a port, or nothing`);
  const server = control === undefined ? new ControlServer() : await openSocket(control, board.name);
  if (server === null) return null;
  let page: WebServer | undefined;
  try {
    page = address && new WebServer(board, server, address);
  } catch (error) {
    await server.close();
    console.error(`error: --web ${web}: ${(error as Error).message}`);
    return null;
  }
  return {
    server,
    addresses: [...server.path === undefined ? [] : [`control ${server.path}`], ...page ? [`web    ${page.url}`] : []],
    close: async () => {
      await server.close();
      await page?.close();
    },
  };
}

async function openSocket(given: string, board: string): Promise<ControlServer | null> {
  try {
    return await ControlServer.open(socketPath(given, board));
  } catch (error) {
    // What the host says of a path has a name of its own; anything else is our mistake.
    if (!(error instanceof ControlPathError || error instanceof Error && error.name in Deno.errors)) throw error;
    console.error(`error: --control ${given}: ${error.message}`);
    return null;
  }
}

/** Whoever is at the other end, for the run of a machine. */
export function operatorOf(control: ControlServer, machine: Machine): Operator {
  return {
    get pending() {
      return control.pending;
    },
    get onRequest() {
      return control.onRequest;
    },
    set onRequest(callback) {
      control.onRequest = callback;
    },
    breathe: () => control.breathe(),
    serve: () => control.serve(machine),
  };
}
