/**
 * Devices behind IOREQ: each in a Worker of its own, with the Deno permissions and the guest frames that it was given, contained when it
 * crashes, hangs or lies. The same servers serve device models of other kinds, see `contract.ts`.
 * @module
 */
import { CpuEngine, definePlugin, Interrupts } from "../../core/mod.ts";
import type { DomainContext, DomainSpec, Plugin, ResourceFinding } from "../../core/mod.ts";
import { DeviceHost, mergedRam } from "../device/contract.ts";
import type { DeviceStart } from "../device/contract.ts";
import { DeviceModels } from "./contract.ts";
import { ForeignFrames } from "./frames.ts";
import type { FrameRange } from "./frames.ts";
import { DeviceModelLines } from "./irq.ts";
import { IoreqRunner } from "./runner.ts";
import type { RunnerOptions } from "./runner.ts";
import { IoreqServers } from "./servers.ts";

/** Options; times in nanoseconds. */
export interface IoreqOptions {
  readonly on_failure: "bus_error" | "pause" | "restart";
  readonly order: "strict" | "free";
  readonly deadline: number;
  readonly virtual_deadline: number;
  readonly frames?: readonly FrameRange[];
  readonly buffered: boolean;
}

const PAGE = 4096;

function wrongFrames(value: unknown): string | undefined {
  const isRange = (item: unknown) => {
    const { at, size } = (item ?? {}) as Partial<FrameRange>;
    return [at, size].every((number) => Number.isSafeInteger(number) && number! >= 0 && number! % PAGE === 0);
  };
  return Array.isArray(value) && value.every(isRange) ? undefined : "want a list of { at, size }, multiples of 4 KiB";
}

function misplaced({ frames = [] }: IoreqOptions, domain: DomainSpec | undefined): ResourceFinding[] {
  const ram = mergedRam({ ram: domain?.memory ?? [] });
  return frames.filter(({ at, size }) => !ram.some((bank) => at >= bank.at && at - bank.at <= bank.size - size))
    .map(({ at }) => ({ title: `the frames at 0x${at.toString(16)} are not all RAM of the domain` }));
}

/** Disks that hold more than their state says: a new Worker couldn't go on from it. */
function notMirrored({ on_failure }: IoreqOptions, domain: DomainSpec | undefined): ResourceFinding[] {
  return (domain?.plugins ?? []).flatMap(({ plugin, options }) => {
    const { runs, snapshot, format } = options as Readonly<Record<string, unknown>>;
    if (runs !== "ioreq") return [];
    if (snapshot === true) {
      return [{ title: `${plugin.name} behind IOREQ can't keep a snapshot: it is more state than crosses with each answer` }];
    }
    if (format !== "qcow2" || on_failure !== "restart") return [];
    const title = `${plugin.name} with a qcow2 image can't go on in a new Worker: its tables are written when the guest flushes`;
    return [{ title, help: "take a raw image, or on_failure: bus_error or pause" }];
  });
}

