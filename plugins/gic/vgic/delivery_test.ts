/**
 * The whole path of an interrupt, line to acknowledgement, with the CPU engine's own interface in between, against a reference that knows
 * no list registers: random operations, few and many list registers, more than one vCPU.
 */
import { assert, assertEquals } from "@std/assert";
import type { Vcpu } from "../../../core/mod.ts";
import { FakeVcpuState } from "../../../core/testing.ts";
import { GicCpuInterface } from "../../cpu_a64/engine/gic_cpu_interface.ts";
import { createState, rowIndex } from "./state.ts";
import { Vgic } from "./vgic.ts";

/** A CPU whose ICH registers are the engine's. */
class Cpu extends FakeVcpuState {
  readonly words = new Uint32Array(64);
  readonly gic: GicCpuInterface;
  kicks = 0;

  constructor(index: number, listRegisters: number) {
    super({ mpidr: BigInt(index) });
    const names = ["ICH_HCR_EL2", "ICH_VMCR_EL2", "ICH_VTR_EL2", "ICH_AP0R0_EL2", "ICH_AP1R0_EL2"];
    for (let n = 0; n < 16; n++) names.push(`ICH_LR${n}_EL2`);
    this.words[4] = 0x9020_0000 | (listRegisters - 1);
    this.gic = new GicCpuInterface(() => this.words, (name) => 8 * names.indexOf(name));
  }

  override read(name: string): bigint {
    return this.gic.handles(name) ? this.gic.readRegister(name) : super.read(name);
  }

  override write(name: string, value: bigint): void {
    if (this.gic.handles(name)) this.gic.writeRegister(name, value);
    else super.write(name, value);
  }
}

/** A generator that repeats. */
function random(seed: number): (below: number) => number {
  let s = seed | 1;
  return (below) => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return (s >>> 0) % below;
  };
}

/** One interrupt as the reference sees it. */
interface Model {
  line: boolean;
  latch: boolean;
  edge: boolean;
  enabled: boolean;
  priority: number;
  target: number;
  activeOn: number;
}

/** INTIDs in play: SPIs of two words, and PPIs and SGIs of each vCPU. */
const SPIS = [32, 33, 34, 40, 63, 64, 70, 95];
const PRIVATE = [0, 3, 15, 27, 30];

class Machine {
  readonly cpus: Cpu[];
  readonly vcpus: Vcpu[];
  readonly gic: Vgic;
  readonly state = createState(0, 0);
  /** Reference, by vCPU × 1000 + INTID (SPIs under vCPU 0). */
  readonly model = new Map<number, Model>();
  /** Priorities that were acknowledged and not dropped, and what is to be ended, by vCPU. */
  readonly nested: number[][];
  readonly masks: number[];

