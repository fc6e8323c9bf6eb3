/** What a vCPU was doing and what it waited for: its place with names, its timers, the interrupts that it doesn't take, and who called it. */
import { hex } from "../memory/address.ts";
import type { CpuEngine, FaultOrigin } from "../arch/cpu_engine.ts";
import type { Interrupts } from "../arch/interrupts.ts";
import { calls, readVirtual } from "./backtrace.ts";
import type { FrameSources } from "./backtrace.ts";
import type { Domain, Vcpu } from "./domain.ts";
import type { MachineEnvironment } from "./machine_types.ts";
import { guestPstate, register, vcpuLine, vcpuReport } from "./report.ts";

/** What reports are made of. */
export interface ReportSources extends FrameSources {
  readonly engine: CpuEngine;
  readonly nowNs: number;
  interruptsOf(domain: Domain): Interrupts | undefined;
  /** The function that an address of a domain lies in: `cpu_do_idle+0x8`. */
  symbolOf?: MachineEnvironment["symbolOf"];
}

/** Callers that a report names. */
const CALLERS = 12;

interface Timer {
  readonly name: string;
  readonly control: string;
  readonly compare: string;
  /** What its counter is behind the system counter. */
  readonly offset?: string;
}

/** The timers that a guest has. Arm ARM DDI 0487, "The Generic Timer in AArch64 state". */
const timers: readonly Timer[] = [
  { name: "virtual", control: "CNTV_CTL_EL0", compare: "CNTV_CVAL_EL0", offset: "CNTVOFF_EL2" },
  { name: "physical", control: "CNTP_CTL_EL0", compare: "CNTP_CVAL_EL0" },
];

/** Makes reports. */
export class Reporter {
  constructor(readonly sources: () => ReportSources) {}

  /** Lines for each vCPU of the domains. */
  vcpus(domains: readonly Domain[]): string {
    return domains.flatMap((domain) => domain.vcpus.flatMap((vcpu) => this.#vcpu(vcpu))).map((line) => `  ${line}`).join("\n");
  }

  /** Of a vCPU that can't go on. */
  crash(vcpu: Vcpu, what: string, before: readonly string[], origin?: FaultOrigin): string {
    const name = (va: bigint) => this.#name(vcpu, va);
    return [vcpuReport(vcpu, what, before, origin, name), ...this.#calls(vcpu).map((line) => `  ${line}`)].join("\n");
  }

  #vcpu(vcpu: Vcpu): string[] {
    const line = vcpuLine(vcpu, (va) => this.#name(vcpu, va));
    if (vcpu.power === "off") return [line];
    return [line, ...[...this.#timers(vcpu), ...this.#interrupts(vcpu), ...this.#calls(vcpu)].map((more) => `    ${more}`)];
  }

  #name(vcpu: Vcpu, va: bigint): string | undefined {
    const sources = this.sources();
    return sources.symbolOf?.(vcpu.domain.name, va, (from, size) => readVirtual(vcpu, from, size, sources));
  }

  #timers(vcpu: Vcpu): string[] {
    const { engine, nowNs } = this.sources();
    const frequencyHz = engine.counterFrequencyHz;
    const texts = timers.flatMap(({ name, control, compare, offset }) => {
      const settings = register(vcpu, control);
      const at = register(vcpu, compare);
      if (settings === undefined || at === undefined) return [];
      if ((settings & 1n) === 0n) return [`${name} off`];
      const count = BigInt(Math.floor(nowNs * frequencyHz / 1e9)) - (offset === undefined ? 0n : register(vcpu, offset) ?? 0n);
      const left = Number(BigInt.asIntN(64, at - count)) / frequencyHz;
      const isMasked = (settings & 2n) !== 0n ? ", but its interrupt is masked (IMASK)" : "";
      return [left > 0 ? `${name} fires in ${time(left)}${isMasked}` : `${name} fired ${time(-left)} ago${isMasked}`];
    });
    return texts.length > 0 ? [`timers      ${texts.join("; ")}`] : [];
  }

  #interrupts(vcpu: Vcpu): string[] {
    const lines = this.sources().interruptsOf(vcpu.domain)?.report?.(vcpu.index);
    if (lines === undefined) return [];
    if (lines.length === 0) return ["interrupts  none pending or active"];
    const pstate = guestPstate(vcpu);
    const masks = [...(pstate >> 7n & 1n) !== 0n ? ["IRQ"] : [], ...(pstate >> 6n & 1n) !== 0n ? ["FIQ"] : []];
    return [`interrupts  ${lines[0]}`, ...lines.slice(1).map((line) => `            ${line}`)].concat(
      masks.length > 0 ? [`            PSTATE masks ${masks.join(" and ")}`] : [],
    );
  }

  #calls(vcpu: Vcpu): string[] {
    const sources = this.sources();
    const { callers, program } = calls(vcpu, sources);
    // A call may be its function's last instruction: what is behind it is another's.
    const names = (addresses: readonly bigint[]) => {
      const some = addresses.slice(0, CALLERS).map((va) => this.#name(vcpu, va - 4n) ?? hex(va));
      return [...some, ...addresses.length > CALLERS ? ["…"] : []].join(", ");
    };
    const lines = callers.length > 0 ? [`called by   ${names(callers)}`] : [];
    if (program === undefined) return lines;
    const { pc, callers: outer } = program;
    const symbol = this.#name(vcpu, pc);
    const place = symbol === undefined ? hex(pc) : `${hex(pc)} ${symbol}`;
    return [...lines, `program     at ${place}${outer.length > 0 ? `, called by ${names(outer)}` : ""}`];
  }
}

/** Seconds, readable. */
function time(seconds: number): string {
  if (seconds >= 1e6) return "more than 11 days";
  if (seconds >= 1) return `${seconds.toFixed(3)} s`;
  return seconds >= 1e-3 ? `${(seconds * 1e3).toFixed(3)} ms` : `${(seconds * 1e6).toFixed(1)} µs`;
}
