/**
 * A million random operations of guests and devices, through the registers' frames, the list registers and the CPU engine's own interface,
 * against a reference that knows no list registers. PLUGBOARD_GIC_OPERATIONS asks for another number of them.
 */
import { assert, assertEquals } from "@std/assert";
import { gicVcpu } from "../../../tests/support/gic_cpu.ts";
import type { GicVcpu } from "../../../tests/support/gic_cpu.ts";
import { Random } from "../../../tests/support/random.ts";
import { distributor } from "../gicv3/distributor.ts";
import { redistributor } from "../gicv3/redistributor.ts";
import { sendSgi } from "../gicv3/sgi.ts";
import type { WordFrame } from "./frame.ts";
import { createState } from "./state.ts";
import { Reference } from "./tests/reference.ts";
import type { Interrupt } from "./tests/reference.ts";
import { Vgic } from "./vgic.ts";

const OPERATIONS = Number(Deno.env.get("PLUGBOARD_GIC_OPERATIONS") ?? 1_000_000);
/** Operations of one machine; then everything is drained and a new one begins. */
const ROUND = 1000;

/** INTIDs in play. */
const SPIS = [32, 33, 34, 40, 63, 64, 70, 95];
const PRIVATE = [0, 3, 15, 20, 27];
/** Few, so that priorities are often equal, and close ones differ in the bits that binary points cut. */
const PRIORITIES = [0x00, 0x08, 0x20, 0x28, 0x30, 0x80, 0x88, 0xa0, 0xf0, 0xf8];

const SGI_BASE = 0x1_0000;

class Machine {
  readonly vcpus: GicVcpu[];
  readonly gic: Vgic;
  readonly reference: Reference;
  readonly distributor: WordFrame;
  readonly redistributors: WordFrame[];
  readonly interrupts: Interrupt[];
  /** The last operations, for reports. */
  readonly log: string[] = [];
  readonly #signalled: boolean[];
  readonly #kicks: number[];
  #hot: Interrupt;

  constructor(readonly count: number, readonly listRegisters: number, readonly random: Random) {
    this.vcpus = Array.from({ length: count }, (_, v) => gicVcpu(v, listRegisters));
    this.gic = new Vgic(createState(count, 64), this.vcpus, listRegisters);
    this.reference = new Reference(count, SPIS, PRIVATE);
    this.distributor = distributor(this.gic);
    this.redistributors = this.vcpus.map((_, v) => redistributor(this.gic, v));
    this.interrupts = [...this.reference.interrupts.values()];
    this.#hot = this.interrupts[0];
    this.#signalled = new Array(count).fill(false);
    this.#kicks = new Array(count).fill(0);
    for (const vcpu of this.vcpus) this.gic.reset(vcpu);
    for (const m of this.interrupts) {
      if (random.chance(0.8)) this.enable(m, true);
      if (random.chance(0.7)) this.group(m, 1);
      this.priority(m, random.pick(PRIORITIES));
    }
    this.forward(3);
    for (let v = 0; v < count; v++) this.run(v, [() => this.open(v)]);
  }

  /** What an operating system does to its CPU interface first. */
  open(v: number): void {
    const cpu = this.reference.cpus[v];
    this.msr(v, "ICC_PMR_EL1", cpu.mask = 0xf8);
    this.msr(v, "ICC_IGRPEN0_EL1", 1);
    this.msr(v, "ICC_IGRPEN1_EL1", 1);
    cpu.enabled = [true, true];
  }

  msr(v: number, register: string, value: number): void {
    this.log.push(`vCPU ${v}: ${register} = 0x${value.toString(16)}`);
    this.vcpus[v].state.gic.writeRegister(register, BigInt(value));
  }

  mrs(v: number, register: string): number {
    return Number(this.vcpus[v].state.gic.readRegister(register));
  }

  /** An interrupt; often the one that was picked before, so that one thing comes on top of the other. */
  pick(): Interrupt {
    if (this.random.chance(0.5)) this.#hot = this.random.pick(this.interrupts);
    return this.#hot;
  }

  // Registers of the frames.

  /** Writes an interrupt's bit of a register with one bit per INTID. */
  bit(m: Interrupt, bank: number): void {
    this.word(m, bank + (m.intid >>> 5) * 4, 1 << (m.intid & 31) >>> 0);
  }

