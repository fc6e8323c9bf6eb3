/** The four versions: what each has, how it says no, and what the device tree tells of it. */
import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { psci } from "./mod.ts";
import type { PsciOptions } from "./mod.ts";

const RAM = 0x4000_0000n;
const error = (code: number): bigint => BigInt.asUintN(64, BigInt(code));
const [NOT_SUPPORTED, INVALID_PARAMETERS, ALREADY_ON, INVALID_ADDRESS] = [-1, -2, -4, -9].map(error);
type Version = PsciOptions["version"];
const versions: readonly Version[] = ["0.1", "0.2", "1.0", "1.1"];

const options = (version: Version): PsciOptions => ({ conduit: "hvc", version, suspend: "standby", power_up: 0 });

async function machine(version: Version): Promise<Bench> {
  const kit = bench({ vcpus: 2 });
  await kit.attach(psci, options(version));
  kit.vcpu(0).start(RAM, 0n);
  return kit;
}

/** What a call returns, by version from 0.1 to 1.1. */
const rows: [name: string, id: number, args: (number | bigint)[], results: bigint[]][] = [
  ["PSCI_VERSION", 0x8400_0000, [], [NOT_SUPPORTED, 2n, 0x1_0000n, 0x1_0001n]],
  ["PSCI_FEATURES of CPU_ON", 0x8400_000a, [0xc400_0003], [NOT_SUPPORTED, NOT_SUPPORTED, 0n, 0n]],
  ["PSCI_FEATURES of SYSTEM_RESET2", 0x8400_000a, [0x8400_0012], [NOT_SUPPORTED, NOT_SUPPORTED, NOT_SUPPORTED, 0n]],
  ["AFFINITY_INFO", 0xc400_0004, [1, 0], [NOT_SUPPORTED, 1n, 1n, 1n]],
  ["MIGRATE_INFO_TYPE", 0x8400_0006, [], [NOT_SUPPORTED, 2n, 2n, 2n]],
  ["MIGRATE", 0xc400_0005, [1], Array(4).fill(NOT_SUPPORTED)],
  ["SYSTEM_SUSPEND to nowhere", 0xc400_000e, [0, 0], [NOT_SUPPORTED, NOT_SUPPORTED, INVALID_ADDRESS, INVALID_ADDRESS]],
  ["PSCI_STAT_COUNT", 0xc400_0011, [0, 0], [NOT_SUPPORTED, NOT_SUPPORTED, 0n, 0n]],
  ["SYSTEM_RESET2 of no such type", 0xc400_0012, [7], [NOT_SUPPORTED, NOT_SUPPORTED, NOT_SUPPORTED, INVALID_PARAMETERS]],
  ["CPU_ON to nowhere", 0xc400_0003, [1, 0, 0], [INVALID_PARAMETERS, INVALID_PARAMETERS, INVALID_ADDRESS, INVALID_ADDRESS]],
  ["CPU_ON of myself", 0xc400_0003, [0, RAM, 0], [INVALID_PARAMETERS, ALREADY_ON, ALREADY_ON, ALREADY_ON]],
  ["CPU_ON", 0xc400_0003, [1, RAM, 0], Array(4).fill(0n)],
  ["CPU_SUSPEND to nowhere", 0xc400_0001, [0x1_0000, 0, 0], [INVALID_PARAMETERS, INVALID_PARAMETERS, INVALID_ADDRESS, INVALID_ADDRESS]],
  ["SMCCC_VERSION, which nobody can find before PSCI 1.0", 0x8000_0000, [], [NOT_SUPPORTED, NOT_SUPPORTED, 0x1_0002n, 0x1_0002n]],
];

for (const [name, id, args, results] of rows) {
  Deno.test(`psci by version: ${name}`, async () => {
    for (const [n, version] of versions.entries()) assertEquals((await machine(version)).call(id, args).x0, results[n], version);
  });
}

for (const [id, name, kind] of [[0x8400_0008, "SYSTEM_OFF", "power-off"], [0x8400_0009, "SYSTEM_RESET", "reboot"]] as const) {
  Deno.test(`psci by version: 0.1 has no ${name}`, async () => {
    for (const version of versions) {
      const kit = await machine(version);
      const { next } = kit.call(id);
      assertEquals([next, kit.domain.outcome?.kind], version === "0.1" ? ["run", undefined] : ["stopped", kind]);
    }
  });
}

Deno.test("psci by version: the device tree says which, and 0.1 the functions' numbers, which work", async () => {
  const node = (version: Version) => psci.resources!(options(version), { board: bench().board }).deviceTree![0].nodes![0].properties;
  assertEquals(versions.slice(0, 3).map((version) => node(version).compatible), [
    { text: "arm,psci" },
    { text: "arm,psci-0.2" },
    { text: ["arm,psci-1.0", "arm,psci-0.2"] },
  ]);
  assertEquals([node("1"), node("1.1").cpu_on], [node("1.0"), undefined]);
  const number = (name: string): number => {
    const value = node("0.1")[name];
    assert(value !== true && "cells" in value && value.cells.length === 1);
    return Number(value.cells[0]);
  };
  const kit = await machine("0.1");
  // Addresses above 4 GiB get through.
  kit.domain.space.map(0x1_0000_0000, kit.memory.allocate("guest", 0), 4096, { read: true, write: true, execute: true, type: "normal-wb" });
  assertEquals(kit.call(number("cpu_on"), [1, 0x1_0000_0004, 3]).x0, 0n);
  assertEquals(kit.state(1).pc, 0x1_0000_0004n);
  assertEquals(kit.call(number("migrate"), [1]).x0, NOT_SUPPORTED);
  assertEquals(kit.call(number("cpu_suspend"), [0]).next, "wait");
  assertEquals(kit.call(number("cpu_off"), [], { vcpu: 1 }).next, "stopped");
});
