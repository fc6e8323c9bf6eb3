/** GDB's names for what a machine has: a domain is a process, a vCPU a thread of it. */
import type { Domain, Machine, Vcpu } from "../../core/mod.ts";

/** Which threads a packet speaks of. -1: all, 0: any. */
export interface ThreadName {
  readonly process: number;
  readonly thread: number;
}

/** Process IDs count domains in the order in which they were seen first, and stay over reboots; thread IDs are a vCPU's index plus one. */
export class Threads {
  /** The peer knows processes: threads are `p1.2`. Else domains beyond the first have threads from 257, 513 on. */
  multiprocess = false;
  readonly #names: string[] = [];

  constructor(readonly machine: Pick<Machine, "domains">) {}

  /** Domains by process ID. */
  get processes(): ReadonlyMap<number, Domain> {
    const { domains } = this.machine;
    for (const { name } of domains) if (!this.#names.includes(name)) this.#names.push(name);
    return new Map(domains.map((domain) => [this.processOf(domain), domain]));
  }

  processOf({ name }: Domain): number {
    const index = this.#names.indexOf(name);
    return index >= 0 ? index + 1 : this.#names.push(name);
  }

  /** `p1.2`. */
  nameOf(vcpu: Vcpu): string {
    const process = this.processOf(vcpu.domain);
    const thread = vcpu.index + 1;
    return this.multiprocess ? `p${process.toString(16)}.${thread.toString(16)}` : ((process - 1) * 256 + thread).toString(16);
  }

  /** The counterpart of {@linkcode nameOf}, with -1 and 0; `undefined` for anything else. */
  parse(text: string): ThreadName | undefined {
    const found = /^(?:p(-1|[0-9a-f]{1,8})(?:\.|$))?(-1|[0-9a-f]{1,8})?$/i.exec(text);
    if (!found || text === "") return undefined;
    const value = (digits: string) => digits === "-1" ? -1 : parseInt(digits, 16);
    const [, process, thread] = found;
    if (process !== undefined) return { process: value(process), thread: thread === undefined ? -1 : value(thread) };
    const all = value(thread);
    return all <= 0 ? { process: all, thread: all } : { process: (all - 1 >>> 8) + 1, thread: (all - 1 & 255) + 1 };
  }

  /** The vCPU of a name, or the first that it fits. */
  find({ process, thread }: ThreadName): Vcpu | undefined {
    for (const [id, { vcpus }] of this.processes) {
      if (process > 0 && id !== process) continue;
      const vcpu = thread > 0 ? vcpus[thread - 1] : vcpus[0];
      if (vcpu) return vcpu;
    }
    return undefined;
  }

  /** True when a name speaks of a vCPU. */
  fits({ process, thread }: ThreadName, vcpu: Vcpu): boolean {
    return (process <= 0 || process === this.processOf(vcpu.domain)) && (thread <= 0 || thread === vcpu.index + 1);
  }
}
