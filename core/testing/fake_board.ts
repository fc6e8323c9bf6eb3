/** A board whose CPUs play scripts, for tests of the whole machine. */
import type { Board, DomainSpec, PluginUse } from "../board/board.ts";
import { CpuEngine } from "../arch/cpu_engine.ts";
import { MemoryBackend } from "../memory/memory_backend.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { Plugin } from "../plugin/plugin.ts";
import { SchedulerPolicy } from "../schedule/scheduler_policy.ts";
import type { Schedulable } from "../schedule/scheduler_policy.ts";
import { FakeEngine } from "./fake_cpu.ts";
import { FakeMemoryBackend } from "./fake_memory.ts";

/** What a fake board may be told. */
export interface FakeBoardOptions {
  /** Physical CPUs; 1 when absent. */
  readonly pcpus?: number;
  /** Of one instruction; 1 when absent. */
  readonly nsPerInstruction?: number;
  /** One with one vCPU when absent. */
  readonly domains?: readonly (Partial<DomainSpec> & { readonly name: string })[];
  /** More board-scope plugins. */
  readonly plugins?: readonly Plugin[];
  /** False: the caller's plugins bring one. */
  readonly policy?: SchedulerPolicy | false;
  /** As with an MPU. */
  readonly directMapOnly?: boolean;
  /** RAM of the board. */
  readonly memory?: Board["memory"];
  /** Virtual when absent. */
  readonly time?: Board["time"];
}

/** Uses of plugins without options. */
export function uses(...plugins: readonly Plugin[]): PluginUse[] {
  return plugins.map((plugin) => ({
    plugin,
    options: Object.fromEntries(Object.entries(plugin.options).map(([name, spec]) => [name, spec.default])),
    path: ["plugins", plugin.name],
  }));
}

/** Any runnable vCPU, the one that waited longest first; slices of 1 ms. */
export function roundRobin(): SchedulerPolicy {
  const queue: Schedulable[] = [];
  const toBack = (vcpu: Schedulable) => queue.push(...queue.splice(queue.indexOf(vcpu), 1));
  return {
    insert: (vcpu) => void queue.push(vcpu),
    remove: (vcpu) => void queue.splice(queue.indexOf(vcpu), 1),
    wake: () => {},
    sleep: () => {},
    yield: toBack,
    ran: toBack,
    decide: () => ({ vcpu: queue.find((vcpu) => vcpu.runnable), sliceNs: 1_000_000 }),
  };
}

/** A plugin that starts vCPU 0 of each domain at address 0. */
export const startFirst: Plugin = definePlugin({
  name: "start_first",
  doc: "Starts vCPU 0.",
  options: {},
  attach: ({ domain, onBoot }) => onBoot(() => domain.vcpus[0].start(0n, 0n)),
});

/** A plugin that starts every vCPU of each domain. */
export const startAll: Plugin = definePlugin({
  name: "start_all",
  doc: "Starts every vCPU.",
  options: {},
  attach: ({ domain, onBoot }) =>
    onBoot(() => {
      for (const vcpu of domain.vcpus) vcpu.start(0n, 0n);
    }),
});

/** Makes the board, and the fakes that it uses. */
export function fakeBoard(options: FakeBoardOptions = {}): { board: Board; engine: FakeEngine; backend: FakeMemoryBackend } {
  const engine = new FakeEngine();
  const backend = new FakeMemoryBackend(options.directMapOnly);
  const hardware = definePlugin({
    name: "fake_hardware",
    doc: "Fakes.",
    options: {},
    provides: [CpuEngine, MemoryBackend],
    setup({ provide }) {
      provide(CpuEngine, engine);
      provide(MemoryBackend, backend);
    },
  });
  const policy = options.policy ?? roundRobin();
  const scheduling = definePlugin({
    name: "fake_policy",
    doc: "The policy of the test.",
    options: {},
    provides: [SchedulerPolicy],
    setup: ({ provide }) => provide(SchedulerPolicy, policy as SchedulerPolicy),
  });
  const plugins = [hardware, ...(policy === false ? [] : [scheduling]), ...(options.plugins ?? [startAll])];
  const board: Board = {
    name: "fake",
    doc: "",
    file: "fake.yaml",
    seed: 1,
    time: options.time ?? "virtual",
    nsPerInstruction: options.nsPerInstruction ?? 1,
    pcpus: options.pcpus ?? 1,
    memory: options.memory ?? [{ at: 0x4000_0000, size: 16 * 2 ** 20 }],
    plugins: uses(...plugins),
    domains: (options.domains ?? [{ name: "guest" }]).map((domain) => ({
      vcpus: 1,
      memory: [{ at: 0x4000_0000, size: 2 ** 20 }],
      plugins: [],
      ...domain,
    })),
  };
  return { board, engine, backend };
}
