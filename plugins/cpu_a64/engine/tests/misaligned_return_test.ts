import { assertEquals } from "@std/assert";
import { BASE, programMachine } from "./program_machine.ts";

const VECTORS = BASE + 0x1000, FROM_EL0 = VECTORS + 0x400;
const EC_PC_ALIGNMENT = 0x22n;

for (const tier1 of ["off", "force"] as const) {
  Deno.test(`ERET to where no instruction can be, with tier 1 ${tier1}: nothing of the page before is executed`, () => {
    for (const elr of [1n, 2n, 3n, 5n, 6n, 7n, 9n, 0xffdn, 0x1005n, 1n << 55n | 5n]) {
      const { engine } = programMachine({
        [BASE]: [0xd69f03e0, ...Array<number>(4).fill(0xd28009a5)], // eret, mov x5, #77
        [FROM_EL0]: [0x14000000], // b .
      }, tier1);
      const vcpu = engine.createVcpu({ mpidr: 0n });
      vcpu.write("HCR_EL2", 1n << 31n);
      vcpu.write("VBAR_EL1", BigInt(VECTORS));
      vcpu.write("ELR_EL1", elr);
      vcpu.write("SPSR_EL1", 0n);
      vcpu.pc = BigInt(BASE);
      engine.run(vcpu, { budget: 3, startNs: 0, nsPerInstruction: 1 });
      assertEquals([vcpu.x(5), vcpu.read("ESR_EL1") >> 26n, vcpu.read("ELR_EL1"), vcpu.pc], [0n, EC_PC_ALIGNMENT, elr, BigInt(FROM_EL0)]);
    }
  });
}
