/** The hypervisor's side of physical CPUs in threads of their own. */
import type { Exit, ParallelCpus, PhysicalBus, Returned, Round, VcpuState } from "../../../../core/mod.ts";
import { areaSizes } from "../areas.ts";
import type { CpuOptions } from "../cpu_options.ts";
import type { Cpu } from "../cpu.ts";
import type { A64Vcpu } from "../vcpu.ts";
import { attentionSize, attentionWords, Call, Control, exitKinds, LogKind, LOOP_WORDS, Own, Shared, State } from "./control.ts";
import { codePagesFor, type WorkerReply, type WorkerStart } from "./start.ts";

const WASM_PAGE = 65536;
/** Looks before it sleeps, and how long it sleeps at most, in milliseconds. */
const SPINS = 100, NAP_MS = 20;

/** What one CPU is doing. */
interface Lane {
  readonly worker: Worker;
  /** Offset of its state block in the memory. */
  readonly block: number;
  vcpu: A64Vcpu | undefined;
  /** It came back when somebody needed its registers; {@linkcode ParallelCpus.wait} tells later. */
  returned: Returned | undefined;
}

/** All of them. */
export class Parallel implements ParallelCpus {
  readonly control: Control;
  readonly #frames: Int32Array<SharedArrayBuffer>;
  readonly #lanes: Lane[] = [];
  #doorbell = 0;

  /** @param attention address of the CPUs' words of attention */
  private constructor(readonly cpu: Cpu, readonly cpus: number, readonly bus: PhysicalBus, attention: number) {
    this.control = new Control(cpus, attentionWords(cpu.block.bytes.buffer, attention, cpus));
    const frames = cpu.block.bytes.length >>> 12;
    this.#frames = new Int32Array(new SharedArrayBuffer(frames * 4));
  }

  /** Starts the threads. Throws when one doesn't come up. */
  static async start(cpu: Cpu, options: Omit<CpuOptions, "sendEvent">, cpus: number): Promise<Parallel> {
    const attention = options.memory.reserve(attentionSize(cpus));
    const parallel = new Parallel(cpu, cpus, options.bus, attention);
    const { memory, model, counterFrequencyHz, smc, tier1 = "off" } = options;
    const pages = codePagesFor(cpus);
    const frames = memory.touched.length;
    const areaSize = areaSizes(cpu.stateSize, pages, frames, tier1).reduce((sum, size) => sum + Math.ceil(size / WASM_PAGE) * WASM_PAGE, 0);
    const lock = memory.reserve(8);
    const ready: Promise<void>[] = [];
    for (let index = 0; index < cpus; index++) {
      const area = memory.reserve(areaSize);
      const worker = new Worker(new URL("./main.ts", import.meta.url), { type: "module", name: `cpu ${index}` });
      parallel.#lanes.push({ worker, block: area, vcpu: undefined, returned: undefined });
      ready.push(isUp(worker, index, options));
      const start: WorkerStart = {
        cpu: index,
        cpus,
        memory: memory.wasm,
        banks: memory.banks,
        touched: memory.touched,
        area,
        lock,
        attention,
        control: parallel.control.buffer,
        frames: parallel.#frames.buffer,
        model,
        counterFrequencyHz,
        smc,
        tier1,
      };
      worker.postMessage(start);
    }
    try {
      await Promise.all(ready);
    } catch (error) {
      parallel.stop();
      throw error;
    }
    return parallel;
  }

