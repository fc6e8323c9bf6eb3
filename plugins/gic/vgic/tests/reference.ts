/**
 * A GIC without list registers: what a guest must see, written from Arm IHI 0069 and sharing nothing with the implementation. One Security
 * state, five bits of priority. Where the architecture leaves a choice (ties), it names all that may happen.
 */

/** One interrupt; a private one belongs to one vCPU. */
export interface Interrupt {
  readonly intid: number;
  /** Whose it is; 0 for SPIs. */
  readonly owner: number;
  line: boolean;
  latch: boolean;
  edge: boolean;
  enabled: boolean;
  group: 0 | 1;
  priority: number;
  /** Index of the vCPU that it goes to; -1: nobody. */
  target: number;
  /** Routing mode "any". */
  any: boolean;
  /** Index of the vCPU that has it active, or -1. */
  activeOn: number;
}

/** An acknowledgement whose priority hasn't been dropped. */
interface Running {
  readonly intid: number;
  readonly group: 0 | 1;
  readonly groupPriority: number;
}

/** A vCPU's CPU interface. */
export interface CpuInterface {
  mask: number;
  binaryPoint: [number, number];
  common: boolean;
  splitEnd: boolean;
  enabled: [boolean, boolean];
  running: Running[];
}

/** What a CPU may be told: a group and INTID, or nothing. */
export interface Choice {
  readonly intid: number;
  readonly group: 0 | 1;
  /** It may be taken now. */
  readonly preempts: boolean;
}

const reset = (): CpuInterface => ({
  mask: 0,
  binaryPoint: [2, 3],
  common: false,
  splitEnd: false,
  enabled: [false, false],
  running: [],
});

/** The reference. */
export class Reference {
  readonly interrupts = new Map<number, Interrupt>();
  readonly cpus: CpuInterface[];
  readonly on: boolean[];
  readonly asleep: boolean[];
  /** GICD_CTLR.EnableGrp0, EnableGrp1. */
  forwards: [boolean, boolean] = [false, false];
  readonly #seenBy: Interrupt[][];

  constructor(readonly vcpus: number, spis: readonly number[], privates: readonly number[]) {
    this.cpus = Array.from({ length: vcpus }, reset);
    this.on = new Array(vcpus).fill(true);
    this.asleep = new Array(vcpus).fill(false);
    for (let v = 0; v < vcpus; v++) for (const intid of privates) this.#add(intid, v);
    for (const intid of spis) this.#add(intid, 0);
    const all = [...this.interrupts.values()];
    this.#seenBy = this.cpus.map((_, v) => all.filter(({ intid, owner }) => intid >= 32 || owner === v));
  }

  #add(intid: number, owner: number): void {
    this.interrupts.set(owner * 1000 + intid, {
      ...{ intid, owner, line: false, latch: false, edge: intid < 16, enabled: false, group: 0, priority: 0 },
      ...{ target: owner, any: false, activeOn: -1 },
    });
  }

  /** An interrupt as a vCPU names it. */
  find(v: number, intid: number): Interrupt {
    return this.interrupts.get(intid < 32 ? v * 1000 + intid : intid)!;
  }

  pending({ latch, line, edge }: Interrupt): boolean {
    return latch || (line && !edge);
  }

  /** The part of a priority that preempts. */
  groupPriority(v: number, priority: number, group: 0 | 1): number {
    const { binaryPoint, common } = this.cpus[v];
    const ignored = group === 0 || common ? binaryPoint[0] + 1 : binaryPoint[1];
    return priority & (0xff << ignored) & 0xff;
  }

  /** ICC_RPR_EL1. */
  runningPriority(v: number): number {
    return this.cpus[v].running.at(-1)?.groupPriority ?? 0xff;
  }

  /** ICC_AP<group>R0_EL1. */
  activePriorities(v: number, group: 0 | 1): number {
    let bits = 0;
    for (const level of this.cpus[v].running) if (level.group === group) bits |= 1 << (level.groupPriority >>> 3);
    return bits >>> 0;
  }

  /** What is highest for a vCPU; more than one when priorities are equal. */
  highest(v: number): Choice[] {
    const cpu = this.cpus[v];
    if (!this.on[v] || this.asleep[v]) return [];
    let best = 0x100;
    let found: Interrupt[] = [];
    for (const m of this.#seenBy[v]) {
      if (m.priority > best || m.target !== v || !m.enabled || m.activeOn >= 0 || !(m.latch || (m.line && !m.edge))) continue;
      if (!this.forwards[m.group] || !cpu.enabled[m.group]) continue;
      if (m.priority < best) {
        best = m.priority;
        found = [];
      }
      found.push(m);
    }
    if (found.length === 0) return [];
    const running = this.runningPriority(v);
    return found.map(({ intid, group }) => ({
      intid,
      group,
      preempts: best < cpu.mask && this.groupPriority(v, best, group) < running,
    }));
  }

  acknowledge(v: number, intid: number): void {
    const m = this.find(v, intid);
    m.latch = false;
    m.activeOn = v;
    this.cpus[v].running.push({ intid, group: m.group, groupPriority: this.groupPriority(v, m.priority, m.group) });
  }

  /** The end of the latest acknowledgement, and with EOImode 0 the deactivation. */
  end(v: number): void {
    const cpu = this.cpus[v];
    const { intid } = cpu.running.pop()!;
    const m = this.find(v, intid);
    if (!cpu.splitEnd && m.activeOn === v) m.activeOn = -1;
  }

  /** It became pending, or who takes part changed: one of mode "any" goes to the first that is on and awake. */
  choose(m: Interrupt): void {
    if (m.any) m.target = this.on.findIndex((on, v) => on && !this.asleep[v]);
  }

  chooseAll(): void {
    for (const m of this.interrupts.values()) this.choose(m);
  }

  latch(m: Interrupt): void {
    m.latch = true;
    this.choose(m);
  }

  line(m: Interrupt, level: boolean): void {
    if (level === m.line) return;
    m.line = level;
    if (level && m.edge) m.latch = true;
    if (level) this.choose(m);
  }

  /** GICD_ISACTIVER, GICR_ISACTIVER0: on the vCPU that it goes to. */
  activate(m: Interrupt): void {
    if (m.activeOn < 0) m.activeOn = Math.max(m.intid < 32 ? m.owner : m.target, 0);
  }

  /** `targets`: which vCPUs a write reaches. */
  sgi(targets: (v: number) => boolean, intid: number, forGroup0: boolean): void {
    for (let v = 0; v < this.vcpus; v++) {
      const m = this.find(v, intid);
      if (targets(v) && !(forGroup0 && m.group === 1)) m.latch = true;
    }
  }

  powerOff(v: number): void {
    this.on[v] = false;
  }

  powerOn(v: number): void {
    this.on[v] = true;
    this.cpus[v] = reset();
    this.chooseAll();
  }
}
