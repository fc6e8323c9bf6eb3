/** From a device to a plugin: options that place it, resources, and the device at work where the board says. */
import { CpuEngine, definePlugin, Interrupts, Serial } from "../../core/mod.ts";
import type {
  Capability,
  DeferringMmioHandler,
  DomainContext,
  OptionSpecs,
  Plugin,
  ResourceContext,
  ResourceFinding,
} from "../../core/mod.ts";
import { cableFindings, networkCables } from "../network/contract.ts";
import { deviceContext } from "./device_context.ts";
import { DeviceHost } from "./host.ts";
import { domainMemory } from "./memory.ts";
import type { DeviceContext, DeviceModel } from "./model.ts";
import { devicePlaces, placedWindows, placeOptions, placeResources } from "./options.ts";

/** Where a device runs. */
export interface RunsOption {
  /** `inline` when absent. */
  readonly runs?: "inline" | "ioreq";
}

/** Options of a device with one window. */
export interface AtOption extends RunsOption {
  /** IPA of its registers. */
  readonly at: number;
}

/** Options of a device with one window and one interrupt. */
export interface PlaceOptions extends AtOption {
  /** INTID, an SPI. */
  readonly interrupt: number;
}

/** A plugin that runs a device. `P`: the options that place it. */
export type DevicePlugin<O, S, P = PlaceOptions> = Plugin<O & P & RunsOption, S> & {
  /** The device. */
  readonly device: DeviceModel<O, S>;
};

/** What a device lends to other plugins of its domain. */
export interface DeviceLends {
  /** What it hands out. */
  readonly provides: readonly Capability<unknown>[];
  /** Called when the device is there. */
  provide(provide: <T>(key: Capability<T>, implementation: T) => void, input: (wire: number, level: boolean) => void): void;
}

const runsOption: OptionSpecs = {
  runs: {
    kind: "choice",
    choices: ["inline", "ioreq"],
    default: "inline",
    doc: "Where the device runs: `inline` in the hypervisor's thread, or behind `ioreq`, in a Worker of its own.",
  },
};

/** Makes a plugin of a device: options for its windows and interrupts and `runs`, besides its own. */
export function devicePlugin<O, S, P = PlaceOptions>(device: DeviceModel<O, S>, lends?: DeviceLends): DevicePlugin<O, S, P> {
  type Options = O & P & RunsOption;
  const plugin = definePlugin<Options, S>({
    name: device.name,
    doc: device.doc,
    options: { ...device.options, ...placeOptions(device), ...runsOption },
    needs: [Serial, CpuEngine, ...device.interrupts === undefined ? [] : [Interrupts]],
    ...lends === undefined ? {} : { provides: lends.provides },
    resources: (options, context) => ({
      ...placeResources(device, options as Record<string, unknown>),
      serialPorts: device.ports?.(options) ?? [],
      deviceTree: device.deviceTree?.(options, devicePlaces(device, options as Record<string, unknown>)) ?? [],
      findings: [
        ...device.findings?.(options) ?? [],
        ...remoteFindings(device, options, context),
        ...cableFindings(device.cables?.(options) ?? {}, context),
      ],
    }),
    state: device.state,
    ...device.keep === undefined ? {} : { keep: device.keep },
    attach(context) {
      const { domain, get, options } = context;
      const own = deviceContext<O, S, P & RunsOption>(device, context, {
        dma: domainMemory(domain),
        cables: networkCables(device.cables?.(options) ?? {}, context),
        line: (intid) => get(Interrupts).spi(intid),
        resetDomain: (cause) => domain.end({ kind: "reboot", cause }),
      });
      const wires = inputsOf(device);
      lends?.provide(context.provide, wires.input);
      if (options.runs === "ioreq") return startRemote(device, context, own, wires);
      const running = device.create(own);
      claim(device, context, running.windows);
      wires.to = (wire, level) => running.input?.(wire, level);
      context.onStop(() => running.stopped?.());
    },
  });
  return { ...plugin, device };
}

/** What keeps a device from running behind IOREQ. */
function remoteFindings(device: DeviceModel, { runs }: RunsOption, { board, domain }: ResourceContext): ResourceFinding[] {
  if (runs !== "ioreq") return [];
  if (device.module === undefined || device.sockets || device.cables !== undefined) {
    const isHere = device.sockets || device.cables !== undefined || device.folders !== undefined;
    return [{
      title: `${device.name} can't run behind IOREQ: ${
        isHere ? "what it uses of the host is in the hypervisor's thread" : "it doesn't say which module it is in"
      }`,
      help: isHere ? "leave out runs" : "set module: import.meta.url",
    }];
  }
  const hosts = [...board.plugins, ...domain?.plugins ?? []].some(({ plugin }) =>
    plugin.provides?.some(({ name }) => name === DeviceHost.name)
  );
  return hosts ? [] : [{ title: `${device.name} runs behind IOREQ, and nobody provides that`, help: "add - use: ioreq" }];
}

/** Its input wires; they lead somewhere when the device is there. */
interface Wires {
  to: (wire: number, level: boolean) => void;
  readonly input: (wire: number, level: boolean) => void;
}

function inputsOf({ inputs = 0 }: DeviceModel): Wires {
  const wires: Wires = {
    to: () => {},
    input(wire, level) {
      if (!Number.isInteger(wire) || wire < 0 || wire >= inputs) throw new RangeError(`input ${wire}: want 0 to ${inputs - 1}`);
      wires.to(wire, level);
    },
  };
  return wires;
}

/** Claims its windows. Throws when the device hasn't brought what it declares. */
function claim(
  device: DeviceModel,
  { options, exceptions }: Pick<DomainContext<unknown, unknown>, "options" | "exceptions">,
  handlers: Readonly<Record<string, DeferringMmioHandler>>,
): void {
  for (const { name, at, size } of placedWindows(device, options as Record<string, unknown>)) {
    if (handlers[name] === undefined) throw new Error(`device ${device.name} declares the window ${name} and has nothing to serve it`);
    exceptions.claimMmio(at, size, name, handlers[name]);
  }
}

/** Starts it when every plugin is there: who runs it may have come later. */
function startRemote<O, S>(
  device: DeviceModel<O, S>,
  context: DomainContext<O & RunsOption, S>,
  own: DeviceContext<O, S>,
  wires: Wires,
): void {
  const { options, domain, find, fail, onBoot, onStop } = context;
  const placed = placedWindows(device, options as Record<string, unknown>);
  const windows = Object.fromEntries(placed.map(({ name, at, size }) => [name, { at, size }]));
  const owner = `${domain.name}/${device.name}@${placed[0].at.toString(16)}`;
  onBoot(async () => {
    const host = find(DeviceHost);
    if (host === undefined) return fail("runs", "nobody runs devices behind IOREQ here: add - use: ioreq");
    const remote = await host.start({ device, owner, context: own, windows });
    onStop(() => remote.stopped());
    claim(device, context, remote.windows);
    wires.to = (wire, level) => remote.input(wire, level);
  });
}
