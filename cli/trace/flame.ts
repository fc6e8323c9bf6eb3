/** Where a guest's instructions go, by who called whom: samples of PC and frame pointers, folded as flame graph tools read them. */
import type { Vcpu } from "../../core/mod.ts";
import type { Listener } from "./probe.ts";

/** Instructions from one sample to the next: a prime, or loops would be met at the same place each time. */
const PERIOD = 10_007;

/** Return addresses of a vCPU, innermost first. */
export type Callers = (vcpu: Vcpu) => readonly bigint[];
/** The function that an address lies in. */
export type FunctionOf = (domain: string, va: bigint) => string | undefined;

/** Takes samples. */
export class Flame implements Listener {
  readonly every = PERIOD;
  readonly #samples = new Map<string, number>();

  constructor(readonly callers: Callers) {}

  step(vcpu: Vcpu): void {
    const { state } = vcpu;
    const isUser = (state.pstate >> 2n & 3n) === 0n;
    // Programs without frame pointers are the rule: what they keep in X29 leads nowhere.
    const stack = isUser ? [state.pc] : [state.pc, ...this.callers(vcpu)];
    const key = `${vcpu.domain.name} ${isUser ? "EL0" : "EL1"} ${stack.map((va) => va.toString(16)).join(" ")}`;
    this.#samples.set(key, (this.#samples.get(key) ?? 0) + 1);
  }

  /** Folded: `linux;kernel_init;panic 12` in each line, with the number of samples. */
  folded(functionOf: FunctionOf): string {
    const stacks = new Map<string, number>();
    for (const [key, count] of this.#samples) {
      const [domain, level, ...addresses] = key.split(" ");
      const names = addresses.map((text, depth) => nameOf(domain, level, BigInt(`0x${text}`), depth, functionOf));
      const line = [domain, ...names.reverse()].join(";");
      stacks.set(line, (stacks.get(line) ?? 0) + count);
    }
    return [...stacks].sort(([a], [b]) => a < b ? -1 : 1).map(([stack, count]) => `${stack} ${count}\n`).join("");
  }
}

function nameOf(domain: string, level: string, va: bigint, depth: number, functionOf: FunctionOf): string {
  // A return address may lie behind the function's end, when the call was its last instruction.
  const found = functionOf(domain, depth === 0 ? va : va - 4n);
  if (found !== undefined) return found.replaceAll(";", ":");
  return level === "EL0" ? "[EL0]" : `0x${va.toString(16)}`;
}
