/** What `check` finds of devices that domains get: a device that isn't there, with two owners, or with a type that it mustn't have. */
import { hex } from "../../core/mod.ts";
import type { Board, DomainSpec, PlatformRange, PluginUse, ResourceFinding } from "../../core/mod.ts";
import { consoleOf } from "../hypervisor_console/contract.ts";
import { interruptFrames, isStrictEnoughForInterrupts, overlaps } from "../mmio_sram/contract.ts";
import { PmsaDomains } from "../pmsa/contract.ts";
import { BoardInterrupts } from "./contract.ts";
import { guestAddress, NAME } from "./options.ts";
import type { PassthroughOptions } from "./options.ts";

interface Assignment {
  readonly domain: string;
  readonly use: PluginUse;
  readonly options: PassthroughOptions;
}

/** All uses in the manifest's order; one at the top of the manifest is every domain's. */
function assignments(board: Board): Assignment[] {
  return board.domains.flatMap(({ name: domain, plugins }) =>
    [...board.plugins, ...plugins].filter(({ plugin }) => plugin.name === NAME)
      .map((use) => ({ domain, use, options: use.options as unknown as PassthroughOptions }))
  );
}

const provides = (board: Board, { name }: { readonly name: string }) =>
  board.plugins.some(({ plugin }) => plugin.provides?.some((key) => key.name === name));

const text = ({ at, size }: PlatformRange) => `${hex(at)} to ${hex(at + size - 1)}`;

/** Windows of the board's devices. A memory backend has none, and would ask us for ours. */
function deviceWindows(board: Board): (PlatformRange & { readonly whose: string })[] {
  return board.plugins.filter(({ plugin }) => plugin.name !== NAME && !plugin.provides?.some(({ name }) => name === "MemoryBackend"))
    .flatMap(({ plugin, options }) =>
      (plugin.resources?.(options, { board }).windows ?? []).map(({ at, size }) => ({ at, size, whose: plugin.name }))
    );
}

/** Mistakes of one use, as one domain has it; those between two are told once, of the later one. */
export function findingsOf(options: PassthroughOptions, board: Board, domain: DomainSpec): ResourceFinding[] {
  const all = assignments(board);
  const index = all.findIndex((candidate) => candidate.domain === domain.name && candidate.use.options === options as unknown);
  if (index < 0) return [];
  const mine = all[index];
  return [...ofOne(mine, board), ...all.slice(0, index).flatMap((earlier) => between(earlier, mine))];
}

function ofOne({ use, options, domain }: Assignment, board: Board): ResourceFinding[] {
  const findings: ResourceFinding[] = [];
  const add = (option: string, finding: ResourceFinding) => findings.push({ places: [{ path: [...use.path, option] }], ...finding });
  const { at, size, type, lines, interrupts } = options;
  const window = { at, size }, windows = deviceWindows(board);
  if (!windows.some((device) => at >= device.at && at + size <= device.at + device.size)) {
    const known = board.platform?.devices.find((device) => device.windows.some((range) => overlaps(range, window)));
    add("at", {
      title: `no device of the board has ${text(window)}${
        known ? `: the platform has ${known.path} there, which nothing here models` : ""
      }`,
      found: text(window),
      help: windows.length === 0
        ? "the board has no devices of its own: board_pl011 is one"
        : `there is ${windows.map((device) => `${device.whose} at ${text(device)}`).join(", ")}`,
    });
  }
  const own = consoleOf(board);
  if (own && overlaps(own, window)) {
    add("at", {
      title: `${text(own)} is EL2's own console: it can't be ${domain}'s`,
      places: [{ path: [...use.path, "at"], note: domain }, { path: [...own.path, "at"], note: "EL2's" }],
    });
  }
  const frame = interruptFrames(board).find((candidate) => overlaps(candidate, window));
  if (frame && !isStrictEnoughForInterrupts(type)) {
    add("type", {
      title: `the interrupt controller has frames at ${hex(frame.at)}; they can't be ${type}`,
      found: type,
      wanted: "device-ngnre or device-ngnrne",
    });
  }
  if (guestAddress(options) !== at && provides(board, PmsaDomains)) {
    add("ipa", {
      title: `${hex(guestAddress(options))} can't be ${hex(at)}: an MPU translates nothing`,
      found: hex(guestAddress(options)),
      wanted: `${hex(at)}, or no ipa`,
    });
  }
  if (interrupts !== undefined && interrupts.length !== lines.length) {
    add("interrupts", { title: `${interrupts.length} interrupts for ${lines.length} lines of the board: want one for each` });
  }
  if (lines.length > 0 && !provides(board, BoardInterrupts)) {
    add("lines", { title: "the board's devices have no interrupt lines", help: "add - use: board_interrupts under the board's plugins" });
  }
  return findings;
}

function between(earlier: Assignment, later: Assignment): ResourceFinding[] {
  const findings: ResourceFinding[] = [];
  const places = (option: string) => [
    { path: [...later.use.path, option], note: later.domain },
    { path: [...earlier.use.path, option], note: earlier.domain },
  ];
  const both = later.domain === earlier.domain ? `${later.domain} has it twice` : `${earlier.domain} and ${later.domain} both have it`;
  if (overlaps(earlier.options, later.options)) {
    findings.push({ title: `the device at ${text(later.options)} has one owner: ${both}`, places: places("at") });
  }
  for (const line of later.options.lines) {
    if (!earlier.options.lines.includes(line)) continue;
    findings.push({ title: `the board's interrupt spi ${line - 32} (INTID ${line}) has one owner: ${both}`, places: places("lines") });
  }
  return findings;
}
