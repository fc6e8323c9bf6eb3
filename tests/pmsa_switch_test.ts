/**
 * The sequences of pmsa as the instructions that they are: MSR, DSB and ISB, executed at EL2 by the engine, whose MPU decides about
 * each fetch. A sequence that takes its own code away for one instruction ends in an exception.
 */
import { assert, assertEquals } from "@std/assert";
import type { El2Stop, VcpuState } from "../core/mod.ts";
import { Ram } from "../core/memory/ram.ts";
import { A64Engine } from "../plugins/cpu_a64/engine/engine.ts";
import { modelByName, registerByName, withMpuRegions } from "../plugins/cpu_a64/sysregs/mod.ts";
import { attributesOf } from "../plugins/pmsa/attributes.ts";
import type { Attributes, Audience } from "../plugins/pmsa/attributes.ts";
import { SCTLR } from "../plugins/pmsa/el2_mpu.ts";
import { change, replace } from "../plugins/pmsa/slots.ts";
import type { Slot, Slots, Step } from "../plugins/pmsa/slots.ts";

const BASE = 0x4000_0000, TEXT_SIZE = 0x1_0000, GUEST = 0x4010_0000;
const DSB_SY = 0xd503_3f9f, ISB = 0xd503_3fdf, RET = 0xd65f_03c0;
const RETURN = 0xdead_0000n;

const wb = (write: boolean, execute: boolean, audience: Audience) =>
  attributesOf({ read: true, write, execute, type: "normal-wb" }, audience);
const text = wb(false, true, "hypervisor"), data = wb(true, false, "hypervisor"), ram = wb(true, true, "guest");
const slot = (at: number, size: number, attributes: Attributes, enabled = true): Slot => ({ at, size, attributes, enabled });

/** MOVZ, MOVK and MSR for each write. */
function assemble(steps: readonly Step[]): number[] {
  const words = steps.flatMap((step) => {
    if ("barrier" in step) return [step.barrier === "dsb" ? DSB_SY : ISB];
    const [op0, op1, crn, crm, op2] = registerByName(step.register).encoding;
    const moves = [0, 1, 2, 3].map((n) =>
      (n === 0 ? 0xd280_0001 : 0xf280_0001 + n * 0x20_0000) + Number(step.value >> BigInt(16 * n) & 0xffffn) * 32
    );
    return [...moves, 0xd500_0001 + (op0 << 19) + (op1 << 16) + (crn << 12) + (crm << 8) + (op2 << 5)];
  });
  return [...words, RET];
}

class Machine {
  readonly memory: Ram = new Ram([{ at: BASE, size: 0x100_0000 }]);
  readonly engine: A64Engine;
  readonly vcpu: VcpuState;

  constructor(readonly regions: number) {
    this.engine = new A64Engine({
      memory: this.memory,
      bus: { claim() {}, find: () => undefined },
      model: withMpuRegions(modelByName("cortex-r82"), { el1: 16, el2: regions }),
      counterFrequencyHz: 62_500_000,
      smc: "trap",
    });
    this.vcpu = this.engine.createVcpu({ mpidr: 0n });
    this.vcpu.write("MAIR_EL2", 0xffn << 56n);
  }

  /** Runs the steps as code at the start of the text. */
  run(steps: readonly Step[]): El2Stop {
    const words = assemble(steps);
    assert(words.length * 4 <= TEXT_SIZE);
    this.memory.view(BASE, words.length * 4).set(new Uint8Array(new Uint32Array(words.map((word) => word >>> 0)).buffer));
    this.engine.memoryWritten(BASE, words.length * 4);
    return this.engine.runAtEl2(this.vcpu, { entry: BigInt(BASE), x: [], returnTo: RETURN, maxInstructions: 20_000 });
  }

