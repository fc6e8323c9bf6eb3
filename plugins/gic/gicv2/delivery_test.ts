/**
 * The whole path of an interrupt of a GICv2, line or SGI to acknowledgement in the CPU interface's memory, against a reference that knows
 * no list registers: random operations through registers, few and many list registers, both EOI modes, both groups.
 */
import { assert, assertEquals } from "@std/assert";
import type { Vcpu } from "../../../core/mod.ts";
import { GicLegacyInterface } from "../../cpu_a64/engine/gic_legacy_interface.ts";
import { GicCpu } from "../../../tests/support/gic_cpu.ts";
import { Random } from "../../../tests/support/random.ts";
import { Distributor } from "./distributor.ts";
import { createState } from "../vgic/state.ts";
import { Vgic } from "../vgic/vgic.ts";

const [CTLR, PMR, , IAR, EOIR, RPR, , , AIAR, AEOIR] = Array.from({ length: 10 }, (_, n) => 4 * n);

/** A CPU with the engine's GICV. */
class Cpu extends GicCpu {
  readonly frame = new GicLegacyInterface(this.gic, () => true, () => {});

  constructor(index: number, listRegisters: number) {
    super(index, listRegisters, true);
  }

  load(offset: number): number {
    return this.frame.read(offset, 4);
  }

  store(offset: number, value: number): void {
    this.frame.write(offset, 4, BigInt(value));
  }
}

/** One interrupt as the reference sees it. */
interface Model {
  readonly intid: number;
  /** Whose, for SGIs and PPIs. */
  readonly owner: number;
  line: boolean;
  latch: boolean;
  /** Pending senders of an SGI. */
  sources: number;
  edge: boolean;
  enabled: boolean;
  group: 0 | 1;
  priority: number;
  targets: number;
  activeOn: number;
}

/** What a vCPU acknowledged: priority runs until the drop. */
interface Taken {
  readonly value: number;
  readonly priority: number;
  readonly model: Model;
}

const SPIS = [32, 33, 40, 63, 64, 95];
const PPIS = [27, 30];
const SGIS = [0, 3, 15];

class Machine {
  readonly cpus: Cpu[];
  readonly vcpus: Vcpu[];
  readonly state;
  readonly gic: Vgic;
  readonly distributor: Distributor;
  readonly models: Model[] = [];
  readonly nested: Taken[][];
  /** Dropped and not deactivated yet: EOImode 1. */
  readonly dropped: Taken[] = [];
  readonly masks: number[];

  constructor(readonly count: number, listRegisters: number, readonly eoiMode: boolean, readonly ackCtl: boolean) {
    this.cpus = Array.from({ length: count }, (_, v) => new Cpu(v, listRegisters));
    this.vcpus = this.cpus.map((state, index) => ({ index, state, power: "runnable", kick() {} }) as unknown as Vcpu);
    this.state = createState(count, 64, 2);
    this.gic = new Vgic(this.state, this.vcpus, listRegisters);
    this.distributor = new Distributor(this.gic);
    this.nested = this.cpus.map(() => []);
    this.masks = this.cpus.map(() => 0xf8);
    this.store(0, 0, 3);
    for (const [v, cpu] of this.cpus.entries()) {
      this.gic.reset(this.vcpus[v]);
      cpu.store(PMR, 0xff);
      cpu.store(CTLR, 3 | (ackCtl ? 4 : 0) | (eoiMode ? 0x200 : 0));
      for (const intid of [...SGIS, ...PPIS]) this.models.push(fresh(intid, v));
    }
    for (const intid of SPIS) this.models.push(fresh(intid, -1));
  }

  /** A store of a word to the distributor. */
  store(v: number, offset: number, value: number): void {
    this.distributor.write(v, offset, 4, value >>> 0);
  }

  byte(v: number, offset: number, value: number): void {
    this.distributor.write(v, offset, 1, value);
  }