  /** Ends the threads. */
  stop(): void {
    this.#lanes.forEach(({ worker }, index) => {
      this.control.kick(index);
      this.control.wake(index, Own.STATE, State.quit);
      this.control.wake(index, Own.CALL, Call.again);
      worker.terminate();
    });
  }

  beginRound({ startNs, nsPerInstruction, limit }: Round): void {
    const { control } = this;
    for (let cpu = 0; cpu < this.cpus; cpu++) control.set(cpu, Own.POSITION, 0);
    control.floats[Shared.ROUND_NS / 2] = startNs;
    control.floats[Shared.NS_PER_INSTRUCTION / 2] = nsPerInstruction;
    this.limit = limit;
  }

  get position(): number {
    return this.control.position;
  }

  get limit(): number {
    return this.control.limit;
  }

  set limit(position: number) {
    this.control.limit = position;
  }

  isBusy(cpu: number): boolean {
    const { vcpu, returned } = this.#lanes[cpu];
    return vcpu !== undefined || returned !== undefined;
  }

  start(index: number, state: VcpuState, position: number): void {
    const { control, cpu } = this;
    const vcpu = state as A64Vcpu;
    const lane = this.#lanes[index];
    if (this.isBusy(index)) throw new Error(`CPU ${index} has a vCPU already`);
    if (cpu.vcpu === vcpu.number) cpu.occupancy.vacate();
    cpu.block.bytes.set(vcpu.saved, lane.block);
    control.setLoop(index, vcpu.loop ?? new Array(LOOP_WORDS).fill(0));
    lane.vcpu = vcpu;
    vcpu.recall = () => this.recall(index);
    control.set(index, Own.VCPU, vcpu.number);
    control.floats[control.own(index, Own.BEFORE) / 2] = vcpu.retired;
    control.set(index, Own.POSITION, position);
    control.set(index, Own.KICK, 0);
    control.wake(index, Own.STATE, State.run);
  }

  kick(index: number): void {
    this.control.kick(index);
  }

  wait(): Returned | undefined {
    const { control } = this;
    for (let spin = 0;; spin++) {
      for (let index = 0; index < this.cpus; index++) {
        const lane = this.#lanes[index];
        const { returned } = lane;
        if (returned) {
          lane.returned = undefined;
          return returned;
        }
        if (control.get(index, Own.CALL) === Call.asked) {
          this.#call(index);
          return undefined;
        }
        if (lane.vcpu && control.get(index, Own.STATE) === State.done) return this.#take(index);
      }
      if (spin < SPINS) continue;
      const doorbell = Atomics.load(control.words, Shared.DOORBELL);
      if (doorbell !== this.#doorbell) {
        this.#doorbell = doorbell;
        continue;
      }
      if (Atomics.wait(control.words, Shared.DOORBELL, doorbell, NAP_MS) === "timed-out") return undefined;
    }
  }

  recall(index: number): void {
    const { control } = this;
    const lane = this.#lanes[index];
    if (lane.vcpu === undefined) return;
    this.kick(index);
    for (;;) {
      const doorbell = Atomics.load(control.words, Shared.DOORBELL);
      if (control.get(index, Own.STATE) !== State.run) break;
      if (control.get(index, Own.CALL) === Call.asked) control.wake(index, Own.CALL, Call.again);
      Atomics.wait(control.words, Shared.DOORBELL, doorbell, 1);
    }
    lane.returned = this.#take(index);
  }

  /** Takes a vCPU's registers back from where its CPU has left them. */
  #take(index: number): Returned {
    const { control, cpu } = this;
    const lane = this.#lanes[index];
    const vcpu = lane.vcpu!;
    lane.vcpu = undefined;
    vcpu.recall = undefined;
    control.set(index, Own.STATE, State.idle);
    vcpu.saved.set(cpu.block.bytes.subarray(lane.block, lane.block + cpu.stateSize));
    vcpu.loop = control.loop(index);
    const retired = control.get(index, Own.RETIRED);
    vcpu.retired += retired;
    cpu.counter.writes += control.get(index, Own.TIMER_WRITES);
    return { cpu: index, vcpu, exit: this.#exit(index), retired };
  }

  #exit(index: number): Exit {
    const { control } = this;
    const kind = exitKinds[control.get(index, Own.EXIT)];
    switch (kind) {
      case "WFI":
      case "WFE":
        return { kind: "wait", instruction: kind };
      case "fault-loop": {
        const esr = control.longs[control.own(index, Own.VALUE) / 2];
        const pc = control.longs[control.own(index, Own.ADDRESS) / 2];
        return { kind, detail: control.text(index), origin: esr === 0n ? undefined : { pc, esr } };
      }
      case "failed":
        throw new Error(`CPU ${index}: ${control.text(index)}`);
      default:
        return { kind };
    }
  }

  /** Makes an access to a device for a CPU. */
  #call(index: number): void {
    const { control } = this;
    const pa = control.floats[control.own(index, Own.ADDRESS) / 2];
    const data = control.own(index, Own.VALUE) / 2;
    const size = control.get(index, Own.SIZE);
    const owner = this.bus.find(pa);
    let answer: number = Call.answered;
    if (owner === undefined) answer = Call.nobody;
    else if (owner.handler === this.cpu.gicv) {
      control.floats[control.own(index, Own.ADDRESS) / 2] = pa - owner.at;
      answer = Call.own;
    } else if (control.get(index, Own.WRITES)) owner.handler.write(pa - owner.at, size, control.longs[data]);
    else control.longs[data] = BigInt(owner.handler.read(pa - owner.at, size));
    // A handler that looked at the CPU's registers has refused the access: it comes again.
    Atomics.compareExchange(control.words, control.own(index, Own.CALL), Call.asked, answer);
    Atomics.notify(control.words, control.own(index, Own.CALL));
  }

  /** Tells all CPUs that host code wrote frames, of which some hold decoded code. */
  memoryWritten(host: number): void {
    if (Atomics.load(this.#frames, host >>> 12) !== 0) this.control.log(LogKind.code, host >>> 12);
  }

  /** A vCPU's TLB entries are to go. */
  forgetVcpu(vcpu: number): void {
    this.control.log(LogKind.vcpu, vcpu);
  }

  /** Stage 2 of a VMID changed, or of all. When it returns, no CPU uses what was before. */
  invalidateTlb(vmid?: number): void {
    // CPUs that wait for an access are not in the guest: nobody waits for them.
    this.control.awaitLog(this.control.log(LogKind.vmid, vmid ?? -1), -1, () => {});
  }
}

function isUp(worker: Worker, index: number, { uncompiled }: Pick<CpuOptions, "uncompiled">): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      if (data.kind === "ready") resolve();
      else if (data.kind === "uncompiled") uncompiled?.(() => `CPU ${index}: ${data.text}`);
      else reject(new Error(`the thread of CPU ${index} failed: ${data.text}`));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`the thread of CPU ${index} didn't start: ${event.message}`));
    };
  });
}
