/** `monitor`: what GDB has no words for. */
import type { Debugger, Machine, Vcpu } from "../../core/mod.ts";
import { hex } from "../../core/mod.ts";
import { fromHex, toHex } from "./packets.ts";
import type { Register } from "./registers.ts";

/** What commands work on. */
export interface MonitorView {
  readonly host: { readonly history: { readonly machine: Machine }; quit(): void };
  readonly debug: Debugger;
  readonly registers: readonly Register[];
  readonly vcpu: Vcpu | undefined;
  isPhysical: boolean;
}

interface Command {
  /** Arguments, as the help shows them. */
  readonly usage: string;
  readonly doc: string;
  run(view: MonitorView, args: readonly string[]): string;
}

const commands: Readonly<Record<string, Command>> = {
  help: { usage: "", doc: "what there is", run: () => help() },
  ps: { usage: "", doc: "domains and what their vCPUs do", run: ({ host }) => host.history.machine.describe() },
  position: {
    usage: "",
    doc: "virtual time, and instructions that all vCPUs have executed",
    run: ({ host, debug }) => `${(host.history.machine.nowNs / 1e9).toFixed(9)} s, ${debug.position} instructions`,
  },
  exits: { usage: "", doc: "exits to the hypervisor so far, by kind", run: ({ host }) => counts(host.history.machine.stats.exits) },
  trace: { usage: "", doc: "trace events so far, by kind", run: ({ host }) => counts(host.history.machine.stats.traced) },
  regs: {
    usage: "[TEXT]",
    doc: "the vCPU's system registers that aren't zero; or those with this in their names",
    run: ({ vcpu, registers }, [text]) => {
      if (vcpu === undefined) return "there is no vCPU";
      const rows = registers.filter(({ feature }) => feature === "system").map((register) => [register.name, register.read(vcpu)] as const);
      const wanted = rows.filter(([name, value]) => text === undefined ? value !== 0n : name.toLowerCase().includes(text.toLowerCase()));
      return wanted.map(([name, value]) => `${name.padEnd(18)} ${hex(value)}`).join("\n");
    },
  },
  map: {
    usage: "",
    doc: "the domain's RAM, and where it lies in the machine's",
    run: ({ vcpu }) =>
      vcpu?.domain.ram.map(({ at, size }) => `${hex(at)} to ${hex(at + size - 1)}: RAM at ${hex(vcpu.domain.space.lookup(at)?.pa ?? 0)}`)
        .join("\n") ?? "there is no vCPU",
  },
  translate: {
    usage: "ADDRESS",
    doc: "what the vCPU's virtual address becomes: the guest's physical one",
    run: ({ vcpu, debug }, [text]) => {
      const address = parse(text);
      if (vcpu === undefined || address === undefined) return "want an address, such as 0xffff800080000000";
      const found = debug.environment.engine.translate?.(vcpu.state, address, false);
      return found ? `${hex(found.ipa)}, in the machine's RAM ${hex(found.pa)}` : "it isn't mapped";
    },
  },
  phys: {
    usage: "on|off",
    doc: "memory, breakpoints and watchpoints from now on by the guest's physical addresses",
    run: (view, [text]) => {
      if (text === "on" || text === "off") view.isPhysical = text === "on";
      return `addresses are ${view.isPhysical ? "the guest's physical ones" : "virtual"}`;
    },
  },
  reset: {
    usage: "",
    doc: "the vCPU's domain starts over",
    run: ({ vcpu }) => {
      vcpu?.domain.end({ kind: "reboot", cause: "a debugger" });
      return vcpu ? `${vcpu.domain.name} starts over when it goes on` : "there is no vCPU";
    },
  },
  quit: {
    usage: "",
    doc: "ends the run",
    run: ({ host }) => {
      host.quit();
      return "the run ends";
    },
  },
};

function help(): string {
  return Object.entries(commands).map(([name, { usage, doc }]) => `${`${name} ${usage}`.padEnd(20)} ${doc}`).join("\n");
}

function counts(by: ReadonlyMap<string, number>): string {
  return [...by].sort((a, b) => b[1] - a[1]).map(([kind, count]) => `${String(count).padStart(10)}  ${kind}`).join("\n") || "none";
}

function parse(text: string | undefined): bigint | undefined {
  return text !== undefined && /^(0x[0-9a-f]{1,16}|\d{1,19})$/i.test(text) ? BigInt(text) : undefined;
}

/** Answers `qRcmd`, whose text is in hexadecimal. */
export function monitor(view: MonitorView, text: string): string {
  const bytes = fromHex(text);
  if (bytes === undefined) return "E22";
  const [name = "help", ...args] = new TextDecoder().decode(bytes).trim().split(/\s+/).filter(Boolean);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const answer = command ? command.run(view, args) : `there is no ${name}; monitor help says what there is`;
  return toHex(new TextEncoder().encode(`${answer}\n`));
}
