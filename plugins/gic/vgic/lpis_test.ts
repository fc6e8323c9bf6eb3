/** LPIs through list registers, with the CPU engine's own interface: all are taken, in order of priority, none lost, none twice. */
import { assert, assertEquals } from "@std/assert";
import { VirtualClock } from "../../../core/schedule/virtual_clock.ts";
import { gicVcpu } from "../../../tests/support/gic_cpu.ts";
import type { GicVcpu } from "../../../tests/support/gic_cpu.ts";
import { Random } from "../../../tests/support/random.ts";
import type { GuestMemory } from "./guest_memory.ts";
import { createLpiState, FIRST_LPI } from "./lpi_state.ts";
import { Lpis } from "./lpis.ts";
import { createState } from "./state.ts";
import { Vgic } from "./vgic.ts";

const PROPERTIES = 0x1_0000;
const PENDING = 0x2_0000;
const SPI = 40;

/** vCPUs, their GIC, and memory from 0 on. */
class Machine {
  readonly vcpus: GicVcpu[];
  readonly gic: Vgic;
  readonly lpis: Lpis;
  readonly clock = new VirtualClock(() => {});
  readonly bytes = new Uint8Array(0x10_0000);

  constructor(count: number, listRegisters: number) {
    this.vcpus = Array.from({ length: count }, (_, v) => gicVcpu(v, listRegisters));
    this.gic = new Vgic(createState(count, 32), this.vcpus, listRegisters);
    const { gic, bytes } = this;
    const memory: GuestMemory = {
      read: (at, size) => at + size <= bytes.length ? bytes.slice(at, at + size) : undefined,
      write: (at, data) => at + data.length <= bytes.length && (bytes.set(data, at), true),
    };
    const host = {
      vcpus: count,
      state: createLpiState(count),
      isRunning: (v: number) => gic.state.running[v] !== 0,
      refresh: (v: number) => gic.refresh(v),
      trace: () => {},
      open: (lpis: Lpis) => gic.attachLpis(lpis),
    };
    this.lpis = new Lpis(host, memory, this.clock.forInstance("lpis", (_, run) => run(), () => {}));
    this.lpis.open();
    gic.state.control = 3;
    for (const vcpu of this.vcpus) {
      gic.reset(vcpu);
      vcpu.state.gic.writeRegister("ICC_PMR_EL1", 0xf8n);
      vcpu.state.gic.writeRegister("ICC_IGRPEN1_EL1", 1n);
    }
  }

  /** As the guest does it, once the configuration table is filled. */
  enable(): void {
    for (const { index } of this.vcpus) {
      this.lpis.writeRegister(index, 0x70, PROPERTIES | 15);
      this.lpis.writeRegister(index, 0x78, PENDING + index * 0x1_0000);
      this.lpis.writeRegister(index, 0, 1);
    }
  }

  configure(intid: number, value: number): void {
    this.bytes[PROPERTIES + intid - FIRST_LPI] = value;
  }

  /** A run in which a guest takes what there is, `most` interrupts; something happens after each acknowledgement. Returns what it took. */
  run(v: number, most: number, meanwhile: (intid: number) => void = () => {}): number[] {
    const vcpu = this.vcpus[v];
    const cpu = vcpu.state.gic;
    const maintain = () => {
      for (let n = 0; cpu.maintenancePending(); n++) {
        assert(n < 4, "a maintenance interrupt stays pending");
        this.gic.exit(vcpu);
        this.gic.entry(vcpu);
      }
    };
    const taken: number[] = [];
    this.gic.entry(vcpu);
    while (taken.length < most) {
      maintain();
      const intid = Number(cpu.readRegister("ICC_IAR1_EL1"));
      if (intid === 1023) break;
      taken.push(intid);
      meanwhile(intid);
      maintain();
      cpu.writeRegister("ICC_EOIR1_EL1", BigInt(intid));
    }
    this.gic.exit(vcpu);
    return taken;
  }
}

for (const listRegisters of [1, 2, 4, 16]) {
  Deno.test(`lpis: 1,000 at once on each of 2 vCPUs, ${listRegisters} list registers: all taken, by priority, none lost or doubled`, () => {
    const random = new Random(`lpis ${listRegisters}`);
    const machine = new Machine(2, listRegisters);
    const intids = new Set<number>();
    while (intids.size < 2000) intids.add(FIRST_LPI + random.below(57_344));
    const priority = new Map([...intids].map((intid) => [intid, random.below(31) << 3]));
    for (const [intid, value] of priority) machine.configure(intid, value | 1);
    machine.enable();
    const expected: number[][] = [[], []];
    for (const intid of intids) {
      const v = random.below(2);
      expected[v].push(intid);
      machine.lpis.pend(v, intid);
      machine.lpis.pend(v, intid); // merges
    }
    for (const v of [0, 1]) {
      expected[v].sort((a, b) => priority.get(a)! - priority.get(b)! || a - b);
      const taken: number[] = [];
      for (let some = machine.run(v, 1 + random.below(40)); some.length > 0; some = machine.run(v, 1 + random.below(40))) {
        taken.push(...some);
      }
      assertEquals(taken, expected[v]);
      assert(machine.lpis.state.pending.subarray(v * 1792, (v + 1) * 1792).every((word) => word === 0));
    }
  });
}