  /** What EL2 reaches. */
  reaches(at: number): boolean {
    try {
      this.engine.accessAtEl2(this.vcpu, BigInt(at), 8);
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  }
}

/** It came to its RET, whose target nothing maps: that fetch isn't its own. */
function assertRan(stop: El2Stop): void {
  assertEquals(stop.kind, "returned", JSON.stringify(stop, (_, value) => typeof value === "bigint" ? value.toString(16) : value));
}

const image: Slots = [slot(BASE, TEXT_SIZE, text), slot(BASE + 0x2_0000, 0x1_0000, data)];
const guest = (from: number, count: number): Slot[] => Array.from({ length: count }, (_, n) => slot(from + n * 0x2000, 0x1000, ram));

Deno.test("from reset to the boot-time map, and from it to a runtime map whose regions are in other slots", () => {
  for (const regions of [16, 32, 48, 255]) {
    const machine = new Machine(regions);
    const boot: Slots = [slot(BASE + 0x8_0000, 0x1000, data), ...image, slot(BASE + 0x9_0000, 0x1000, text)];
    assertRan(machine.run(replace(boot, regions, SCTLR)));
    assertEquals([BASE, BASE + 0x8_0000, BASE + 0x9_0000, GUEST].map((at) => machine.reaches(at)), [true, true, true, false]);
    const run: Slots = [...image, ...guest(GUEST, 5)];
    assertRan(machine.run(replace(run, regions, SCTLR)));
    assertEquals([BASE, BASE + 0x8_0000, BASE + 0x9_0000, GUEST].map((at) => machine.reaches(at)), [true, false, false, true]);
    assertEquals(machine.vcpu.read("SCTLR_EL2"), SCTLR);
  }
});

Deno.test("one guest's regions for another's, with the MPU on and the code in it, up to 250 of them", () => {
  const machine = new Machine(255);
  assertRan(machine.run(replace(image, 255, SCTLR)));
  let before: Slots = image;
  for (const count of [3, 250, 40, 33, 0, 31]) {
    const after: Slots = [...image, ...guest(GUEST + count * 64, count)];
    assertRan(machine.run(change(before, after)));
    for (const n of [0, 1, 29, 30, 31, 38, 249]) {
      assertEquals(machine.reaches(GUEST + count * 64 + n * 0x2000), n < count, `${count} regions, ${n}`);
    }
    before = after;
  }
});

Deno.test("the text's region grows and shrinks under the code", () => {
  const machine = new Machine(16);
  const sized = (size: number): Slots => [slot(BASE, size, text), slot(BASE + size, 0x1_0000, data)];
  assertRan(machine.run(replace(sized(TEXT_SIZE), 16, SCTLR)));
  for (const [from, to] of [[TEXT_SIZE, 0x2_0000], [0x2_0000, 0x1_0040], [0x1_0040, TEXT_SIZE]]) {
    assertRan(machine.run(change(sized(from), sized(to))));
    assert(machine.reaches(BASE + to - 8) && machine.reaches(BASE + to + 8));
  }
});

Deno.test("a sequence that breaks the rules takes an exception where it does", () => {
  const after: Slots = [...image, slot(GUEST, 0x1000, ram)];
  const steps = change(image, after);
  const first = steps.findIndex((step) => "register" in step && step.register === "PRENR_EL2");
  const mutants: Readonly<Record<string, readonly Step[]>> = {
    "all regions off": steps.toSpliced(first, 1, { register: "PRENR_EL2", value: 0n }),
    "the text's region moved in two steps": [
      { register: "PRSELR_EL2", value: 0n },
      { barrier: "isb" },
      { register: "PRBAR_EL2", value: BigInt(BASE + 0x1000) | 0x38n },
      { register: "PRBAR_EL2", value: BigInt(BASE) | 0x38n },
    ],
    "a guest's region over the text": change(image, [...image, slot(BASE, 0x1000, ram)]),
  };
  for (const [what, mutant] of Object.entries(mutants)) {
    const machine = new Machine(16);
    assertRan(machine.run(replace(image, 16, SCTLR)));
    assertRan(machine.run(steps));
    const stop = machine.run(mutant);
    assertEquals(stop.kind, "exception", what);
    assertEquals(stop.kind === "exception" && [stop.esr >> 26n, stop.esr & 63n], [0x21n, 0b000100n], what);
  }
});