  word(m: Interrupt, offset: number, value: number): void {
    this.log.push(
      `${m.intid < 32 ? `redistributor ${m.owner}` : "distributor"}: 0x${offset.toString(16)} = 0x${(value >>> 0).toString(16)}`,
    );
    if (m.intid >= 32) this.distributor.write(offset, value >>> 0);
    else this.redistributors[m.owner].write(SGI_BASE + offset, value >>> 0);
  }

  read(m: Interrupt, offset: number): number {
    return m.intid >= 32 ? this.distributor.read(offset) : this.redistributors[m.owner].read(SGI_BASE + offset);
  }

  enable(m: Interrupt, enabled: boolean): void {
    this.bit(m, enabled ? 0x100 : 0x180);
    m.enabled = enabled;
  }

  group(m: Interrupt, group: 0 | 1): void {
    const offset = 0x80 + (m.intid >>> 5) * 4;
    const mask = 1 << (m.intid & 31);
    this.word(m, offset, group === 1 ? this.read(m, offset) | mask : this.read(m, offset) & ~mask);
    m.group = group;
  }

  priority(m: Interrupt, priority: number): void {
    const offset = 0x400 + (m.intid & ~3);
    const shift = 8 * (m.intid & 3);
    this.word(m, offset, this.read(m, offset) & ~(0xff << shift) | priority << shift);
    m.priority = priority;
  }

  edge(m: Interrupt, edge: boolean): void {
    const offset = 0xc00 + (m.intid >>> 4) * 4;
    const mask = 2 << 2 * (m.intid & 15);
    this.word(m, offset, edge ? this.read(m, offset) | mask : this.read(m, offset) & ~mask);
    m.edge = edge;
  }

  forward(groups: number): void {
    this.log.push(`GICD_CTLR = ${groups}`);
    this.distributor.write(0, groups);
    this.reference.forwards = [(groups & 1) !== 0, (groups & 2) !== 0];
  }

  /** `target`: a vCPU, -1 for nobody, -2 for anybody. */
  route(m: Interrupt, target: number): void {
    this.log.push(`${m.intid} goes to ${target}`);
    this.distributor.write(0x6000 + 8 * m.intid, target === -2 ? 0x8000_0000 : target === -1 ? 0xff : target);
    m.any = target === -2;
    m.target = target;
    this.reference.choose(m);
  }

  line(m: Interrupt, level: boolean): void {
    if (m.intid < 16) return; // SGIs have none
    this.log.push(`line ${m.intid} of ${m.owner} ${level ? "rises" : "falls"}`);
    this.gic.setLine(m.owner, m.intid, level);
    this.reference.line(m, level);
  }

  sleep(v: number, asleep: boolean): void {
    this.log.push(`redistributor ${v} ${asleep ? "sleeps" : "wakes"}`);
    this.redistributors[v].write(0x14, asleep ? 2 : 0);
    this.reference.asleep[v] = asleep;
    this.reference.chooseAll();
  }

  power(v: number, on: boolean): void {
    this.log.push(`vCPU ${v} ${on ? "on" : "off"}`);
    const vcpu = this.vcpus[v];
    if (on) {
      vcpu.state.reset();
      this.gic.reset(vcpu);
      vcpu.power = "runnable";
      this.reference.powerOn(v);
    } else {
      vcpu.power = "off";
      this.reference.powerOff(v);
    }
  }

  // A guest at work.

  /** A run: entry, what the guest does, exit. A maintenance interrupt makes it come back after an instruction. */
  run(v: number, instructions: readonly (() => void)[]): void {
    if (this.vcpus[v].power === "off") return;
    this.gic.entry(this.vcpus[v]);
    for (const instruction of instructions) {
      instruction();
      for (let n = 0; this.vcpus[v].state.gic.maintenancePending(); n++) {
        assert(n < 4, "a maintenance interrupt stays pending");
        this.exitAndEnter(v);
      }
      this.look(v);
    }
    this.gic.exit(this.vcpus[v]);
  }

  exitAndEnter(v: number): void {
    this.gic.exit(this.vcpus[v]);
    this.gic.entry(this.vcpus[v]);
  }