  constructor(readonly count: number, listRegisters: number) {
    this.cpus = Array.from({ length: count }, (_, v) => new Cpu(v, listRegisters));
    this.vcpus = this.cpus.map((cpu, index) => ({ index, state: cpu, power: "runnable", kick: () => cpu.kicks++ }) as unknown as Vcpu);
    Object.assign(this.state, createState(count, 64));
    this.gic = new Vgic(this.state, this.vcpus, listRegisters);
    this.state.control = 3;
    this.state.group.fill(0xffff_ffff);
    this.nested = this.cpus.map(() => []);
    this.masks = this.cpus.map(() => 0xf8);
    for (const v of this.cpus.keys()) {
      this.gic.reset(this.vcpus[v]);
      this.cpus[v].gic.writeRegister("ICC_PMR_EL1", 0xf8n);
      this.cpus[v].gic.writeRegister("ICC_IGRPEN1_EL1", 1n);
      for (const intid of PRIVATE) this.model.set(v * 1000 + intid, this.#fresh(v, intid < 16));
    }
    for (const intid of SPIS) this.model.set(intid, this.#fresh(0, false));
  }

  #fresh(target: number, edge: boolean): Model {
    return { line: false, latch: false, edge, enabled: false, priority: 0, target, activeOn: -1 };
  }

  key(v: number, intid: number): number {
    return intid < 32 ? v * 1000 + intid : intid;
  }

  pending(m: Model): boolean {
    return m.latch || (m.line && !m.edge);
  }

  /** What the vCPU must get now: the set of INTIDs of the best priority, empty when nothing preempts. */
  expected(v: number): number[] {
    const running = this.nested[v].length === 0 ? 0x100 : this.model.get(this.key(v, this.nested[v].at(-1)!))!.priority & 0xf8;
    let best = Math.min(running, this.masks[v]);
    let found: number[] = [];
    for (const [key, m] of this.model) {
      if (m.target !== v || !m.enabled || m.activeOn >= 0 || !this.pending(m) || (key % 1000 < 32 && Math.floor(key / 1000) !== v)) {
        continue;
      }
      if (m.priority < best) {
        best = m.priority;
        found = [];
      }
      if (m.priority === best && best < Math.min(running, this.masks[v])) found.push(key % 1000);
    }
    return found;
  }

  /** A run: entry, what the guest does, exit. A maintenance interrupt makes it come back after an instruction. */
  run(v: number, instructions: readonly ((cpu: Cpu) => void)[]): void {
    this.gic.entry(this.vcpus[v]);
    for (const instruction of instructions) {
      instruction(this.cpus[v]);
      for (let n = 0; this.cpus[v].gic.maintenancePending(); n++) {
        assert(n < 4, "a maintenance interrupt stays pending");
        this.gic.exit(this.vcpus[v]);
        this.gic.entry(this.vcpus[v]);
      }
    }
    this.gic.exit(this.vcpus[v]);
  }

  acknowledge(v: number, cpu: Cpu): void {
    const expected = this.expected(v);
    assertEquals(cpu.gic.virtualIrqPending(), expected.length > 0, `vCPU ${v}: expected ${expected}`);
    const got = Number(cpu.gic.readRegister("ICC_IAR1_EL1"));
    if (expected.length === 0) return assertEquals(got, 1023);
    assert(expected.includes(got), `vCPU ${v} acknowledged ${got}, expected one of ${expected}`);
    const m = this.model.get(this.key(v, got))!;
    m.latch = false;
    m.activeOn = v;
    this.nested[v].push(got);
  }

  end(v: number, cpu: Cpu): void {
    const intid = this.nested[v].pop();
    if (intid === undefined) return;
    cpu.gic.writeRegister("ICC_EOIR1_EL1", BigInt(intid));
    this.model.get(this.key(v, intid))!.activeOn = -1;
  }

  mask(v: number, cpu: Cpu, priority: number): void {
    this.masks[v] = priority;
    cpu.gic.writeRegister("ICC_PMR_EL1", BigInt(priority));
  }

  /** What must hold whenever nobody runs. */
  check(): void {
    const inLists = new Set<number>();
    for (const [v, cpu] of this.cpus.entries()) {
      for (let n = 0; n < 16; n++) {
        const value = cpu.read(`ICH_LR${n}_EL2`);
        if (value >> 62n === 0n) continue;
        assert(n < cpu.gic.listRegisters, "a list register that isn't there");
        const key = this.key(v, Number(value & 0xffff_ffffn));
        assert(!inLists.has(key), `${key} is in two list registers`);
        inLists.add(key);
      }
      const nested = this.nested[v];
      const running = nested.length === 0 ? 0xff : this.model.get(this.key(v, nested.at(-1)!))!.priority;
      assertEquals(Number(cpu.gic.readRegister("ICC_RPR_EL1")), running, "running priority");
    }
    for (const [key, m] of this.model) {
      const [v, intid] = [Math.floor(key / 1000), key % 1000];
      const bit = 1 << (intid & 31);
      assertEquals((this.gic.pendingBits(v, intid >>> 5) & bit) !== 0, this.pending(m), `${key} pending`);
      assertEquals((this.gic.activeBits(v, intid >>> 5) & bit) !== 0, m.activeOn >= 0, `${key} active`);
      if (m.activeOn >= 0) assert((this.state.active[rowIndex(this.state, m.activeOn, intid >>> 5)] & bit) !== 0, `${key} active where`);
    }
  }

  /** Everything that is deliverable arrives, each once: no lost level, no lost or doubled edge. */
  drain(): void {
    for (const m of this.model.values()) {
      if (m.activeOn < 0) m.enabled = true;
    }
    this.state.enable.fill(0xffff_ffff);
    this.gic.refreshAll();
    for (const v of this.cpus.keys()) {
      this.mask(v, this.cpus[v], 0xf8);
      this.run(v, this.nested[v].map(() => (cpu) => this.end(v, cpu)));
    }
    for (const [key, m] of this.model) {
      m.enabled = true;
      if (!m.edge && m.line) { // a device that is served lowers its line
        m.line = false;
        m.latch = true;
        this.gic.setLatch(Math.floor(key / 1000), key % 1000 >>> 5, 1 << (key % 1000 % 32), true);
        this.gic.setLine(Math.floor(key / 1000), key % 1000, false);
      }
    }
    for (const v of this.cpus.keys()) {
      while (this.expected(v).length > 0) this.run(v, [(cpu) => this.acknowledge(v, cpu), (cpu) => this.end(v, cpu)]);
      this.run(v, [(cpu) => this.acknowledge(v, cpu)]);
    }
    for (const [key, m] of this.model) assert(!this.pending(m) && m.activeOn < 0, `${key} is left over`);
  }
}

function step(machine: Machine, next: (below: number) => number): void {
  const keys = [...machine.model.keys()];
  const key = keys[next(keys.length)];
  const [v, intid] = [Math.floor(key / 1000), key % 1000];
  const m = machine.model.get(key)!;
  const [word, bit] = [intid >>> 5, 1 << (intid & 31)];
  const w = word === 0 ? v : machine.count + word - 1;
  switch (next(14)) {
    case 0:
    case 1:
      if (intid < 16) {
        machine.gic.sendSgi(v, intid, false);
        m.latch = true;
        break;
      }
      machine.gic.setLine(v, intid, true);
      if (m.edge && !m.line) m.latch = true;
      m.line = true;
      break;
    case 2:
      if (intid < 16) break;
      machine.gic.setLine(v, intid, false);
      m.line = false;
      break;
    case 3:
    case 4:
      m.enabled = !m.enabled;
      machine.state.enable[w] ^= bit;
      machine.gic.refreshAll();
      break;
    case 5:
      if (m.activeOn >= 0) break; // the reference's running priority is the acknowledged one
      m.priority = next(31) << 3;
      machine.state.priority[w * 32 + (intid & 31)] = m.priority;
      machine.gic.refreshAll();
      break;
    case 6:
      machine.gic.setLatch(v, word, bit, true);
      m.latch = true;
      break;
    case 7:
      machine.gic.setLatch(v, word, bit, false);
      m.latch = false;
      break;
    case 8:
      if (intid < 32) break;
      m.target = next(machine.count);
      machine.state.routerLow[intid - 32] = m.target;
      machine.gic.route(intid);
      machine.gic.refreshAll();
      break;
    case 9:
      if (intid < 32) break;
      m.edge = !m.edge;
      machine.state.edge[w] ^= bit;
      machine.gic.refreshAll();
      break;
    default: {
      const cpu = next(machine.count);
      const choices = [
        (c: Cpu) => machine.acknowledge(cpu, c),
        (c: Cpu) => machine.acknowledge(cpu, c),
        (c: Cpu) => machine.end(cpu, c),
        (c: Cpu) => machine.mask(cpu, c, (next(4) === 0 ? next(32) : 31) << 3),
      ];
      machine.run(cpu, Array.from({ length: 1 + next(6) }, () => choices[next(choices.length)]));
    }
  }
}

for (const listRegisters of [1, 2, 4, 16]) {
  for (const vcpus of [1, 3]) {
    Deno.test(`gicv3: random operations agree with the reference: ${vcpus} vCPUs, ${listRegisters} list registers`, () => {
      for (let seed = 1; seed <= 12; seed++) {
        const next = random(seed * 7919);
        const machine = new Machine(vcpus, listRegisters);
        let n = 0;
        try {
          for (; n < 600; n++) {
            step(machine, next);
            machine.check();
          }
          machine.drain();
        } catch (error) {
          throw new Error(`seed ${seed}, step ${n}`, { cause: error });
        }
      }
    });
  }
}

/** An SPI, enabled, at a priority. */
function spi(machine: Machine, intid: number, priority: number, edge = false): void {
  const w = machine.count + (intid >>> 5) - 1;
  machine.state.priority[w * 32 + (intid & 31)] = priority;
  machine.state.enable[w] |= 1 << (intid & 31);
  if (edge) machine.state.edge[w] |= 1 << (intid & 31);
  machine.gic.refreshAll();
}

const iar = (cpu: Cpu) => Number(cpu.gic.readRegister("ICC_IAR1_EL1"));
const eoir = (cpu: Cpu, intid: number) => cpu.gic.writeRegister("ICC_EOIR1_EL1", BigInt(intid));

Deno.test("gicv3: an edge that moved to another vCPU while active arrives there when it ends", () => {
  const machine = new Machine(2, 4);
  const [a, b] = machine.cpus;
  spi(machine, 40, 0x80, true);
  machine.gic.setLatch(0, 1, 1 << 8, true);
  machine.run(0, [(cpu) => assertEquals(iar(cpu), 40)]);
  machine.state.routerLow[8] = 1;
  machine.gic.route(40);
  machine.gic.refreshAll();
  machine.gic.setLatch(0, 1, 1 << 8, true);
  assertEquals([a.gic.virtualIrqPending(), b.gic.virtualIrqPending()], [false, false]);
  const kicks = b.kicks;
  machine.run(0, [(cpu) => eoir(cpu, 40), () => assert(b.gic.virtualIrqPending(), "at once")]);
  assert(b.kicks > kicks);
  machine.run(1, [(cpu) => assertEquals(iar(cpu), 40)]);
});

Deno.test("gicv3: edges that come while the vCPU runs are neither lost nor doubled", () => {
  const machine = new Machine(1, 4);
  spi(machine, 40, 0x80, true);
  const pulse = () => {
    machine.gic.setLine(0, 40, true);
    machine.gic.setLine(0, 40, false);
  };
  pulse();
  pulse(); // collapses: the first is still pending
  machine.run(0, [(cpu) => {
    assertEquals(iar(cpu), 40);
    pulse(); // during the handler: a second interrupt
    assertEquals(cpu.kicks > 0, true);
  }]);
  machine.run(0, [(cpu) => eoir(cpu, 40), (cpu) => assertEquals(iar(cpu), 40), (cpu) => eoir(cpu, 40)]);
  machine.run(0, [(cpu) => assertEquals(iar(cpu), 1023)]);
});

Deno.test("gicv3: a line that stays high interrupts 100,000 times", () => {
  const machine = new Machine(1, 4);
  spi(machine, 40, 0x80);
  machine.gic.setLine(0, 40, true);
  for (let n = 0; n < 100_000; n++) machine.run(0, [(cpu) => eoir(cpu, iar(cpu))]);
  assertEquals(machine.cpus[0].gic.virtualIrqPending(), true);
  machine.gic.setLine(0, 40, false);
  assertEquals(machine.cpus[0].gic.virtualIrqPending(), false);
});

Deno.test("gicv3: EOImode 1: an SPI may be deactivated by another vCPU, through a trap", () => {
  const machine = new Machine(2, 4);
  const [a, b] = machine.cpus;
  for (const cpu of machine.cpus) cpu.gic.writeRegister("ICC_CTLR_EL1", 2n);
  spi(machine, 40, 0x80);
  machine.gic.setLine(0, 40, true);
  machine.run(0, [(cpu) => assertEquals(iar(cpu), 40), (cpu) => eoir(cpu, 40)]);
  machine.run(1, []);
  assertEquals([a, b].map((cpu) => cpu.read("ICH_HCR_EL2") >> 14n & 1n), [1n, 1n]);
  assertEquals(machine.gic.activeBits(0, 1), 1 << 8);
  machine.gic.deactivate(machine.vcpus[1], 40);
  assertEquals(machine.gic.activeBits(0, 1), 0);
  assert(a.gic.virtualIrqPending(), "the line is still high");
  for (const intid of [0, 31, 95, 96, 1022, 0xff_ffff]) machine.gic.deactivate(machine.vcpus[1], intid);
});

Deno.test("gicv3: interrupts of a group that is off don't keep the list registers from the others", () => {
  const machine = new Machine(1, 1);
  spi(machine, 33, 0x10);
  spi(machine, 40, 0x80);
  machine.state.group[machine.count] &= ~(1 << 1); // INTID 33 is group 0, which the guest has off
  machine.gic.setLine(0, 33, true);
  machine.gic.setLine(0, 40, true);
  machine.run(0, [(cpu) => assertEquals(iar(cpu), 40)]);
  machine.run(0, [
    (cpu) => cpu.gic.writeRegister("ICC_IGRPEN0_EL1", 1n),
    (cpu) => assert(cpu.gic.virtualFiqPending(), "the maintenance interrupt told"),
  ]);
});

Deno.test("gicv3: a power-up resets the CPU interface only: an SGI that came meanwhile waits, what was active stays so", () => {
  const machine = new Machine(2, 4);
  const [a] = machine.cpus;
  machine.state.enable[0] = 0xffff_ffff;
  machine.gic.sendSgi(0, 3, false);
  machine.gic.setLine(0, 27, true);
  machine.run(0, [iar]);
  a.words.fill(0, 5); // the engine's reset
  a.words[0] = a.words[2] = 0;
  machine.gic.sendSgi(0, 4, false);
  machine.gic.reset(machine.vcpus[0]);
  assertEquals([machine.gic.pendingBits(0, 0), machine.gic.activeBits(0, 0)], [1 << 27 | 1 << 4, 1 << 3]);
  assertEquals(a.read("HCR_EL2") & 0x18n, 0x18n);
  assertEquals([a.gic.readRegister("ICC_RPR_EL1"), a.gic.readRegister("ICC_IGRPEN1_EL1")], [0xffn, 0n]);
  assertEquals([0, 1, 2].map((n) => a.read(`ICH_LR${n}_EL2`) & 0xffff_ffffn), [4n, 27n, 3n]);
});

Deno.test("gicv3: with nothing to do, entry and exit cost well under a microsecond", () => {
  const machine = new Machine(2, 4);
  const [vcpu] = machine.vcpus;
  const time = () => {
    const start = performance.now();
    for (let n = 0; n < 100_000; n++) {
      machine.gic.entry(vcpu);
      machine.gic.exit(vcpu);
    }
    return (performance.now() - start) / 100_000 * 1e6;
  };
  const best = Math.min(...Array.from({ length: 5 }, time));
  assert(best < 500, `${best} ns`);
});
