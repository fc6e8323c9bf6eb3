import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../tests/support/random.ts";
import { FAST_ACCESS } from "../state.ts";
import { controlledBy, registers } from "../sysregs/mod.ts";
import { BASE, programMachine } from "./tests/program_machine.ts";

Deno.test("after each write to what decides about traps, accesses go straight to a slot as if all were looked at anew", () => {
  const { engine } = programMachine({ [BASE]: [0xd503_201f] }, "off");
  const vcpu = engine.createVcpu({ mpidr: 0n });
  const { block, registers: unit } = engine.cpu;
  const bytes = () => block.bytes.slice(block.address + FAST_ACCESS, block.address + FAST_ACCESS + registers.length);
  const names = [...controlledBy.keys()].filter((name) => name !== "SPSel");
  const random = new Random("controls");
  let changes = 0;
  for (let n = 0; n < 2000; n++) {
    const before = bytes();
    const name = random.pick(names);
    vcpu.write(name, random.u64() & (random.chance(0.5) ? random.u64() : ~0n));
    const after = bytes();
    unit.updateFastAccess();
    const wrong = registers.filter(({ index }) => after[index] !== bytes()[index]).map((r) => r.name);
    assertEquals(wrong, [], `${n}: ${name}`);
    if (after.some((byte, index) => byte !== before[index])) changes++;
  }
  assert(changes > 200, `${changes}`);
});
