/**
 * PSCI: the guest powers its vCPUs up and down, suspends them, and switches itself off, by HVC or SMC.
 *
 * Without the plugin `smccc` it answers the architecture's own calls as well, since PSCI_FEATURES is how guests find them.
 * @module
 */
import { CpuEngine, definePlugin, Interrupts, OptionError } from "../../core/mod.ts";
import type { Board, DeviceTreeNode, DeviceTreeValue, DomainContext, Plugin, ResourceContext, Vcpu } from "../../core/mod.ts";
import { Calls, claimArchitectureCalls, hasCalls, PowerControl } from "../smccc/contract.ts";
import { isAtLeast, properties01, psciRanges, versions } from "./functions.ts";
import type { PsciVersion } from "./functions.ts";
import { PowerController } from "./power.ts";
import { initialState } from "./state.ts";
import type { PendingStart, PowerState, SuspendKind } from "./state.ts";
import { Suspender } from "./suspend.ts";

/** Options; `power_up` in nanoseconds. */
export interface PsciOptions {
  readonly conduit: "hvc" | "smc";
  readonly version: PsciVersion | "1";
  readonly suspend: SuspendKind;
  readonly power_up: number;
}

/** The plugin. */
export const psci: Plugin<PsciOptions, PowerState> = definePlugin<PsciOptions, PowerState>({
  name: "psci",
  doc: "PSCI: starts, stops and suspends vCPUs, powers the domain off or resets it.",
  options: {
    conduit: {
      kind: "choice",
      choices: ["hvc", "smc"],
      default: "hvc",
      doc: "Instruction by which the guest calls; the device tree says it to the guest.",
    },
    version: {
      kind: "choice",
      // YAML reads 1.0 without quotes as 1.
      choices: [...versions, "1"],
      default: "1.1",
      doc: "Version of PSCI (1 is 1.0); with 0.1 the device tree tells the functions' numbers.",
    },
    suspend: {
      kind: "choice",
      choices: ["standby", "powerdown"],
      default: "standby",
      doc: "What CPU_SUSPEND of a power-down state does: standby keeps the context, powerdown loses it, timers included.",
    },
    power_up: {
      kind: "duration",
      default: 0,
      min: 0,
      doc: "Time from CPU_ON to the vCPU's first instruction; meanwhile it is ON_PENDING.",
    },
  },
  provides: [PowerControl],
  state: initialState,
  resources(options, context) {
    checkConduit(options, context);
    return { deviceTree: [{ under: "/", nodes: [node(options)] }] };
  },
  attach,
});

function versionOf({ version }: PsciOptions): PsciVersion {
  return version === "1" ? "1.0" : version;
}

function attach(context: DomainContext<PsciOptions, PowerState>): void {
  const { options, state, board, domain, clock, exceptions, provide, onRun, trace } = context;
  const version = versionOf(options);
  const timers = domain.vcpus.map((vcpu) => clock.timer(`power up ${vcpu.index}`, () => start(vcpu)));
  const start = (vcpu: Vcpu) => {
    const pending = state.pending[vcpu.index];
    delete state.pending[vcpu.index];
    if (pending !== undefined && vcpu.power === "off") vcpu.start(pending.entry, pending.contextId);
  };
  const startLater = (vcpu: Vcpu, pending: PendingStart) => {
    state.pending[vcpu.index] = pending;
    timers[vcpu.index].arm(clock.nowNs + options.power_up);
  };
  const suspender = new Suspender({
    state,
    powerDown: options.suspend,
    nowNs: () => clock.nowNs,
    wakeRequest: (vcpu) => context.find(Interrupts)?.wakeRequest?.(vcpu.index) ?? false,
    // By a timer: this is called on the way into the guest, when it is too late to change what the hardware holds.
    resume(vcpu, entry, contextId) {
      vcpu.stop();
      startLater(vcpu, { why: "resume", entry, contextId });
    },
  });
  const controller = new PowerController({
    domain,
    version,
    state,
    suspender,
    trace,
    powerUp(vcpu, entry, contextId) {
      if (options.power_up === 0) vcpu.start(entry, contextId);
      else startLater(vcpu, { why: "on", entry, contextId });
    },
  });
  onRun({
    entry: (vcpu) => suspender.look(vcpu),
    reset: (vcpu) => void delete state.suspended[vcpu.index],
  });
  const conduits = [options.conduit];
  for (const [from, to] of psciRanges) exceptions.claimCalls(from, to, conduits, (call) => controller.call(call));
  const answered = context.find(Calls) !== undefined || hasCalls(board, domain.spec);
  if (!answered && isAtLeast(version, "1.0")) claimArchitectureCalls(exceptions, conduits);
  provide(PowerControl, { method: options.conduit });
}

/** Devicetree binding "arm,psci". */
function node(options: PsciOptions): DeviceTreeNode {
  const version = versionOf(options);
  const compatible = version === "0.1" ? "arm,psci" : version === "0.2" ? "arm,psci-0.2" : ["arm,psci-1.0", "arm,psci-0.2"];
  const numbers = version === "0.1"
    ? Object.entries(properties01).map(([name, id]): [string, DeviceTreeValue] => [name, { cells: [id] }])
    : [];
  return {
    name: "psci",
    properties: { compatible: { text: compatible }, method: { text: options.conduit }, ...Object.fromEntries(numbers) },
  };
}

/** A CPU that neither has EL3 nor lets EL2 trap SMC can't call by it. Told once: where the manifest says it, not in every domain. */
function checkConduit({ conduit }: PsciOptions, { board, domain }: ResourceContext): void {
  if (conduit !== "smc" || !isSmcUndefined(board)) return;
  const isBoards = board.plugins.some(({ plugin }) => plugin === psci);
  if (isBoards && domain !== undefined) return;
  throw new OptionError("conduit", "SMC is UNDEFINED on this CPU, whose el3 is absent_undefined: the conduit can only be hvc");
}

function isSmcUndefined({ plugins }: Board): boolean {
  return plugins.some(({ plugin, options }) =>
    options.el3 === "absent_undefined" && plugin.provides?.some((key) => key.name === CpuEngine.name)
  );
}

export default psci;
