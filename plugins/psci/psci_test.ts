import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { psci } from "./mod.ts";
import { PowerControl } from "./contract.ts";

const RAM = 0x4000_0000n;
const error = (code: number): bigint => BigInt.asUintN(64, BigInt(code));
const [NOT_SUPPORTED, INVALID_PARAMETERS, ALREADY_ON, INVALID_ADDRESS] = [-1, -2, -4, -9].map(error);

async function machine(vcpus = 4, conduit: "hvc" | "smc" = "hvc"): Promise<Bench> {
  const kit = bench({ vcpus });
  await kit.attach(psci, { conduit });
  kit.vcpu(0).start(RAM, 0n);
  return kit;
}

const CPU_ON = 0xc400_0003;
const rows: [name: string, id: number, args: (number | bigint)[], result: bigint][] = [
  ["PSCI_VERSION is 1.1", 0x8400_0000, [], 0x1_0001n],
  ["SMCCC_VERSION is 1.1", 0x8000_0000, [], 0x1_0001n],
  ["PSCI_VERSION has no 64-bit form", 0xc400_0000, [], NOT_SUPPORTED],
  ["ids of PSCI 0.2 to 1.3 that aren't there", 0x8400_0005, [], NOT_SUPPORTED],
  ["SYSTEM_OFF2", 0x8400_0015, [], NOT_SUPPORTED],
  ["FEATURES: CPU_ON", 0x8400_000a, [0xc400_0003], 0n],
  ["FEATURES: CPU_SUSPEND in original format", 0x8400_000a, [0x8400_0001], 0n],
  ["FEATURES: SMCCC_VERSION", 0x8400_000a, [0x8000_0000], 0n],
  ["FEATURES: SYSTEM_RESET2", 0x8400_000a, [0xc400_0012], 0n],
  ["FEATURES: SYSTEM_SUSPEND isn't there", 0x8400_000a, [0xc400_000e], NOT_SUPPORTED],
  ["FEATURES: garbage above bit 31 doesn't count", 0x8400_000a, [0xdead_beef_8400_0003n], 0n],
  ["ARCH_FEATURES: itself", 0x8000_0001, [0x8000_0001], 0n],
  ["ARCH_FEATURES: workaround 1 isn't needed", 0x8000_0001, [0x8000_8000], 1n],
  ["ARCH_FEATURES: SOC_ID", 0x8000_0001, [0x8000_0002], NOT_SUPPORTED],
  ["workaround 3 does nothing", 0x8000_3fff, [], 0n],
  ["MIGRATE_INFO_TYPE: no Trusted OS", 0x8400_0006, [], 2n],
  ["CPU_ON", CPU_ON, [1, RAM, 7], 0n],
  ["CPU_ON, 32 bits, dirty upper halves", 0x8400_0003, [0x1234_0000_0001n, 0xffff_0000_4000_0000n, 7], 0n],
  ["CPU_ON: myself", CPU_ON, [0, RAM, 0], ALREADY_ON],
  ["CPU_ON: nobody", CPU_ON, [9, RAM, 0], INVALID_PARAMETERS],
  ["CPU_ON: Aff1 counts", CPU_ON, [0x101, RAM, 0], INVALID_PARAMETERS],
  ["CPU_ON: Aff3 counts", CPU_ON, [0x1_0000_0001n, RAM, 0], INVALID_PARAMETERS],
  ["CPU_ON: bit 31 of MPIDR is no affinity", CPU_ON, [0x8000_0001n, RAM, 0], INVALID_PARAMETERS],
  ["CPU_ON: entry where nothing is", CPU_ON, [1, 0x10_0000, 0], INVALID_ADDRESS],
  ["CPU_ON: entry just behind the RAM", CPU_ON, [1, RAM + 0x10_0000n, 0], INVALID_ADDRESS],
  ["CPU_ON: last word of the RAM", CPU_ON, [1, RAM + 0xf_fffcn, 0], 0n],
  ["CPU_ON: unaligned by 1", CPU_ON, [1, RAM + 1n, 0], INVALID_ADDRESS],
  ["CPU_ON: unaligned by 2", CPU_ON, [1, RAM + 2n, 0], INVALID_ADDRESS],
  ["CPU_ON: entry of 64 bits", CPU_ON, [1, 2n ** 64n - 4n, 0], INVALID_ADDRESS],
  ["AFFINITY_INFO: on", 0xc400_0004, [0, 0], 0n],
  ["AFFINITY_INFO: off", 0x8400_0004, [3, 0], 1n],
  ["AFFINITY_INFO: nobody", 0x8400_0004, [4, 0], INVALID_PARAMETERS],
  ["AFFINITY_INFO: of a cluster", 0x8400_0004, [0, 1], INVALID_PARAMETERS],
  ["CPU_SUSPEND: reserved bits", 0x8400_0001, [0x4000_0000], INVALID_PARAMETERS],
  ["CPU_SUSPEND: power down to nowhere", 0xc400_0001, [0x1_0000, 3], INVALID_ADDRESS],
  ["SYSTEM_RESET2: vendor type", 0xc400_0012, [0x8000_0000], INVALID_PARAMETERS],
];

