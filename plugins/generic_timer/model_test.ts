/**
 * Random use of every timer against a model that knows one sentence of the manual: the output is high while ENABLE is set, IMASK is
 * clear, and the count has reached the compare value, both unsigned. The registers are the CPU engine's own.
 */
import { assert, assertEquals } from "@std/assert";
import { Ram } from "../../core/memory/ram.ts";
import { VirtualClock } from "../../core/schedule/virtual_clock.ts";
import type { Vcpu } from "../../core/mod.ts";
import { timersOf } from "../cpu_a64/contract.ts";
import { A64Engine } from "../cpu_a64/engine/engine.ts";
import { type CpuModel, modelByName } from "../cpu_a64/sysregs/mod.ts";
import { createState, Timers } from "./timers.ts";

const WRAP = 2n ** 64n;
const VCPUS = 2;

/** Xorshift, 32 bits. */
function random(seed: number): (limit: number) => number {
  let x = seed * 2_654_435_761 >>> 0 || 1;
  return (limit) => {
    x ^= x << 13, x >>>= 0, x ^= x >>> 17, x ^= x << 5, x >>>= 0;
    return Math.floor(x / 2 ** 32 * limit);
  };
}

/** A timer as the manual has it. */
interface Model {
  readonly vcpu: number;
  readonly name: string;
  readonly el: string;
  readonly offset: bigint;
  enable: boolean;
  mask: boolean;
  cval: bigint;
  /** What the plugin put out: changes, in order. */
  readonly heard: { readonly ns: number; readonly level: boolean }[];
}

class Machine {
  clock = new VirtualClock();
  readonly engine: A64Engine;
  readonly vcpus: Vcpu[];

  constructor(readonly model: CpuModel, readonly hz: number) {
    this.engine = new A64Engine({
      memory: new Ram([{ at: 0x4000_0000, size: 0x1_0000 }]),
      bus: { claim() {}, find: () => undefined },
      model,
      counterFrequencyHz: hz,
      smc: "trap",
      nowNs: () => this.clock.nowNs,
    });
    this.vcpus = Array.from({ length: VCPUS }, (_, index) => ({ index, state: this.engine.createVcpu({ mpidr: BigInt(index) }) }) as Vcpu);
  }

  /** Random operations from a fresh power-up. Returns how often an output changed. */
  session(seed: number, operations: number, offset: bigint): number {
    const pick = random(seed);
    const { hz, engine, vcpus } = this;
    const clock = this.clock = new VirtualClock();
    clock.skipTo(pick(1000));
    const all = timersOf(this.model).filter(({ el }) => el !== "EL1");
    const models: Model[] = vcpus.flatMap(({ index }) =>
      all.map(({ prefix, el, isOffset }) => ({
        vcpu: index,
        name: prefix,
        el,
        offset: isOffset ? offset : 0n,
        enable: false,
        mask: false,
        cval: 0n,
        heard: [],
      }))
    );
    const timers = new Timers({
      state: createState(VCPUS, all.length),
      vcpus,
      timers: all,
      writes: () => engine.cpu.counter.writes,
      clock: clock.forInstance("test", (_, callback) => callback(), () => {}),
      frequencyHz: hz,
      offset,
      output(vcpu, { prefix }) {
        const { heard } = models.find((model) => model.vcpu === vcpu && model.name === prefix)!;
        return (level) => void heard.push({ ns: clock.nowNs, level });
      },
    });
    const countAt = (model: Model, ns: number) => ((BigInt(ns) * BigInt(hz)) / 1_000_000_000n - model.offset + WRAP) % WRAP;
    const levelAt = (model: Model, ns: number) => model.enable && !model.mask && countAt(model, ns) >= model.cval;
    const heardOf = (model: Model) => model.heard.at(-1)?.level ?? false;
    const powerUp = (v: number) => {
      vcpus[v].state.reset();
      vcpus[v].state.write("CNTVOFF_EL2", offset);
      for (const model of models) if (model.vcpu === v) Object.assign(model, { enable: false, mask: false, cval: 0n });
      timers.look(v);
    };
    const somewhere = (count: bigint): bigint => {
      switch (pick(8)) {
        case 0:
          return 0n;
        case 1:
          return WRAP - 1n;
        case 2:
          return BigInt.asUintN(64, count - BigInt(pick(100)));
        case 3:
          return BigInt(pick(2 ** 32)) << 32n | BigInt(pick(2 ** 32));
        case 4:
          return BigInt(pick(3)); // just after a wrap
        default:
          return BigInt.asUintN(64, count + BigInt(pick(60)));
      }
    };

    const program = (model: Model, what: number) => {
      const { state } = vcpus[model.vcpu];
      const register = (kind: string) => `${model.name}_${kind}_${model.el}`;
      const now = countAt(model, clock.nowNs);
      if (what === 0) {
        const value = pick(8);
        [model.enable, model.mask] = [(value & 1) !== 0, (value & 2) !== 0];
        state.write(register("CTL"), BigInt(value) | BigInt(pick(2)) << 40n);
      } else if (what === 1) {
        model.cval = somewhere(now);
        state.write(register("CVAL"), model.cval);
      } else if (what === 2) {
        const tval = pick(3) === 0 ? pick(2 ** 32) : pick(3) === 0 ? 2 ** 32 - pick(50) : pick(60);
        model.cval = (now + BigInt(tval >= 2 ** 31 ? tval - 2 ** 32 : tval) + WRAP) % WRAP;
        state.write(register("TVAL"), BigInt(tval) | BigInt(pick(4)) << 32n);
      } else {
        const istatus = model.enable && now >= model.cval ? 4n : 0n;
        assertEquals(state.read(register("CTL")), istatus | (model.mask ? 2n : 0n) | (model.enable ? 1n : 0n));
        assertEquals(state.read(register("CVAL")), model.cval);
        assertEquals(state.read(register("TVAL")), (model.cval - now + WRAP) % 2n ** 32n);
      }
      timers.look(model.vcpu);
    };

    const advance = (ns: number) => {
      const begin = clock.nowNs, end = begin + ns;
      const already = models.map(({ heard }) => heard.length);
      for (let next = clock.events.next; next !== undefined && next.ns <= end; next = clock.events.next) {
        clock.skipTo(next.ns);
        clock.events.takeDue(clock.nowNs)!.fire();
      }
      clock.skipTo(end);
      models.forEach((model, n) => {
        const changes = model.heard.slice(already[n]);
        // Each change at the first nanosecond at which it holds, neither early nor late.
        for (const { ns, level } of changes) {
          assertEquals([levelAt(model, ns - 1), levelAt(model, ns)], [!level, level], `${model.name} at ${ns}`);
        }
        // And none is missing: over short spans each nanosecond is looked at.
        if (ns > 100) return;
        let level = levelAt(model, begin);
        for (let at = begin + 1; at <= end; at++) {
          if (levelAt(model, at) === level) continue;
          level = !level;
          assertEquals(changes.shift(), { ns: at, level }, `${model.name} at ${at}`);
        }
        assertEquals(changes, []);
      });
    };

    vcpus.forEach((_, v) => powerUp(v));
    for (let n = 0; n < operations; n++) {
      const what = pick(100);
      if (what < 60) program(models[pick(models.length)], pick(4));
      else if (what < 90) advance(pick(60));
      else if (what < 93) advance(pick(1_000_000));
      else if (what < 94) advance(pick(2 ** 31) * 100);
      else if (what < 95) powerUp(pick(VCPUS));
      else timers.look(pick(VCPUS));
      for (const model of models) {
        assertEquals(heardOf(model), levelAt(model, clock.nowNs), `${model.name} of vCPU ${model.vcpu}, seed ${seed}`);
      }
      assert(clock.events.size <= models.length);
    }
    return models.reduce((sum, { heard }) => sum + heard.length, 0);
  }
}

