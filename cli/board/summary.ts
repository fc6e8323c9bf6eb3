/** What is said about a board before a run, and about the run after it. */
import { hex, printSize } from "../../core/mod.ts";
import type { Board, DomainSpec, PluginUse } from "../../core/mod.ts";

/** A board in a few lines. */
export function summary(board: Board): string {
  const shared = board.plugins.map(label).join(", ");
  const lines = [`board  ${[board.name, board.doc].filter(Boolean).join(": ")}`];
  lines.push(`       ${count(board.pcpus, "pCPU")}, ${printSize(total(board))} RAM; ${shared}`);
  for (const domain of board.domains) {
    lines.push(
      `       ${domain.name}: ${count(domain.vcpus, "vCPU")}, ${printSize(total(domain))}; ${domain.plugins.map(label).join(", ")}`,
    );
  }
  return lines.join("\n");
}

/** What the board's plugins planned, in lines. */
export function reports(board: Board): string[] {
  const planned = board.plugins.flatMap(({ plugin, options }) => plugin.resources?.(options, { board }).report ?? []);
  return [...board.platform?.report ?? [], ...planned];
}

const COMPILER_FAULT = "that only the interpreter could execute, which is a fault of Plugboard: see --trace compiler";

/** What a run did. */
export interface RunFigures {
  readonly outcome: string;
  readonly virtualNs: number;
  readonly wallMs: number;
  readonly instructions: number;
  /** Those of them that a snapshot had behind it when the run began. */
  readonly before?: number;
  readonly exits: ReadonlyMap<string, number>;
  readonly reboots?: number;
  /** Trace events by kind. */
  readonly traced?: ReadonlyMap<string, number>;
}

/** A run in two lines, and one more each when the CPU's break-before-make checker has found something, and when its compiler failed. */
export function runSummary({ outcome, virtualNs, wallMs, instructions, before = 0, exits, reboots = 0, traced }: RunFigures): string {
  const mips = wallMs > 0 ? (instructions - before) / wallMs / 1000 : 0;
  const kinds = [...exits].filter(([, number]) => number > 0).sort((a, b) => b[1] - a[1]);
  const broken = traced?.get("break before make") ?? 0, refused = traced?.get("compiler") ?? 0;
  return [
    `end    ${outcome}${reboots > 0 ? ` after ${count(reboots, "reboot")}` : ""}; ${seconds(virtualNs / 1e6)} virtual, ${
      seconds(wallMs)
    } wall, ${group(instructions)} instructions, ${mips.toFixed(mips < 10 ? 1 : 0)} MIPS`,
    `exits  ${kinds.length ? kinds.map(([kind, number]) => `${kind} ${group(number)}`).join(", ") : "none"}`,
    ...broken ? [`tables ${count(broken, "change")} of live entries without break-before-make`] : [],
    ...refused ? [`code   ${count(refused, "piece")} of it ${COMPILER_FAULT}`] : [],
  ].join("\n");
}

function label({ plugin, options }: PluginUse): string {
  for (const [name, spec] of Object.entries(plugin.options)) {
    if (spec.kind === "address" && typeof options[name] === "number" && name === "at") return `${plugin.name} at ${hex(options[name])}`;
    if (name === "model" && spec.kind === "choice") return `${plugin.name} ${options[name]}`;
  }
  return plugin.name;
}

const total = ({ memory }: Board | DomainSpec) => memory.reduce((sum, { size }) => sum + size, 0);
const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
const seconds = (ms: number) => `${(ms / 1000).toFixed(3)} s`;
const group = (number: number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");