/** The plugin. */
export const ioreq: Plugin<IoreqOptions> = definePlugin<IoreqOptions, undefined>({
  name: "ioreq",
  doc: "Devices with `runs: ioreq`: each in a Worker of its own, with no more of the host and of the guest than it needs.",
  options: {
    on_failure: {
      kind: "choice",
      choices: ["bus_error", "pause", "restart"],
      default: "bus_error",
      doc: "When a device crashes, hangs or lies: its domain gets external aborts, is paused, or gets a new one that goes on where it was.",
    },
    order: {
      kind: "choice",
      choices: ["strict", "free"],
      default: "strict",
      doc: "`strict`: the board waits for answers, and a run repeats exactly; `free`: only the domain waits, other domains run on.",
    },
    deadline: {
      kind: "duration",
      default: 10e9,
      min: 1e6,
      doc: "Host time that an answer may take: on a busy host, or a slow disk, some seconds.",
    },
    virtual_deadline: {
      kind: "duration",
      default: 1e9,
      min: 1e4,
      doc: "With `order: free`: virtual time that an answer may take.",
      onlyWith: { order: ["free"] },
    },
    frames: {
      kind: "any",
      optional: true,
      doc: "Guest memory that devices may reach, a list of { at, size }; all of the domain's RAM when absent.",
      check: wrongFrames,
    },
    buffered: {
      kind: "boolean",
      default: false,
      doc:
        "Guests don't wait for writes to devices below 1 MiB: they go through a ring, and are served within 10 µs or before anything else.",
    },
  },
  needs: [CpuEngine],
  provides: [DeviceHost, DeviceModels],
  resources: (options, { domain }) => ({ findings: [...misplaced(options, domain), ...notMirrored(options, domain)] }),
  attach(context) {
    const { domain, exceptions, provide, find, onStop } = context;
    const servers = new IoreqServers(domain);
    const runners: IoreqRunner[] = [];
    const lines = () => new DeviceModelLines(find(Interrupts));
    let own: DeviceModelLines | undefined;
    onStop(() => servers.close());
    exceptions.claimOtherMmio({
      holds: (ipa) => servers.holds(ipa),
      read: (ipa, size, vcpu) => vcpu === undefined ? "bus_error" : servers.access(vcpu.index, ipa, size, false, 0n) ?? "bus_error",
      write(ipa, size, value, vcpu) {
        const outcome = vcpu === undefined ? "bus_error" : servers.access(vcpu.index, ipa, size, true, value) ?? "bus_error";
        return typeof outcome === "bigint" ? undefined : outcome;
      },
    });
    provide(DeviceHost, {
      async start(request) {
        const runner = await IoreqRunner.start(partsOf(context, request as DeviceStart, servers, framesOf(context)));
        runners.push(runner);
        return runner;
      },
    });
    const pagesLeft = (ipa: number, size: number) => {
      for (const runner of runners) runner.leave(ipa, size);
      servers.pageLeft();
    };
    domain.onGivenBack(pagesLeft);
    provide(DeviceModels, {
      servers,
      devices: runners,
      operations: (owner, make) => ({
        vcpus: domain.vcpus.length,
        createServer: (buffering) => servers.create({ owner, buffering, ...make() }),
        serverInfo: (id, noGfns) => servers.info(owner, id, noGfns),
        mapRange: (id, type, start, end) => servers.mapRange(owner, id, type, start, end),
        unmapRange: (id, type, start, end) => servers.unmapRange(owner, id, type, start, end),
        setServerState: (id, enabled) => servers.setState(owner, id, enabled),
        destroyServer: (id) => servers.destroy(owner, id),
        setIrqLevel: (irq, level) => (own ??= lines()).set(irq, level),
      }),
      pagesLeft,
    });
  },
});

function framesOf({ domain, memory, get, options }: DomainContext<IoreqOptions, undefined>): ForeignFrames {
  return new ForeignFrames(domain, memory, get(CpuEngine), options.frames ?? mergedRam(domain));
}

function partsOf(
  { domain, options, clock, trace }: DomainContext<IoreqOptions, undefined>,
  request: DeviceStart,
  servers: IoreqServers,
  frames: ForeignFrames,
): Parameters<typeof IoreqRunner.start>[0] {
  const { device, context, windows, owner } = request;
  const disks = Object.keys(device.disks?.(context.options) ?? {}).map((name) => {
    const { sizeBytes, writable, path } = context.disk(name);
    return { name, sizeBytes, writable, path };
  });
  const files = disks.flatMap(({ path, writable }) => path === undefined ? [] : [{ path, writable }]);
  const runner: RunnerOptions = {
    onFailure: options.on_failure,
    order: options.order,
    buffered: options.buffered,
    deadlineMs: options.deadline / 1e6,
    virtualDeadlineNs: options.virtual_deadline,
  };
  return {
    request,
    permissions: { read: files.map(({ path }) => path), write: files.filter(({ writable }) => writable).map(({ path }) => path) },
    options: runner,
    servers,
    frames,
    domain,
    timer: (name, callback) => clock.timer(`${owner} ${name}`, callback),
    report: (what) => trace("device behind IOREQ", () => what),
    start: {
      name: device.name,
      module: device.module!,
      options: structuredClone(context.options),
      vcpus: domain.vcpus.length,
      windows: Object.entries(windows).map(([name, place]) => ({ name, ...place })),
      interrupts: Object.keys(device.interrupts ?? {}),
      ports: device.ports?.(context.options) ?? [],
      disks,
      ram: frames.given,
      bootTimeSeconds: context.bootTimeSeconds,
      counterFrequencyHz: context.counterFrequencyHz,
    },
  };
}

export default ioreq;
