/**
 * EL2's own console: a PL011 of the board, mapped by fixmap, which says what the hypervisor is and what becomes of its domains. The same on
 * page tables and behind an MPU: only the address at which EL2 sees the UART differs.
 *
 * What can a hostile guest do here? It can end and start over, which is a line each, a few dozen at most. Text from crash reports is
 * printable ASCII of bounded length when it comes out.
 * @module
 */
import { definePlugin, fixmapSlot, hex, HypervisorMap, MapRefusedError, MemoryBackend, PAGE_SIZE, printSize } from "../../core/mod.ts";
import type { Board, Domain, DomainContext, MemoryType, Outcome, Plugin, ResourceFinding } from "../../core/mod.ts";
import { AttributeConflictError, DeviceMemory } from "../mmio_sram/contract.ts";
import { UartConsole } from "./console.ts";
import type { ConsoleState } from "./console.ts";
import { HypervisorConsole } from "./contract.ts";

export { HypervisorConsole } from "./contract.ts";
export type { ConsoleState } from "./console.ts";

/** Options. */
export interface HypervisorConsoleOptions {
  readonly at: number;
  readonly type: MemoryType;
}

type Context = DomainContext<HypervisorConsoleOptions, ConsoleState>;

/** The plugin. */
export const hypervisorConsole: Plugin<HypervisorConsoleOptions, ConsoleState> = definePlugin<HypervisorConsoleOptions, ConsoleState>({
  name: "hypervisor_console",
  doc: "EL2's own console on a PL011 of the board: what the hypervisor is, and what becomes of its domains.",
  options: {
    at: { kind: "address", align: PAGE_SIZE, doc: "PA of the UART, a board_pl011." },
    type: {
      kind: "choice",
      choices: ["device-ngnrne", "device-ngnre", "device-ngre", "device-gre"],
      default: "device-ngnre",
      doc: "Memory type of EL2's mapping.",
    },
  },
  needs: [HypervisorMap, MemoryBackend],
  provides: [HypervisorConsole],
  resources: (options, { board, domain }) => ({ findings: domain === undefined ? uartFindings(options, board) : [] }),
  state: () => ({ printed: new Map(), announced: false, known: new Set() }),
  setup(context) {
    const { options: { at, type }, state, get, provide, fail } = context;
    try {
      const map = get(HypervisorMap);
      const uart = map.fixmap(fixmapSlot.console, at, type);
      context.onStop(() => map.unmap(uart));
      provide(HypervisorConsole, new UartConsole(state, uart));
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof MapRefusedError)) throw error;
      fail(error instanceof MapRefusedError && error.reason === "attributes" ? "type" : "at", error.message);
    }
  },
  attach(context) {
    const console = context.find(HypervisorConsole) as UartConsole;
    // Only now is all of the board set up, the UART included.
    if (!console.state.announced) announce(context, console);
    const { domain, onBoot, onEnd } = context;
    const again = console.state.known.has(domain.name) ? " again" : "";
    console.state.known.add(domain.name);
    onBoot(() => console.print("domains that start", `domain ${domain.name} starts${again}: ${domainText(domain)}`));
    onEnd((outcome) => console.print(`domains that ${KINDS[outcome.kind]}`, `domain ${domain.name} ${outcomeText(outcome)}`));
  },
});

/** The UART is a device of the board's. */
function uartFindings({ at }: HypervisorConsoleOptions, board: Board): ResourceFinding[] {
  const uarts = board.plugins.filter(({ plugin }) => plugin.name === "board_pl011").map(({ options }) => options.at as number);
  if (uarts.includes(at)) return [];
  const use = board.plugins.find(({ options }) => options.at === at && "type" in options);
  const help = uarts.length > 0
    ? `there is board_pl011 at ${uarts.map(hex).join(", ")}`
    : "add - use: board_pl011 under the board's plugins";
  return [{ title: `no board_pl011 is at ${hex(at)}`, found: hex(at), help, places: use && [{ path: [...use.path, "at"] }] }];
}

function announce({ board, bus, find, get, options: { at, type }, fail }: Context, console: UartConsole): void {
  console.state.announced = true;
  if (bus.find(at) === undefined) fail("at", `no device of the board is at ${hex(at)}`);
  try {
    find(DeviceMemory)?.claim(at, PAGE_SIZE, type, "EL2's console");
  } catch (error) {
    if (!(error instanceof AttributeConflictError)) throw error;
    fail("type", error.message);
  }
  const print = (line: string) => console.print("the board", line);
  const memory = board.memory.map((bank) => `${printSize(bank.size)} at ${hex(bank.at)}`).join(", ");
  print(`Plugboard, board ${board.name}: ${plural(board.pcpus, "CPU")}, RAM ${memory}`);
  const backend = get(MemoryBackend);
  print(`memory by ${backend.name}, ${backend.directMapOnly ? "which maps domains directly" : "which translates"}`);
  print(`console at PA ${hex(at)}, EL2's VA ${hex(console.uart.va)}, ${type}`);
  for (const line of backendReport(board)) print(line);
}

/** What the backend planned: an MPU's regions. */
function backendReport(board: Board): readonly string[] {
  const use = board.plugins.find(({ plugin }) => plugin.provides?.some(({ name }) => name === MemoryBackend.name));
  return use?.plugin.resources?.(use.options, { board }).report ?? [];
}

function domainText({ vcpus, ram }: Domain): string {
  return `${plural(vcpus.length, "vCPU")}, RAM ${ram.map(({ at, size }) => `${printSize(size)} at ${hex(at)}`).join(", ")}`;
}

const KINDS = { "power-off": "power off", reboot: "reboot", crash: "crash" } as const;

function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case "power-off":
      return outcome.code === undefined ? "powered off" : `powered off, code ${outcome.code}`;
    case "reboot":
      return outcome.cause === undefined ? "reboots" : `reboots: ${outcome.cause}`;
    case "crash":
      return `crashed: ${outcome.report.trimStart().split("\n")[0]}`;
  }
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

export default hypervisorConsole;
