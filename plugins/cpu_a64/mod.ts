/**
 * CPU engine for AArch64: A64 instructions, the exception model of EL1, EL0 and the
 * EL2 that the plugins are, MMU, virtual GIC CPU interface and timer registers.
 *
 * A hostile guest can execute any instruction: what isn't declared is UNDEFINED, every
 * address goes through both stages of translation, and a run ends when its budget does.
 *
 * @module
 */
import { type Board, CpuEngine, definePlugin, type Plugin, type ResourceFinding } from "../../core/mod.ts";
import { CpuTimers, timersOf, VirtualCpuInterface } from "./contract.ts";
import { A64Engine } from "./engine/engine.ts";
import type { Tier1Mode } from "./engine/tier1/tier1.ts";
import { MAX_PARALLEL_CPUS } from "./engine/worker/start.ts";
import { MAX_MPU_REGIONS, modelByName, models, type MpuRegionCounts, withGic, withMpuRegions } from "./sysregs/mod.ts";

interface Options {
  readonly model: string;
  readonly counter_frequency: number;
  readonly mpu_regions: MpuRegionCounts;
  readonly tier1: Tier1Mode;
  readonly translations: "on" | "off";
  readonly el3: "present" | "absent_trapped" | "absent_undefined";
  readonly break_before_make: "off" | "report";
  readonly profile: "off" | "report";
}

/** Fewer than that no core has. */
const MIN_MPU_REGIONS = 16;

/** What is wrong with an `mpu_regions`. */
function regionCountsProblem(value: unknown): string | undefined {
  const wanted = `want { el1: N, el2: N }, each a whole number from ${MIN_MPU_REGIONS} to ${MAX_MPU_REGIONS}`;
  if (typeof value !== "object" || value === null) return wanted;
  const counts = value as Record<string, unknown>;
  const isCount = (n: unknown) => Number.isInteger(n) && Number(n) >= MIN_MPU_REGIONS && Number(n) <= MAX_MPU_REGIONS;
  return Object.keys(counts).sort().join() === "el1,el2" && isCount(counts.el1) && isCount(counts.el2) ? undefined : wanted;
}

/** What `parallel: true` doesn't go with. */
function notInParallel(options: Options, board: Board): ResourceFinding[] {
  const findings: ResourceFinding[] = [];
  const places = [{ path: ["parallel"] }];
  if (board.pcpus > MAX_PARALLEL_CPUS) {
    const title = `at most ${MAX_PARALLEL_CPUS} CPUs run in parallel`;
    findings.push({ title, found: `${board.pcpus} CPUs`, help: "set pcpus: vCPUs share them", places });
  }
  for (const option of ["profile", "break_before_make"] as const) {
    if (options[option] !== "report") continue;
    findings.push({ title: `${option} watches one thread, and with \`parallel: true\` there are several`, places });
  }
  return findings;
}

/** The plugin. */
export const cpuA64: Plugin<Options> = definePlugin<Options, unknown>({
  name: "cpu_a64",
  doc: "AArch64 CPU engine that generates WebAssembly.",
  options: {
    model: {
      kind: "choice",
      doc: "CPU model: its identification registers and features.",
      choices: models.map((m) => m.name),
      default: "cortex-a57",
    },
    counter_frequency: { kind: "integer", doc: "CNTFRQ_EL0 in Hz.", default: 62_500_000, min: 1_000_000, max: 1_000_000_000 },
    mpu_regions: {
      kind: "any",
      doc: `Regions of the MPUs of EL1 and EL2, ${MIN_MPU_REGIONS} to ${MAX_MPU_REGIONS} each, on models that have MPUs.`,
      default: { el1: 32, el2: 32 },
      check: regionCountsProblem,
      onlyWith: { model: models.filter(({ features }) => features.has("PMSA")).map(({ name }) => name) },
    },
    tier1: {
      kind: "choice",
      doc: "Compiles hot code: guests see no difference. `force` compiles all code at its first execution, for tests.",
      choices: ["off", "on", "force"],
      default: "on",
    },
    translations: {
      kind: "choice",
      doc: "Whether compiled code is kept for the guest's next run, where the program has a place for it, as `run` does.",
      choices: ["on", "off"],
      default: "on",
    },
    el3: {
      kind: "choice",
      doc: "Whether there is an EL3, and so what SMC does at EL1: EL2 traps it (present, absent_trapped), or it is UNDEFINED.",
      choices: ["present", "absent_trapped", "absent_undefined"],
      default: "present",
    },
    break_before_make: {
      kind: "choice",
      doc: "Whether changes of live translation table entries without break-before-make are reported, the guests' and EL2's.",
      choices: ["off", "report"],
      default: "off",
    },
    profile: {
      kind: "choice",
      doc:
        "Whether a trace event tells at the end where instructions went, and the host's time: hot code, why generated code was left, and what compiling took. `run --profile` sets it.",
      choices: ["off", "report"],
      default: "off",
    },
  },
  provides: [CpuEngine, CpuTimers, VirtualCpuInterface],
  resources: (options, { board, domain }) => domain || !board.parallel ? {} : { findings: notInParallel(options, board) },
  async setup(context) {
    const { options, memory, bus, clock, board, host: { cache } } = context;
    const isKept = options.translations === "on" && !board.parallel;
    const model = withMpuRegions(withGic(modelByName(options.model)), options.mpu_regions);
    const engine = new A64Engine({
      memory,
      bus,
      model,
      counterFrequencyHz: options.counter_frequency,
      // Without EL3 it is IMPLEMENTATION DEFINED whether HCR_EL2.TSC works: Arm ARM DDI 0487, "HCR_EL2". An EL3 that is present has no
      // firmware: what EL2 doesn't trap is UNDEFINED, as with SCR_EL3.SMD. The ID registers hide EL3 from the guest.
      smc: options.el3 === "absent_undefined" ? "undefined" : "trap",
      tier1: options.tier1,
      translations: cache && isKept
        ? {
          read: (key) => cache.read(key),
          write: (key, bytes) => cache.write(key, bytes),
          say: (text) => context.trace("translations", () => text),
        }
        : undefined,
      uncompiled: (text) => context.trace("compiler", text),
      nowNs: () => clock.nowNs,
      profiles: options.profile === "report",
      breakBeforeMake: options.break_before_make === "report" ? (text) => context.trace("break before make", text) : undefined,
    });
    context.onStop(() => engine.stop());
    if (board.parallel) await engine.startCpus(board.pcpus);
    const { profile, tier1, code } = engine.cpu;
    context.onStop(() => tier1?.save());
    if (profile) {
      context.onStop(() => context.trace("profile", () => profile.report({ decoded: code.stats.instructions, regions: tier1?.stats })));
    }
    context.provide(CpuEngine, engine);
    context.provide(VirtualCpuInterface, engine.cpu.gicv);
    context.provide(CpuTimers, {
      timers: timersOf(model),
      get writes() {
        return engine.cpu.counter.writes;
      },
    });
  },
});

export default cpuA64;