  /** The signals, the highest pending and the running priority are the reference's. */
  look(v: number): void {
    const { reference } = this;
    const { gic } = this.vcpus[v].state;
    const highest = reference.highest(v);
    const [irq, fiq] = [gic.virtualIrqPending(), gic.virtualFiqPending()];
    const possible = highest.map(({ group, preempts }) => preempts ? group : -1);
    const shown = irq ? 1 : fiq ? 0 : -1;
    assert(highest.length === 0 ? shown < 0 : possible.includes(shown as 0), `vCPU ${v}: signals ${shown}, expected one of [${possible}]`);
    assertEquals(this.mrs(v, "ICC_RPR_EL1"), reference.runningPriority(v), `running priority of vCPU ${v}`);
    this.#signalled[v] = shown >= 0;
  }

  acknowledge(v: number, group: 0 | 1): void {
    const highest = this.reference.highest(v);
    const shown = this.mrs(v, `ICC_HPPIR${group}_EL1`);
    if (shown !== 1023) assert(highest.some((c) => c.intid === shown && c.group === group), `ICC_HPPIR${group}_EL1 shows ${shown}`);
    else assert(highest.length === 0 || highest.some((c) => c.group !== group), `ICC_HPPIR${group}_EL1 shows nothing`);
    const got = this.mrs(v, `ICC_IAR${group}_EL1`);
    this.log.push(`vCPU ${v}: ICC_IAR${group}_EL1 is ${got}`);
    if (got === 1023) {
      assert(
        highest.length === 0 || highest.some((c) => c.group !== group || !c.preempts),
        `vCPU ${v} got nothing, expected one of ${JSON.stringify(highest)}`,
      );
      return;
    }
    assert(highest.some((c) => c.intid === got && c.group === group && c.preempts), `got ${got}, expected ${JSON.stringify(highest)}`);
    this.reference.acknowledge(v, got);
    if (this.random.chance(0.5)) this.#hot = this.reference.find(v, got);
  }

  end(v: number): void {
    const level = this.reference.cpus[v].running.at(-1);
    if (level === undefined) return;
    this.msr(v, `ICC_EOIR${level.group}_EL1`, level.intid);
    this.reference.end(v);
  }

  /** Traps: EL2 does it. */
  deactivate(v: number, m: Interrupt): void {
    this.log.push(`vCPU ${v}: ICC_DIR_EL1 = ${m.intid}`);
    this.gic.exit(this.vcpus[v]);
    this.gic.deactivate(this.vcpus[v], m.intid);
    this.gic.entry(this.vcpus[v]);
    if (this.reference.cpus[v].splitEnd) m.activeOn = -1;
  }

  sgi(v: number): void {
    const { random, reference } = this;
    const intid = random.pick(PRIVATE.filter((n) => n < 16));
    const others = random.chance(0.3);
    const list = random.below(1 << this.count);
    const which = random.below(3);
    this.log.push(`vCPU ${v}: SGI ${intid} to ${others ? "the others" : list.toString(2)} by register ${which}`);
    this.gic.exit(this.vcpus[v]);
    sendSgi(this.gic, v, BigInt(intid) << 24n | (others ? 1n << 40n : 0n) | BigInt(list), which > 0);
    this.gic.entry(this.vcpus[v]);
    reference.sgi((u) => others ? u !== v : (list >>> u & 1) !== 0, intid, which > 0);
  }

  /** The list registers of every vCPU, for reports. */
  lists(): string {
    return this.vcpus.map(({ state }, v) => {
      const lists = Array.from({ length: this.listRegisters }, (_, n) => state.list(n).map((word) => word.toString(16)).join(":"));
      return `vCPU ${v}: HCR ${state.read("ICH_HCR_EL2").toString(16)}, list registers ${lists.join(" ")}`;
    }).join("\n");
  }

  // What must hold whenever nobody runs.

