/** A device of the board itself: at a physical address, for EL2 or for the domain that gets it by pass-through. */
import { CpuEngine, definePlugin, hex, Serial } from "../../core/mod.ts";
import type { Board, OptionSpecs, Plugin, Resources } from "../../core/mod.ts";
import { BoardInterrupts } from "../passthrough/contract.ts";
import { deviceContext } from "./device_context.ts";
import type { DeviceDma, DeviceModel } from "./model.ts";
import { boardPlaceOptions, placedInterrupts, placedWindows } from "./options.ts";

/** Options of a device of the board with one window and one interrupt. */
export interface BoardPlaceOptions {
  /** PA of its registers. */
  readonly at: number;
  /** Of the board's lines; none when absent. */
  readonly interrupt?: number;
}

/** Nothing stands between a device of the board and memory that isn't its user's: there is no SMMU, so there is no DMA. */
const noDma: DeviceDma = { read: () => undefined, write: () => false, ram: [] };

/**
 * Makes a plugin of a device, named `board_NAME`, for the board's plugins. The device lives as long as the board: a domain that starts
 * over finds it as it left it, as on hardware. `changes` are options that a board must say differently.
 */
export function boardDevicePlugin<O, S, P = BoardPlaceOptions>(device: DeviceModel<O, S>, changes: OptionSpecs = {}): Plugin<O & P, S> {
  if (device.cables !== undefined) throw new TypeError(`device ${device.name} can't be the board's: it has cables, and no domain`);
  const name = `board_${device.name}`;
  return definePlugin<O & P, S>({
    name,
    doc: `${device.doc.replace(/\.$/, "")}, of the board itself: for the hypervisor, or for a domain by pass-through.`,
    options: { ...boardPlaceOptions(device), ...device.options, ...changes },
    needs: [Serial, CpuEngine],
    resources(options, { board, domain }): Resources {
      if (domain !== undefined) {
        const isOwn = domain.plugins.some((use) => use.options === options as unknown);
        return isOwn
          ? { findings: [{ title: `${name} is a device of the board`, help: "move it to plugins at the top; domains have their own" }] }
          : {};
      }
      const windows = placedWindows(device, options as Record<string, unknown>);
      const lines = placedInterrupts(device, options as Record<string, unknown>).filter(({ intid }) => intid !== undefined);
      return {
        windows,
        serialPorts: device.ports?.(options) ?? [],
        findings: [
          ...device.findings?.(options) ?? [],
          ...lines.length === 0 || hasLines(board) ? [] : [{
            severity: "warning" as const,
            title: `the interrupt of ${name} at ${hex(windows[0].at)} goes nowhere`,
            help: "add - use: board_interrupts under the board's plugins",
          }],
        ],
      };
    },
    state: device.state,
    setup(context) {
      const { find, bus, onStop, trace, options } = context;
      const windows = placedWindows(device, options as Record<string, unknown>);
      const owner = `${name} at ${hex(windows[0].at)}`;
      const running = device.create(deviceContext<O, S, P>(device, context, {
        dma: noDma,
        // Asked for when it is used: who provides it may come later.
        line: (intid) => ({ set: (level) => find(BoardInterrupts)?.output(intid, owner).set(level) }),
        resetDomain: (cause) => trace("device of the board", () => `${owner} asks for a reset (${cause}), and has no domain`),
      }));
      for (const { name: window, at, size } of windows) {
        const handler = running.windows[window];
        if (handler === undefined) throw new Error(`device ${device.name} declares the window ${window} and has nothing to serve it`);
        bus.claim(at, size, window, handler);
      }
      onStop(() => running.stopped?.());
    },
  });
}

function hasLines({ plugins }: Board): boolean {
  return plugins.some(({ plugin }) => plugin.provides?.some(({ name }) => name === BoardInterrupts.name));
}
