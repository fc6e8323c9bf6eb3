/** Which exits to EL2 a run had most, by what the guest wanted and the function that wanted it. */
import type { CpuEngine, Vcpu } from "../../core/mod.ts";
import { exitOf } from "./exit_event.ts";
import type { Listener } from "./probe.ts";

/** Lines of the summary. */
const MOST = 15;

/** Counts exits. */
export class HotExits implements Listener {
  readonly #counts = new Map<string, { readonly name: string; readonly domain: string; readonly pc: bigint; count: number }>();
  #total = 0;

  exit(vcpu: Vcpu, _atNs: number, engine: CpuEngine, deviceAt: (ipa: number) => string | undefined): void {
    const { name } = exitOf(vcpu, engine, deviceAt);
    const { pc } = vcpu.state;
    const domain = vcpu.domain.name;
    this.#total++;
    const known = this.#counts.get(`${domain} ${pc} ${name}`);
    if (known) known.count++;
    else this.#counts.set(`${domain} ${pc} ${name}`, { name, domain, pc, count: 1 });
  }

  /** As text, most first; places in one function are one. */
  summary(functionOf: (domain: string, va: bigint) => string | undefined): string {
    const sums = new Map<string, number>();
    for (const { name, domain, pc, count } of this.#counts.values()) {
      const line = `${name}  by ${domain} in ${functionOf(domain, pc) ?? `0x${pc.toString(16)}`}`;
      sums.set(line, (sums.get(line) ?? 0) + count);
    }
    const lines = [...sums].sort((a, b) => b[1] - a[1]).slice(0, MOST).map(([line, count]) => {
      const share = `${(count / this.#total * 100).toFixed(1)} %`;
      return `${String(count).padStart(12)}  ${share.padStart(7)}  ${line}`;
    });
    return [`exits to EL2, ${this.#total} in all:`, ...lines].join("\n");
  }
}