  /** Whoever has something new to take was kicked. */
  checkKicks(): void {
    for (let v = 0; v < this.count; v++) {
      if (this.vcpus[v].power === "off") continue;
      const highest = this.reference.highest(v);
      const must = highest.length > 0 && highest.every(({ preempts }) => preempts);
      if (must && !this.#signalled[v]) assert(this.vcpus[v].kicks > this.#kicks[v], `nobody told vCPU ${v}`);
      this.#signalled[v] = must;
      this.#kicks[v] = this.vcpus[v].kicks;
    }
  }

  check(): void {
    const listed = new Set<number>();
    for (const [v, { state }] of this.vcpus.entries()) {
      for (let n = 0; n < 16; n++) {
        const [intid, high] = state.list(n);
        if (high >>> 30 === 0) continue;
        assert(n < this.listRegisters, "a list register that isn't there");
        // What changed while another vCPU ran is shown at the next entry.
        if (this.gic.state.dirty[v] !== 0) continue;
        const key = intid < 32 ? v * 1000 + intid : intid;
        assert(!listed.has(key), `${key} is in two list registers`);
        listed.add(key);
      }
      if (!this.reference.on[v]) continue;
      for (const group of [0, 1] as const) {
        assertEquals(this.mrs(v, `ICC_AP${group}R0_EL1`), this.reference.activePriorities(v, group), `active priorities of vCPU ${v}`);
      }
    }
    for (const m of this.interrupts) {
      const bit = 1 << (m.intid & 31);
      const offset = (m.intid >>> 5) * 4;
      assertEquals((this.read(m, 0x200 + offset) & bit) !== 0, this.reference.pending(m), `${m.intid} of ${m.owner} pending`);
      assertEquals((this.read(m, 0x300 + offset) & bit) !== 0, m.activeOn >= 0, `${m.intid} of ${m.owner} active`);
    }
  }

  /** Everything that is deliverable arrives, each once: no lost level, no lost or doubled edge. */
  drain(): void {
    const { reference } = this;
    this.forward(3);
    for (let v = 0; v < this.count; v++) {
      if (!reference.on[v]) this.power(v, true);
      this.sleep(v, false);
      this.run(v, [() => this.open(v), ...reference.cpus[v].running.map(() => () => this.end(v))]);
    }
    for (const m of this.interrupts) {
      if (m.activeOn >= 0) {
        this.bit(m, 0x380);
        m.activeOn = -1;
      }
      if (m.target < 0) this.route(m, 0);
      if (!m.enabled) this.enable(m, true);
      // Priority 0xf8 never passes a mask.
      if (m.priority === 0xf8) this.priority(m, 0x80);
    }
    for (let v = 0; v < this.count; v++) {
      this.run(v, [() => this.msr(v, "ICC_CTLR_EL1", 0)]);
      reference.cpus[v].splitEnd = reference.cpus[v].common = false;
      for (let n = 0; reference.highest(v).length > 0; n++) {
        assert(n < 100, "there is no end");
        const { group } = reference.highest(v)[0];
        // The device is served while its interrupt is active.
        const serve = () => {
          const level = reference.cpus[v].running.at(-1);
          if (level === undefined) return;
          this.line(reference.find(v, level.intid), false);
          this.exitAndEnter(v);
          this.end(v);
        };
        this.run(v, [() => this.acknowledge(v, group), () => this.acknowledge(v, group === 1 ? 0 : 1), serve, serve]);
      }
      this.run(v, [() => this.acknowledge(v, 1), () => this.acknowledge(v, 0)]);
    }
    for (const m of this.interrupts) assert(!reference.pending(m) && m.activeOn < 0, `${m.intid} of ${m.owner} is left over`);
    this.check();
  }
}

/** What devices and other CPUs do while this vCPU doesn't run. */
function outside(machine: Machine, m: Interrupt): void {
  const { random, reference, count } = machine;
  const v = random.below(count);
  switch (random.below(16)) {
    case 0:
    case 1:
    case 2:
      return m.intid < 16 ? machine.bit(m, 0x200) ?? reference.latch(m) : machine.line(m, !m.line);
    case 3:
      machine.bit(m, 0x200);
      return reference.latch(m);
    case 4:
      machine.bit(m, 0x280);
      m.latch = false;
      return;
    case 5:
      machine.bit(m, 0x300);
      return reference.activate(m);
    case 6:
    case 7:
      machine.bit(m, 0x380);
      m.activeOn = -1;
      return;
    case 8:
      return machine.enable(m, !m.enabled || random.chance(0.3));
    case 9:
      return machine.priority(m, random.pick(PRIORITIES));
    case 10:
      // Changing the group of an active interrupt is UNPREDICTABLE.
      if (m.activeOn >= 0 || reference.cpus.some(({ running }) => running.some(({ intid }) => intid === m.intid))) return;
      return machine.group(m, random.chance(0.7) ? 1 : 0);
    case 11:
      if (m.intid >= 32) machine.route(m, random.chance(0.8) ? v : random.chance(0.5) ? -1 : -2);
      return;
    case 12:
      if (m.intid >= 32) machine.edge(m, !m.edge);
      return;
    case 13:
      return machine.forward(random.chance(0.8) ? 3 : random.below(4));
    case 14:
      return random.chance(0.7) ? machine.sleep(v, false) : machine.sleep(v, true);
    default:
      if (!reference.on[v]) machine.power(v, true);
      else if (random.chance(0.1)) machine.power(v, false);
  }
}

/** An instruction of a guest. */
function inside(machine: Machine, v: number): void {
  const { random, reference } = machine;
  const cpu = reference.cpus[v];
  const m = machine.pick();
  switch (random.below(26)) {
    case 0: {
      machine.msr(v, "ICC_PMR_EL1", random.chance(0.7) ? 0xff : random.below(256));
      cpu.mask = machine.mrs(v, "ICC_PMR_EL1");
      return;
    }
    case 1: {
      const group = random.chance(0.5) ? 1 : 0;
      if (group === 1 && cpu.common) return;
      machine.msr(v, `ICC_BPR${group}_EL1`, cpu.binaryPoint[group] = random.below(8));
      cpu.binaryPoint[group] = Math.max(cpu.binaryPoint[group], 2 + group);
      return machine.exitAndEnter(v);
    }
    case 2:
      // EOImode may change while nothing is active.
      if (cpu.running.length === 0 && machine.interrupts.every(({ activeOn }) => activeOn !== v)) cpu.splitEnd = random.chance(0.5);
      cpu.common = random.chance(0.3);
      machine.msr(v, "ICC_CTLR_EL1", (cpu.splitEnd ? 2 : 0) | (cpu.common ? 1 : 0));
      return machine.exitAndEnter(v);
    case 3: {
      const group = random.chance(0.5) ? 1 : 0;
      cpu.enabled[group] = random.chance(0.7);
      return machine.msr(v, `ICC_IGRPEN${group}_EL1`, cpu.enabled[group] ? 1 : 0);
    }
    case 4:
    case 5:
      return machine.deactivate(v, reference.find(v, m.intid));
    case 6:
    case 7:
      return machine.sgi(v);
    case 8:
    case 9:
      // A device that the guest reaches without an exit.
      machine.line(m, !m.line);
      if (m.edge && random.chance(0.5)) machine.line(m, !m.line);
      return machine.exitAndEnter(v);
    case 10:
      machine.gic.exit(machine.vcpus[v]);
      machine.line(m, false);
      return machine.gic.entry(machine.vcpus[v]);
    case 11:
      return machine.exitAndEnter(v);
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
      return machine.end(v);
    default:
      return machine.acknowledge(v, random.chance(0.7) ? 1 : 0);
  }
}

/** A round; returns how many operations it took. */
function round(machine: Machine): number {
  const { random } = machine;
  let operations = 0;
  for (; operations < ROUND; operations++) {
    const quiet = random.chance(0.5);
    if (quiet) {
      outside(machine, machine.pick());
    } else {
      const v = random.below(machine.count);
      const instructions = Array.from({ length: 1 + random.below(8) }, () => () => inside(machine, v));
      machine.run(v, instructions);
      operations += instructions.length - 1;
    }
    machine.checkKicks();
    if (random.below(8) === 0) machine.check();
  }
  machine.drain();
  return operations;
}

for (const listRegisters of [1, 2, 4, 16]) {
  for (const vcpus of [1, 2, 4]) {
    Deno.test(`virtual GIC: random operations agree with the reference: ${vcpus} vCPUs, ${listRegisters} list registers`, () => {
      for (let done = 0, seed = 0; done < OPERATIONS / 12; seed++) {
        const machine = new Machine(vcpus, listRegisters, new Random(`gic ${listRegisters} ${vcpus} ${seed}`));
        try {
          done += round(machine);
        } catch (error) {
          throw new Error(`seed ${seed}, after\n${machine.log.slice(-60).join("\n")}\n${machine.lists()}`, { cause: error });
        }
      }
    });
  }
}
