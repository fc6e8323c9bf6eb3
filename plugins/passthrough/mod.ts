/**
 * A device of the board for one domain alone: its registers at an address of the guest's, with no exit to EL2, and its interrupt lines as
 * interrupts of the domain.
 *
 * What can a hostile guest do here? With the device, whatever it likes; the window is whole pages of that device and of nothing else.
 * Its interrupts are its own: a line that stays high is pending for this domain only. A device that reads or writes memory by itself
 * would reach all of it, because the board has no IOMMU; none of the built-in ones does.
 * @module
 */
import { definePlugin, hex, Interrupts, PAGE_SIZE } from "../../core/mod.ts";
import type { DomainContext, Plugin } from "../../core/mod.ts";
import { consoleOf } from "../hypervisor_console/contract.ts";
import { AttributeConflictError, DeviceMemory, overlaps } from "../mmio_sram/contract.ts";
import { BoardInterrupts } from "./contract.ts";
import { findingsOf } from "./findings.ts";
import { checkProperties, deviceTree } from "./node.ts";
import { guestAddress, mappingFor, NAME } from "./options.ts";
import type { PassthroughOptions } from "./options.ts";
import { take } from "./owners.ts";

export { boardInterrupts } from "./board_interrupts.ts";
export { BoardInterrupts } from "./contract.ts";
export type { PassthroughOptions } from "./options.ts";

/** The plugin. */
export const passthrough: Plugin<PassthroughOptions, undefined> = definePlugin<PassthroughOptions, undefined>({
  name: NAME,
  doc: "Gives a device of the board to one domain: its registers without exits, and its interrupts.",
  options: {
    at: { kind: "address", align: PAGE_SIZE, doc: "PA of the device's first register." },
    size: { kind: "size", default: PAGE_SIZE, min: PAGE_SIZE, align: PAGE_SIZE, doc: "Bytes, in whole pages." },
    ipa: {
      kind: "address",
      optional: true,
      align: PAGE_SIZE,
      doc: "Where the guest sees it; its PA when absent, and always behind an MPU.",
    },
    type: {
      kind: "choice",
      choices: ["device-ngnrne", "device-ngnre", "device-ngre", "device-gre", "normal-nc"],
      default: "device-ngnre",
      doc: "Memory type of the mapping. A guest's stage 1 may be stricter, not laxer.",
    },
    lines: {
      kind: "interrupt",
      list: true,
      min: 32,
      default: [],
      doc: "The device's interrupts (SPIs) as the board has them; level-sensitive.",
    },
    interrupts: {
      kind: "interrupt",
      list: true,
      min: 32,
      optional: true,
      doc: "What they are in the domain, in that order; the same when absent.",
    },
    node: {
      kind: "text",
      default: "device",
      doc: "Name of the guest's device tree node, without its address.",
      check: (value) => /^[a-zA-Z][\w,.+-]{0,30}$/.test(value as string) ? undefined : "a name of letters, digits and ,._+-",
    },
    compatible: { kind: "text", list: true, optional: true, doc: "Its `compatible`, most specific first; no node when absent." },
    properties: {
      kind: "any",
      default: {},
      check: checkProperties,
      doc: "More properties of the node, by name: true, a text or number, or a list. `&clk24mhz` is the clock of Arm's PrimeCells.",
    },
    stdout: { kind: "boolean", default: false, doc: "The guest takes it for its standard output." },
  },
  needs: [Interrupts],
  resources(options, { board, domain }) {
    if (domain === undefined) return {};
    const { size, lines, interrupts } = options;
    return {
      windows: [{ name: "registers", at: guestAddress(options), size, mapping: mappingFor(options) }],
      interrupts: (interrupts ?? lines).map((intid) => ({ name: "line", intid, trigger: "level" })),
      deviceTree: deviceTree(options),
      findings: findingsOf(options, board, domain),
    };
  },
  attach,
});

function attach(context: DomainContext<PassthroughOptions, undefined>): void {
  const { board, bus, domain, options, fail, find, onStop } = context;
  const { at, size, type } = options;
  const device = bus.find(at);
  if (device === undefined) return fail("at", `no device of the board is at ${hex(at)}`);
  const console = consoleOf(board);
  if (console && overlaps(console, options)) fail("at", `${hex(console.at)} is EL2's own console: it can't be ${domain.name}'s`);
  try {
    onStop(take(device.handler, at, size, domain.name));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    fail("at", error.message);
  }
  const owner = `${domain.name} (${device.name})`;
  try {
    const list = find(DeviceMemory);
    list?.claim(at, size, type, owner);
    onStop(() => list?.release(at, size, owner));
  } catch (error) {
    if (!(error instanceof AttributeConflictError)) throw error;
    fail("type", error.message);
  }
  try {
    domain.space.map(guestAddress(options), at, size, mappingFor(options));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    fail(options.ipa === undefined ? "at" : "ipa", error.message);
  }
  onStop(() => domain.space.unmap(guestAddress(options), size));
  routeLines(context, owner);
}

/** A line's level is its interrupt's: the virtual interrupt controller does the rest, whether the vCPU runs, waits or is away. */
function routeLines(
  { get, find, options: { lines, interrupts }, fail, onStop }: DomainContext<PassthroughOptions, undefined>,
  owner: string,
): void {
  if (lines.length === 0) return;
  const board = find(BoardInterrupts);
  if (board === undefined) return fail("lines", "the board's devices have no interrupt lines: board_interrupts provides them");
  for (const [index, line] of lines.entries()) {
    try {
      const input = get(Interrupts).spi((interrupts ?? lines)[index]);
      onStop(board.route(line, owner, (level) => input.set(level)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      fail("lines", error.message);
    }
  }
}

export default passthrough;
