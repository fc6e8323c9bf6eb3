/** The hypervisor's own console, for plugins that have something to say to whoever runs the machine. */
import { capability, PAGE_SIZE } from "../../core/mod.ts";
import type { Board, Capability, ManifestPath } from "../../core/mod.ts";

/** Prints lines. */
export interface HypervisorConsole {
  /** One line; what isn't printable ASCII is shown as `?`, and a long one is cut. Of each kind only the first few dozen are printed. */
  print(kind: string, line: string): void;
}

/** Provided by `hypervisor_console`. */
export const HypervisorConsole: Capability<HypervisorConsole> = capability("HypervisorConsole");

/** Its UART, when the board has such a console: nobody else can have it. */
export function consoleOf(board: Board): { readonly at: number; readonly size: number; readonly path: ManifestPath } | undefined {
  const use = board.plugins.find(({ plugin }) => plugin.provides?.some(({ name }) => name === HypervisorConsole.name));
  return use && { at: use.options.at as number, size: PAGE_SIZE, path: use.path };
}