  /** ICFGR, from the models of its 16 INTIDs. */
  configure(intid: number): void {
    const first = intid & ~15;
    const value = this.models.reduce((bits, m) => (m.intid & ~15) === first && m.edge ? bits | 2 << 2 * (m.intid & 15) : bits, 0);
    this.store(0, 0xc00 + first / 4, value);
  }

  /** IGROUPR of a vCPU, from the models of a word. */
  groups(v: number, word: number): void {
    const seen = this.models.filter((m) => m.intid >>> 5 === word && (m.owner < 0 || m.owner === v));
    this.store(v, 0x80 + 4 * word, seen.reduce((bits, m) => m.group === 1 ? bits | 1 << (m.intid & 31) : bits, 0));
  }

  /** Who accesses an interrupt's registers: a private one's owner, or anybody. */
  writer(m: Model): number {
    return Math.max(m.owner, 0);
  }

  target(m: Model): number {
    return m.owner >= 0 ? m.owner : m.targets === 0 ? -1 : 31 - Math.clz32(m.targets & -m.targets);
  }

  /** What the vCPU must get now: those of the best priority; none when nothing preempts. */
  expected(v: number): Model[] {
    const limit = Math.min(this.nested[v].at(-1)?.priority ?? 0x100, this.masks[v]);
    let best = limit;
    let found: Model[] = [];
    for (const m of this.models) {
      if (this.target(m) !== v || !m.enabled || m.activeOn >= 0 || !isPending(m) || m.priority > best) continue;
      if (m.priority < best) found = [];
      best = m.priority;
      if (best < limit) found.push(m);
    }
    return found;
  }

  /** A run: entry, what the guest does, exit. A maintenance interrupt makes it come back after an instruction. */
  run(v: number, instructions: readonly ((cpu: Cpu) => void)[]): void {
    const [vcpu, cpu] = [this.vcpus[v], this.cpus[v]];
    this.gic.entry(vcpu);
    for (const instruction of instructions) {
      instruction(cpu);
      for (let n = 0; cpu.gic.maintenancePending(); n++) {
        assert(n < 4, "a maintenance interrupt stays pending");
        this.gic.exit(vcpu);
        this.gic.entry(vcpu);
      }
    }
    this.gic.exit(vcpu);
  }

  acknowledge(v: number, cpu: Cpu): void {
    const expected = this.expected(v);
    const names = expected.map(({ intid }) => intid);
    assertEquals(cpu.gic.virtualIrqPending(), expected.length > 0, `vCPU ${v}: expected ${names}`);
    assert(!cpu.gic.virtualFiqPending());
    let value = cpu.load(IAR);
    let group: 0 | 1 | undefined;
    if (value === 1022) {
      assert(!this.ackCtl);
      group = 1;
      value = cpu.load(AIAR);
    } else if (value !== 1023 && !this.ackCtl) {
      group = 0;
    }
    if (expected.length === 0) return assertEquals(value, 1023);
    const model = expected.find(({ intid }) => intid === (value & 0x3ff));
    assert(model !== undefined, `vCPU ${v} acknowledged ${value}, expected one of ${names}`);
    if (group !== undefined) assertEquals(model.group, group);
    if (model.intid < 16) {
      assert((model.sources >>> (value >>> 10) & 1) !== 0, `${value}: nobody sent that`);
      model.sources &= ~(1 << (value >>> 10));
    } else {
      assertEquals(value, model.intid);
    }
    model.latch = false;
    model.activeOn = v;
    this.nested[v].push({ value, priority: model.priority, model });
  }

  end(v: number, cpu: Cpu): void {
    const taken = this.nested[v].pop();
    if (taken === undefined) return;
    cpu.store(taken.model.group === 1 && !this.ackCtl ? AEOIR : EOIR, taken.value);
    if (this.eoiMode) this.dropped.push(taken);
    else taken.model.activeOn = -1;
  }

