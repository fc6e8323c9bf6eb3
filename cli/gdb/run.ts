/** What `run` has to do for GDB. */
import { ValidationError } from "@cliffy/command";
import type { Machine } from "../../core/mod.ts";
import { GdbServer, parseAddress } from "./server.ts";

/** The options. */
export interface GdbOptions {
  readonly gdb?: string | true;
  readonly gdbWait?: boolean;
}

const DEFAULT = "127.0.0.1:1234";

/** Listens, when the options say so. Throws a `ValidationError` when there is no such address, or it can't be had. */
export function openGdb({ gdb, gdbWait }: GdbOptions): GdbServer | undefined {
  if (gdb === undefined && !gdbWait) return undefined;
  const text = typeof gdb === "string" ? gdb : DEFAULT;
  const address = parseAddress(text);
  if (address === undefined) throw new ValidationError(`--gdb ${text}: want PORT, HOST:PORT or unix:PATH`);
  try {
    return new GdbServer(address);
  } catch (error) {
    throw new ValidationError(`--gdb ${text}: ${(error as Error).message}`);
  }
}

/** The machine as GDB lets it run: to be used in its place from now on, because going back in time makes another one. */
export function debugged(
  machine: Machine,
  server: GdbServer,
  waits: boolean,
  terminal: { wake(): void; quit: object | undefined },
  say: (line: string) => void,
): Machine {
  server.wake = () => terminal.wake();
  server.quit = () => {
    terminal.quit ??= {};
    terminal.wake();
  };
  server.say = say;
  const driven = server.drive(machine, waits);
  say(`gdb    target extended-remote ${server.place}${waits ? ", which the machine waits for" : ""}`);
  return driven;
}
