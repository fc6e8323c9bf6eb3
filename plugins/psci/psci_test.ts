import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { MemoryBackend } from "../../core/mod.ts";
import type { Mapping } from "../../core/mod.ts";
import { psci } from "./mod.ts";
import type { PsciOptions } from "./mod.ts";
import { PowerControl } from "../smccc/contract.ts";

const RAM = 0x4000_0000n;
const GUEST_RAM: Mapping = { read: true, write: true, execute: true, type: "normal-wb" };
const error = (code: number): bigint => BigInt.asUintN(64, BigInt(code));
const [NOT_SUPPORTED, INVALID_PARAMETERS, ALREADY_ON, INVALID_ADDRESS] = [-1, -2, -4, -9].map(error);

const plain: PsciOptions = { conduit: "hvc", version: "1.1", suspend: "standby", power_up: 0 };

async function machine(vcpus = 4, conduit: "hvc" | "smc" = "hvc"): Promise<Bench> {
  const kit = bench({ vcpus });
  await kit.attach(psci, { ...plain, conduit });
  kit.vcpu(0).start(RAM, 0n);
  return kit;
}

const CPU_ON = 0xc400_0003;
const rows: [name: string, id: number, args: (number | bigint)[], result: bigint][] = [
  ["PSCI_VERSION is 1.1", 0x8400_0000, [], 0x1_0001n],
  ["SMCCC_VERSION is 1.2", 0x8000_0000, [], 0x1_0002n],
  ["PSCI_VERSION has no 64-bit form", 0xc400_0000, [], NOT_SUPPORTED],
  ["MIGRATE: no Trusted OS", 0x8400_0005, [1], NOT_SUPPORTED],
  ["MIGRATE_INFO_UP_CPU: no Trusted OS", 0xc400_0007, [], NOT_SUPPORTED],
  ["MEM_PROTECT", 0x8400_0013, [1], NOT_SUPPORTED],
  ["SYSTEM_OFF2", 0x8400_0015, [], NOT_SUPPORTED],
  ["FEATURES: CPU_ON", 0x8400_000a, [0xc400_0003], 0n],
  ["FEATURES: CPU_SUSPEND in original format", 0x8400_000a, [0x8400_0001], 0n],
  ["FEATURES: SMCCC_VERSION", 0x8400_000a, [0x8000_0000], 0n],
  ["FEATURES: SYSTEM_RESET2", 0x8400_000a, [0xc400_0012], 0n],
  ["FEATURES: SYSTEM_SUSPEND", 0x8400_000a, [0xc400_000e], 0n],
  ["FEATURES: MIGRATE isn't there", 0x8400_000a, [0xc400_0005], NOT_SUPPORTED],
  ["FEATURES: CPU_OFF has no 64-bit form", 0x8400_000a, [0xc400_0002], NOT_SUPPORTED],
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
  ["AFFINITY_INFO: of a cluster, one of which is on", 0x8400_0004, [0, 1], 0n],
  ["AFFINITY_INFO: fields below the level don't count", 0x8400_0004, [0x77, 1], 0n],
  ["AFFINITY_INFO: of another cluster", 0xc400_0004, [0x100, 1], INVALID_PARAMETERS],
  ["AFFINITY_INFO: of Aff2, of Aff3", 0xc400_0004, [0, 3], 0n],
  ["AFFINITY_INFO: of another Aff3", 0xc400_0004, [0x1_0000_0000n, 3], INVALID_PARAMETERS],
  ["AFFINITY_INFO: there is no level 4", 0xc400_0004, [0, 4], INVALID_PARAMETERS],
  ["AFFINITY_INFO: bits that are no affinity", 0xc400_0004, [0x8000_0000n, 3], INVALID_PARAMETERS],
  ["CPU_SUSPEND: reserved bits", 0x8400_0001, [0x4000_0000], INVALID_PARAMETERS],
  ["CPU_SUSPEND: power down to the last address of all", 0xc400_0001, [0x1_0000, 2n ** 64n - 1n], INVALID_ADDRESS],
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
  const [fragment] = psci.resources!({ ...plain, conduit: "smc" }, { board: kit.board }).deviceTree!;
  assertEquals(fragment.nodes![0].properties.method, { text: "smc" });
});

for (const [name, ec] of [["HVC", 0x16], ["SMC", 0x17]] as const) {
  Deno.test(`psci: ${name} with another immediate than 0 isn't a call, and UNDEFINED`, async () => {
    for (const immediate of [1, 0xea1, 0xffff]) {
      const kit = await machine(2, ec === 0x16 ? "hvc" : "smc");
      kit.state().setX(0, 0x8400_0008n);
      assertEquals(kit.trap(ec, immediate), "run");
      assertEquals(kit.state().injected, [{ kind: "undefined" }]);
      assertEquals(kit.domain.outcome, undefined);
    }
  });
}

Deno.test("psci: entry points are the domain's own executable memory: not a device, not read-only data, not what another domain has", async () => {
  const kit = await machine();
  const [device, data, code] = [0x900_0000, 0x5000_0000, 0x6000_0000];
  const frame = kit.memory.allocate("guest", 0);
  kit.domain.space.map(device, 0x900_0000, 4096, { read: true, write: true, execute: true, type: "device-ngnre" });
  kit.domain.space.map(data, frame, 4096, { read: true, write: true, execute: false, type: "normal-wb" });
  (kit.host.board.find(MemoryBackend.name)!.value as MemoryBackend).createAddressSpace("other").map(0x7000_0000, frame, 4096, GUEST_RAM);
  kit.domain.space.map(code, frame, 4096, { read: true, write: false, execute: true, type: "normal-nc" });
  assertEquals([device, data, 0x7000_0000].map((entry) => kit.call(CPU_ON, [1, entry, 0]).x0), Array(3).fill(INVALID_ADDRESS));
  assertEquals(kit.call(CPU_ON, [1, code, 0]).x0, 0n);
});

Deno.test("psci: the last vCPU may go off; nothing can start one again, and a trace event says so", async () => {
  const kit = await machine(2);
  assertEquals(kit.call(CPU_ON, [1, RAM, 0]).x0, 0n);
  assertEquals(kit.call(0x8400_0002).next, "stopped");
  assertEquals(kit.traced, []);
  assertEquals(kit.call(0x8400_0002, [], { vcpu: 1 }).next, "stopped");
  assert(kit.traced[0].startsWith("last vCPU off: "), kit.traced[0]);
  assertEquals(kit.domain.outcome, undefined);
});