/** Sessions of 100 operations each. */
const SESSIONS = 350;

for (const [model, hz] of [["cortex-a57", 62_500_000], ["cortex-r82", 1_000_000_000], ["max", 19_200_000]] as const) {
  Deno.test(`timers of ${model} at ${hz} Hz: random programs, resets and times against the model`, () => {
    const machine = new Machine(modelByName(model), hz);
    let changes = 0;
    for (let seed = 1; seed <= SESSIONS; seed++) {
      // No offset; one that the virtual count soon wraps at; one that makes it start ahead.
      const offset = [0n, BigInt(Math.floor(hz / 1e6 * (seed % 7))), WRAP - BigInt(seed * 1000)][seed % 3];
      changes += machine.session(seed, 100, offset);
    }
    assert(changes > SESSIONS * 5, `${changes} changes are too few to show anything`);
  });
}

Deno.test("a timer that is programmed a million times has one deadline", () => {
  const clock = new VirtualClock();
  let [control, compare, writes, rises] = [1n, 0n, 0, 0];
  const state = { read: (name: string) => name.includes("CTL") ? control : compare };
  const timers = new Timers({
    state: createState(1, 1),
    vcpus: [{ index: 0, state } as unknown as Vcpu],
    timers: timersOf().slice(0, 1),
    writes: () => writes,
    clock: clock.forInstance("test", (_, callback) => callback(), () => {}),
    frequencyHz: 62_500_000,
    offset: 0n,
    output: () => (level) => void (rises += Number(level)),
  });
  let most = 0;
  for (let n = 0; n < 1_000_000; n++) {
    control = n % 5 === 4 ? 3n : 1n;
    compare = BigInt(100_000_000 - n);
    writes++;
    timers.look(0);
    if (clock.events.size > most) most = clock.events.size;
  }
  assertEquals([most, rises], [1, 0]);
});

Deno.test("registers that a restore brings back are looked at", () => {
  const { engine, vcpus, clock } = new Machine(modelByName("cortex-a57"), 62_500_000);
  let level = false;
  const timers = new Timers({
    state: createState(1, 1),
    vcpus: vcpus.slice(0, 1),
    timers: timersOf().slice(0, 1),
    writes: () => engine.cpu.counter.writes,
    clock: clock.forInstance("test", (_, callback) => callback(), () => {}),
    frequencyHz: 62_500_000,
    offset: 0n,
    output: () => (now) => void (level = now),
  });
  const [{ state }] = vcpus;
  const off = state.save();
  state.write("CNTP_CTL_EL0", 1n);
  timers.look(0);
  assertEquals(level, true);
  state.restore(off);
  timers.look(0);
  assertEquals(level, false);
});