  /** GICC_DIR of one that was dropped, by its vCPU or (SPIs) any other: an exit. */
  deactivate(next: (below: number) => number): void {
    if (this.dropped.length === 0) return;
    const [{ model, value }] = this.dropped.splice(next(this.dropped.length), 1);
    const by = model.owner >= 0 ? model.owner : next(this.count);
    this.gic.entry(this.vcpus[by]);
    this.gic.exit(this.vcpus[by]);
    this.gic.deactivate(this.vcpus[by], value & 0x3ff);
    model.activeOn = -1;
  }

  /** What must hold whenever nobody runs. */
  check(): void {
    const inLists = new Set<number>();
    for (const [v, cpu] of this.cpus.entries()) {
      for (let n = 0; n < 16; n++) {
        const value = cpu.read(`ICH_LR${n}_EL2`);
        if (value >> 62n === 0n) continue;
        assert(n < cpu.gic.listRegisters, "a list register that isn't there");
        const intid = Number(value & 0x3ffn);
        const key = intid < 32 ? v * 1000 + intid : intid;
        assert(!inLists.has(key), `${key} is in two list registers`);
        inLists.add(key);
      }
      assertEquals(cpu.load(RPR), this.nested[v].at(-1)?.priority ?? 0xff, "running priority");
    }
    for (const m of this.models) {
      const v = this.writer(m);
      const bit = (offset: number) => this.distributor.read(v, offset + 4 * (m.intid >>> 5), 4) >>> (m.intid & 31) & 1;
      assertEquals(bit(0x200), isPending(m) ? 1 : 0, `${m.intid} of ${m.owner} pending`);
      assertEquals(bit(0x380), m.activeOn >= 0 ? 1 : 0, `${m.intid} of ${m.owner} active`);
      if (m.intid < 16) assertEquals(this.distributor.read(v, 0xf20 + m.intid, 1), m.sources, `sources of ${m.intid}`);
    }
  }

  /** Everything that is deliverable arrives, each once: no lost level, edge or sender, and nothing twice. */
  drain(next: (below: number) => number): void {
    for (const m of this.models) {
      enable(this, m, true);
      if (m.owner < 0 && m.targets === 0) retarget(this, m, 1);
    }
    for (const [v, cpu] of this.cpus.entries()) {
      this.masks[v] = 0xf8;
      cpu.store(PMR, 0xff);
      this.run(v, this.nested[v].map(() => (cpu) => this.end(v, cpu)));
    }
    while (this.dropped.length > 0) this.deactivate(next);
    for (const m of this.models) {
      if (m.edge || !m.line) continue;
      m.line = false; // a device that is served lowers its line; software keeps it pending here
      m.latch = true;
      this.store(this.writer(m), 0x200 + 4 * (m.intid >>> 5), 1 << (m.intid & 31));
      this.gic.setLine(this.writer(m), m.intid, false);
    }
    for (let left = 1; left > 0;) {
      left = 0;
      for (const v of this.cpus.keys()) {
        for (; this.expected(v).length > 0; left++) {
          this.run(v, [(cpu) => this.acknowledge(v, cpu), (cpu) => this.end(v, cpu)]);
          this.deactivate(next);
        }
        this.run(v, [(cpu) => this.acknowledge(v, cpu)]);
      }
    }
    this.check();
    for (const m of this.models) assert(!isPending(m) && m.activeOn < 0, `${m.intid} of ${m.owner} is left over`);
  }
}

function fresh(intid: number, owner: number): Model {
  const shared = { line: false, latch: false, sources: 0, enabled: false, group: 0, priority: 0, targets: 0, activeOn: -1 } as const;
  return { intid, owner, edge: intid < 16, ...shared };
}

function isPending(m: Model): boolean {
  return m.sources !== 0 || m.latch || (m.line && !m.edge);
}

function enable(machine: Machine, m: Model, on: boolean): void {
  m.enabled = on;
  machine.store(machine.writer(m), (on ? 0x100 : 0x180) + 4 * (m.intid >>> 5), 1 << (m.intid & 31));
}