Deno.test("lpis: edges while the vCPU runs: one before the acknowledgement merges, one after it is another interrupt", () => {
  const machine = new Machine(2, 4);
  machine.configure(8200, 0xa1);
  machine.enable();
  machine.lpis.pend(0, 8200);
  let again = 3;
  const pendAgain = () => void (again-- > 0 && machine.lpis.pend(0, 8200));
  const taken: number[] = [];
  for (let some = machine.run(0, 10, pendAgain); some.length > 0; some = machine.run(0, 10, pendAgain)) taken.push(...some);
  assertEquals(taken, [8200, 8200, 8200, 8200]);

  machine.gic.entry(machine.vcpus[0]);
  for (let n = 0; n < 3; n++) machine.lpis.pend(0, 8200); // nobody acknowledged
  machine.gic.exit(machine.vcpus[0]);
  assertEquals([machine.run(0, 10), machine.run(0, 10)], [[8200], []]);
});

Deno.test("lpis: what is taken back while the vCPU runs doesn't come back", () => {
  for (const withdraw of ["clear", "move", "disable"] as const) {
    const machine = new Machine(2, 4);
    for (const intid of [8200, 8201]) machine.configure(intid, 0xa1);
    machine.enable();
    machine.lpis.pend(0, 8200);
    const taken = machine.run(0, 1, () => {
      machine.lpis.pend(0, 8200);
      machine.lpis.pend(0, 8201);
      if (withdraw === "clear") [8200, 8201].forEach((intid) => machine.lpis.clear(0, intid));
      else if (withdraw === "move") [8200, 8201].forEach((intid) => machine.lpis.move(0, 1, intid));
      else machine.lpis.enable(0, false);
    });
    assertEquals([taken, machine.run(0, 10), machine.run(1, 10)], [[8200], [], withdraw === "move" ? [8200, 8201] : []], withdraw);
  }
});

Deno.test("lpis: SPIs and LPIs share the list registers by priority, and group 1's enable holds for both", () => {
  const machine = new Machine(1, 2);
  const { gic } = machine;
  gic.state.group.fill(0xffff_ffff);
  gic.state.enable.fill(0xffff_ffff);
  gic.state.priority[32 + (SPI & 31)] = 0x80;
  for (const [intid, priority] of [[8192, 0xa0], [8193, 0x40], [8194, 0x88], [8195, 0x78]]) machine.configure(intid, priority | 1);
  machine.enable();
  for (const intid of [8192, 8193, 8194, 8195]) machine.lpis.pend(0, intid);
  gic.setLatch(0, 1, 1 << (SPI & 31), true);
  gic.state.control = 1;
  gic.refreshAll();
  assertEquals(machine.run(0, 10), []);
  gic.state.control = 3;
  gic.refreshAll();
  assertEquals(machine.run(0, 10), [8193, 8195, SPI, 8194, 8192]);
});

Deno.test("lpis: a power-up of the vCPU loses none, and a sleeping redistributor keeps them", () => {
  const machine = new Machine(1, 4);
  machine.configure(8200, 0xa1);
  machine.enable();
  machine.lpis.pend(0, 8200);
  const [vcpu] = machine.vcpus;
  vcpu.state.reset();
  machine.gic.reset(vcpu);
  vcpu.state.gic.writeRegister("ICC_PMR_EL1", 0xf8n);
  vcpu.state.gic.writeRegister("ICC_IGRPEN1_EL1", 1n);
  machine.gic.state.asleep[0] = 1;
  machine.gic.refreshAll();
  assertEquals(machine.run(0, 10), []);
  machine.gic.state.asleep[0] = 0;
  machine.gic.refreshAll();
  assertEquals(machine.run(0, 10), [8200]);
});

Deno.test("lpis: state is plain data, and a refresh with 57,344 pending costs microseconds", () => {
  const machine = new Machine(1, 16);
  machine.bytes.fill(1, PROPERTIES, PROPERTIES + 57_344);
  for (let lpi = 0; lpi < 57_344; lpi++) machine.bytes[PROPERTIES + lpi] = (lpi % 31) << 3 | 1;
  machine.bytes.fill(0xff, PENDING + 1024, PENDING + 8192);
  machine.enable();
  assertEquals(structuredClone(machine.lpis.state), machine.lpis.state);
  const time = () => {
    const start = performance.now();
    for (let n = 0; n < 1000; n++) machine.gic.refresh(0);
    return performance.now() - start;
  };
  const best = Math.min(...Array.from({ length: 5 }, time));
  assert(best < 200, `${best} µs`);
  assertEquals(machine.run(0, 3), [8192, 8192 + 31, 8192 + 62]);
});
