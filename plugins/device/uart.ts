/** What UARTs have in common, whatever their registers: their serial port, and the guest's standard output. */
import type { DeviceTreeFragment, DeviceTreeNode, OptionSpec } from "../../core/mod.ts";

/** The port that the terminal shows, and that the guest takes for its standard output. */
const CONSOLE = "console";

/** The option that names the serial port. */
export const uartPortOption: OptionSpec = {
  kind: "text",
  default: CONSOLE,
  doc: "The serial port; `console` is the terminal, and the guest's stdout-path.",
};

/** Nodes below the root, of which `name` is the UART's own; on the terminal's port it is `stdout-path` and `serial0` besides. */
export function uartTree(nodes: readonly DeviceTreeNode[], name: string, port: string): DeviceTreeFragment[] {
  const path = { text: `/${name}` };
  return [
    { under: "/", nodes },
    ...port !== CONSOLE ? [] : [
      { under: "/chosen", properties: { "stdout-path": path } },
      { under: "/aliases", properties: { serial0: path } },
    ],
  ];
}