function retarget(machine: Machine, m: Model, targets: number): void {
  m.targets = targets;
  machine.byte(0, 0x800 + m.intid, targets);
}

function setLine(machine: Machine, m: Model, level: boolean): void {
  machine.gic.setLine(machine.writer(m), m.intid, level);
  if (level && m.edge && !m.line) m.latch = true;
  m.line = level;
}

function step(machine: Machine, next: (below: number) => number): void {
  const m = machine.models[next(machine.models.length)];
  const v = machine.writer(m);
  const [word, bit] = [4 * (m.intid >>> 5), 1 << (m.intid & 31)];
  switch (next(15)) {
    case 0:
    case 1: {
      if (m.intid >= 16) return setLine(machine, m, true);
      const sender = next(machine.count);
      machine.store(sender, 0xf00, 1 << 16 + m.owner | m.intid);
      m.sources |= 1 << sender;
      return;
    }
    case 2: {
      if (m.intid >= 16) return setLine(machine, m, false);
      const [sources, set] = [next(1 << machine.count), next(2) === 0];
      machine.byte(v, (set ? 0xf20 : 0xf10) + m.intid, sources);
      m.sources = set ? m.sources | sources : m.sources & ~sources;
      return;
    }
    case 3:
    case 4:
      return enable(machine, m, !m.enabled);
    case 5:
      m.priority = next(31) << 3;
      return machine.byte(v, 0x400 + m.intid, m.priority | next(8));
    case 6:
      if (m.intid >= 16) m.latch = true;
      return machine.store(v, 0x200 + word, bit);
    case 7:
      if (m.intid >= 16) m.latch = false;
      return machine.store(v, 0x280 + word, bit);
    case 8:
      if (m.owner < 0) retarget(machine, m, next(1 << machine.count));
      return;
    case 9:
      if (m.owner >= 0) return;
      m.edge = !m.edge;
      return machine.configure(m.intid);
    case 10:
      if (m.activeOn >= 0) return; // it ends as it was acknowledged
      m.group = m.group === 0 ? 1 : 0;
      return machine.groups(v, m.intid >>> 5);
    case 11:
      return machine.deactivate(next);
    default: {
      const u = next(machine.count);
      const choices = [
        (cpu: Cpu) => machine.acknowledge(u, cpu),
        (cpu: Cpu) => machine.acknowledge(u, cpu),
        (cpu: Cpu) => machine.end(u, cpu),
        (cpu: Cpu) => {
          machine.masks[u] = (next(4) === 0 ? next(32) : 31) << 3;
          cpu.store(PMR, machine.masks[u] | next(8));
        },
      ];
      const instructions = Array.from({ length: 1 + next(6) }, () => choices[next(choices.length)]);
      // A device that the guest reached directly moves a line before the exit.
      if (next(4) === 0 && m.intid >= 16) instructions.push(() => setLine(machine, m, !m.line));
      machine.run(u, instructions);
    }
  }
}

for (const listRegisters of [1, 2, 4, 16]) {
  for (const [vcpus, eoiMode, ackCtl] of [[1, false, true], [1, true, false], [3, false, false], [4, true, true]] as const) {
    const modes = `EOImode ${eoiMode ? 1 : 0}, AckCtl ${ackCtl ? 1 : 0}`;
    Deno.test(`gicv2: random operations agree with the reference: ${vcpus} vCPUs, ${listRegisters} list registers, ${modes}`, () => {
      for (let seed = 1; seed <= 8; seed++) {
        const random = new Random(`gicv2 ${listRegisters} ${modes} ${seed}`);
        const next = (below: number) => random.below(below);
        const machine = new Machine(vcpus, listRegisters, eoiMode, ackCtl);
        let n = 0;
        try {
          for (; n < 800; n++) {
            step(machine, next);
            machine.check();
          }
          machine.drain(next);
        } catch (error) {
          throw new Error(`seed ${seed}, step ${n}: ${(error as Error).message}`, { cause: error });
        }
      }
    });
  }
}
