/** The control socket of `run`. */
import type { Machine } from "../core/mod.ts";
import { ControlPathError, socketPath } from "./control_place.ts";
import { ControlServer } from "./control_server.ts";
import type { Operator } from "./runner.ts";

/** Opens it; `null` when it can't be had, which has been said. */
export async function openControl(given: string, board: string): Promise<ControlServer | null> {
  try {
    return await ControlServer.open(socketPath(given, board));
  } catch (error) {
    if (!(error instanceof ControlPathError || error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) {
      throw error;
    }
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
