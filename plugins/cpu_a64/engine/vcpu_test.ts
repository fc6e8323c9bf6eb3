import { assertEquals } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import { modelByName } from "../sysregs/mod.ts";
import { A64Engine } from "./engine.ts";

function engineWith(words: readonly number[]) {
  const ram = new Ram([{ at: 0x4000_0000, size: 0x1_0000 }]);
  ram.view(0x4000_0000, words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
  const engine = new A64Engine({
    memory: ram,
    bus: { claim() {}, find: () => undefined },
    model: modelByName("cortex-a57"),
    counterFrequencyHz: 62_500_000,
    smc: "trap",
  });
  return { engine, vcpu: engine.createVcpu({ mpidr: 0n }) };
}

Deno.test("disassembly for reports: registers by name, and nothing where nothing is mapped", () => {
  const { vcpu } = engineWith([0xd538_4100, 0xd518_c001, 0xd53b_e040, 0xf940_0020]);
  const texts = [0n, 4n, 8n, 12n].map((at) => vcpu.disassemble(0x4000_0000n + at));
  assertEquals(texts, ["mrs x0, SP_EL0", "msr VBAR_EL1, x1", "mrs x0, CNTVCT_EL0", "ldr x0, [x1]"]);
  assertEquals(vcpu.disassemble(0x9000_0000n), undefined);
});

Deno.test("a saved vCPU comes back, also after another one ran", () => {
  const { engine, vcpu } = engineWith([0x9100_0400, 0x17ff_ffff]);
  vcpu.write("HCR_EL2", 1n << 31n);
  vcpu.pc = 0x4000_0000n;
  vcpu.setV(3, 0x1234n << 64n);
  engine.run(vcpu, { budget: 1000, startNs: 0, nsPerInstruction: 1 });
  const saved = vcpu.save();
  const [x0, pc] = [vcpu.x(0), vcpu.pc];
  const other = engine.createVcpu({ mpidr: 1n });
  assertEquals(other.x(0), 0n);
  engine.run(vcpu, { budget: 1000, startNs: 1000, nsPerInstruction: 1 });
  assertEquals(vcpu.x(0), x0 * 2n);
  vcpu.restore(saved);
  assertEquals([vcpu.x(0), vcpu.pc, vcpu.v(3)], [x0, pc, 0x1234n << 64n]);
});