for (const [name, id, args, result] of rows) {
  Deno.test(`psci: ${name}`, async () => {
    assertEquals((await machine()).call(id, args), { x0: result, next: "run" });
  });
}

Deno.test("psci: CPU_ON starts a vCPU with its entry point and context; of two callers one has SUCCESS", async () => {
  const kit = await machine();
  assertEquals(kit.call(CPU_ON, [2, RAM + 0x100n, 2n ** 64n - 1n]).x0, 0n);
  assertEquals([kit.vcpu(2).power, kit.state(2).pc, kit.state(2).x(0)], ["runnable", RAM + 0x100n, 2n ** 64n - 1n]);
  assertEquals(kit.call(CPU_ON, [2, RAM, 0], { vcpu: 1 }).x0, ALREADY_ON);
  assertEquals(kit.call(0xc400_0004, [2, 0]).x0, 0n);
});

Deno.test("psci: CPU_OFF ends a vCPU, and CPU_ON starts it again", async () => {
  const kit = await machine();
  kit.call(CPU_ON, [1, RAM, 0]);
  kit.enter(1);
  assertEquals(kit.call(0x8400_0002, [], { vcpu: 1 }).next, "stopped");
  assertEquals(kit.vcpu(1).power, "off");
  assertEquals(kit.call(0xc400_0004, [1, 0]).x0, 1n);
  assertEquals(kit.call(CPU_ON, [1, RAM, 5]).x0, 0n);
  assertEquals(kit.state(1).x(0), 5n);
});

Deno.test("psci: CPU_SUSPEND waits and returns SUCCESS", async () => {
  const kit = await machine();
  assertEquals(kit.call(0xc400_0001, [0, 0, 0]), { x0: 0n, next: "wait" });
  assertEquals(kit.call(0xc400_0001, [0x1_0000, RAM, 0]), { x0: 0n, next: "wait" });
});

for (
  const [name, id, args, kind] of [["SYSTEM_OFF", 0x8400_0008, [], "power-off"], ["SYSTEM_RESET", 0x8400_0009, [], "reboot"], [
    "SYSTEM_RESET2",
    0xc400_0012,
    [0],
    "reboot",
  ]] as const
) {
  Deno.test(`psci: ${name} ends the domain with all its vCPUs`, async () => {
    const kit = await machine();
    kit.call(CPU_ON, [1, RAM, 0]);
    assertEquals(kit.call(id, args).next, "stopped");
    assertEquals(kit.domain.outcome?.kind, kind);
    assert(kit.domain.vcpus.every((vcpu) => vcpu.power === "off"));
  });
}

Deno.test("psci: only the declared conduit reaches it, and the device tree says which", async () => {
  const kit = await machine(1, "smc");
  assertEquals(kit.call(0x8400_0000, [], { conduit: "smc" }).x0, 0x1_0001n);
  assertEquals(kit.call(0x8400_0000, [], { conduit: "hvc" }).x0, NOT_SUPPORTED);
  assertEquals(kit.get(PowerControl).method, "smc");
  const [fragment] = psci.resources!({ conduit: "smc" }, { board: kit.board }).deviceTree!;
  assertEquals(fragment.nodes![0].properties.method, { text: "smc" });
});

Deno.test("psci: any identifier with any arguments gets an answer", async () => {
  const values = [0n, 1n, 0xffff_ffffn, RAM, RAM + 3n, 2n ** 64n - 1n, 0xff00_ffff_0000_0000n];
  for (const base of [0x8400_0000, 0xc400_0000, 0x8000_0000]) {
    for (let id = base; id < base + 0x20; id++) {
      for (const value of values) {
        const kit = await machine(2);
        assert(["run", "wait", "stopped"].includes(kit.call(id, [value, value, value]).next));
      }
    }
  }
});
