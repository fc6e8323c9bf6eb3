/**
 * PSCI 1.1 and SMCCC 1.1: the guest powers its vCPUs up and down, and switches itself off, by HVC or SMC.
 * @module
 */
import { definePlugin } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { PowerControl } from "./contract.ts";
import { architectureCall, architectureRanges, PowerController, psciRanges } from "./power.ts";

/** Options. */
export interface PsciOptions {
  readonly conduit: "hvc" | "smc";
}

/** The plugin. */
export const psci: Plugin<PsciOptions, undefined> = definePlugin<PsciOptions, undefined>({
  name: "psci",
  doc: "PSCI 1.1: starts and stops vCPUs, powers the domain off or resets it.",
  options: {
    conduit: {
      kind: "choice",
      choices: ["hvc", "smc"],
      default: "hvc",
      doc: "Instruction by which the guest calls; the device tree says it to the guest.",
    },
  },
  provides: [PowerControl],
  resources: ({ conduit }) => ({
    deviceTree: [{
      under: "/",
      nodes: [{
        name: "psci",
        properties: {
          compatible: { text: ["arm,psci-1.0", "arm,psci-0.2"] },
          method: { text: conduit },
        },
      }],
    }],
  }),
  attach({ options, domain, exceptions, provide }) {
    const controller = new PowerController(domain);
    const conduits = [options.conduit];
    for (const [from, to] of psciRanges) exceptions.claimCalls(from, to, conduits, (call) => controller.call(call));
    for (const [from, to] of architectureRanges) exceptions.claimCalls(from, to, conduits, architectureCall);
    provide(PowerControl, { method: options.conduit });
  },
});

export default psci;
