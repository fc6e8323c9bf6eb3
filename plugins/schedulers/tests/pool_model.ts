/** A pool of physical CPUs without any CPU: vCPUs that wake and sleep at random, and a policy that is asked as the scheduler asks it. */
import { assert } from "@std/assert";
import type { Schedulable, SchedulerPolicy } from "../../../core/mod.ts";
import type { Random } from "../../../tests/support/random.ts";

/** A vCPU of the model. */
export class ModelVcpu implements Schedulable {
  awake = false;
  cpu: number | undefined;
  ranNs = 0;
  /** Since when it is awake and has no CPU. */
  waitsSinceNs = 0;
  longestWaitNs = 0;

  constructor(readonly id: number, readonly domain: string, readonly index: number, readonly cpus: readonly number[]) {}

  get runnable(): boolean {
    return this.awake && this.cpu === undefined;
  }
}

interface ModelCpu {
  readonly index: number;
  vcpu: ModelVcpu | undefined;
  sinceNs: number;
  endNs: number;
}

/** Runs a policy. */
export class PoolModel {
  nowNs = 0;
  decisions = 0;
  readonly vcpus: ModelVcpu[] = [];
  readonly cpus: ModelCpu[];
  #nextId = 0;

  constructor(readonly policy: SchedulerPolicy, cpus: number, readonly workConserving: boolean) {
    this.cpus = Array.from({ length: cpus }, (_, index) => ({ index, vcpu: undefined, sinceNs: 0, endNs: 0 }));
  }

  add(domain: string, index = 0, cpus: readonly number[] = this.cpus.map((cpu) => cpu.index)): ModelVcpu {
    const vcpu = new ModelVcpu(this.#nextId++, domain, index, cpus);
    this.vcpus.push(vcpu);
    this.policy.insert(vcpu);
    return vcpu;
  }

  remove(vcpu: ModelVcpu): void {
    if (vcpu.awake) this.sleep(vcpu);
    this.vcpus.splice(this.vcpus.indexOf(vcpu), 1);
    this.policy.remove(vcpu);
  }

  wake(vcpu: ModelVcpu): void {
    if (vcpu.awake) return;
    vcpu.awake = true;
    vcpu.waitsSinceNs = this.nowNs;
    this.policy.wake(vcpu);
    this.#ask(this.cpus);
  }

  sleep(vcpu: ModelVcpu): void {
    if (!vcpu.awake) return;
    const cpu = this.cpus.find((candidate) => candidate.vcpu === vcpu);
    if (cpu) this.#release(cpu);
    vcpu.awake = false;
    this.policy.sleep(vcpu);
    if (cpu) this.#decide(cpu);
  }

  yield(vcpu: ModelVcpu): void {
    const cpu = this.cpus.find((candidate) => candidate.vcpu === vcpu);
    if (cpu === undefined) return;
    this.#release(cpu);
    this.policy.yield(vcpu);
    this.#decide(cpu);
  }

  /** The policy was told something that changes its mind. */
  askAll(): void {
    this.#ask(this.cpus);
  }

  /** Lets time pass, with decisions where slices end. */
  runFor(ns: number): void {
    const untilNs = this.nowNs + ns;
    while (this.nowNs < untilNs) {
      this.#ask(this.cpus.filter(({ endNs }) => endNs <= this.nowNs));
      this.nowNs = Math.min(untilNs, ...this.cpus.map(({ endNs }) => endNs));
      // As on the machine, the policy hears of time that was used before it is asked again, on whatever CPU.
      for (const cpu of this.cpus) this.#tell(cpu);
    }
  }

  /** Runs `steps` random things: somebody wakes, sleeps or yields, or time passes. */
  shake(steps: number, random: Random, mostNs: number): void {
    for (let step = 0; step < steps; step++) {
      const vcpu = this.vcpus[random.below(this.vcpus.length)];
      switch (random.below(5)) {
        case 0:
          this.wake(vcpu);
          break;
        case 1:
          this.sleep(vcpu);
          break;
        case 2:
          this.yield(vcpu);
          break;
        default:
          this.runFor(1 + random.below(mostNs));
      }
      this.#check();
    }
  }

  /** Who leaves one CPU may be wanted on another that was asked before. */
  #ask(cpus: readonly ModelCpu[]): void {
    for (const cpu of cpus) this.#decide(cpu);
    for (const cpu of this.cpus) {
      if (cpu.vcpu === undefined && this.vcpus.some((vcpu) => vcpu.runnable && vcpu.cpus.includes(cpu.index))) this.#decide(cpu);
    }
    if (!this.workConserving) return;
    for (const { index, vcpu } of this.cpus) {
      const idle = vcpu ? undefined : this.vcpus.find((other) => other.runnable && other.cpus.includes(index));
      assert(idle === undefined, `CPU ${index} idles at ${this.nowNs} while ${idle?.domain} ${idle?.index} could run`);
    }
  }

  #decide(cpu: ModelCpu): void {
    this.#release(cpu);
    this.decisions++;
    const { vcpu, sliceNs } = this.policy.decide(cpu.index, this.nowNs);
    assert(sliceNs >= 1e-3, `a slice of ${sliceNs} ns`);
    cpu.endNs = this.nowNs + Math.max(1, Math.ceil(sliceNs));
    cpu.sinceNs = this.nowNs;
    if (vcpu === undefined) return;
    const chosen = vcpu as ModelVcpu;
    assert(this.vcpus.includes(chosen), "a vCPU that left");
    assert(chosen.awake, "a vCPU that sleeps");
    assert(chosen.cpu === undefined, "a vCPU that runs elsewhere");
    assert(chosen.cpus.includes(cpu.index), "a vCPU that may not run there");
    cpu.vcpu = chosen;
    chosen.cpu = cpu.index;
    chosen.longestWaitNs = Math.max(chosen.longestWaitNs, this.nowNs - chosen.waitsSinceNs);
  }

  #tell(cpu: ModelCpu): void {
    const ns = this.nowNs - cpu.sinceNs;
    cpu.sinceNs = this.nowNs;
    if (cpu.vcpu === undefined || ns === 0) return;
    cpu.vcpu.ranNs += ns;
    this.policy.ran(cpu.vcpu, ns);
  }

  #release(cpu: ModelCpu): void {
    this.#tell(cpu);
    if (cpu.vcpu === undefined) return;
    cpu.vcpu.cpu = undefined;
    cpu.vcpu.waitsSinceNs = this.nowNs;
    cpu.vcpu = undefined;
  }

  #check(): void {
    const running = this.cpus.flatMap(({ vcpu }) => vcpu ? [vcpu] : []);
    assert(new Set(running).size === running.length, "a vCPU is on two CPUs");
    for (const vcpu of running) assert(vcpu.awake, "a vCPU runs that sleeps");
    for (const vcpu of this.vcpus) {
      if (vcpu.runnable) vcpu.longestWaitNs = Math.max(vcpu.longestWaitNs, this.nowNs - vcpu.waitsSinceNs);
    }
  }
}
