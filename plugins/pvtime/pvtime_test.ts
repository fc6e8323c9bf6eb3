import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemoryBackend } from "../../core/mod.ts";
import type { Vcpu } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { FakeMemoryBackend } from "../../core/testing/fake_memory.ts";
import { smccc } from "../smccc/mod.ts";
import { PvTime } from "./functions.ts";
import { pvtime } from "./mod.ts";

const AT = 0x090a_0000;
const ARCH_FEATURES = 0x8000_0001;
const NOT_SUPPORTED = 2n ** 64n - 1n;

async function machine({ vcpus = 2, at = AT, directMapOnly = false } = {}): Promise<Bench> {
  const kit = bench({ vcpus, provide: [[MemoryBackend, new FakeMemoryBackend(directMapOnly)]] });
  await kit.attach(smccc, { trng: false, soc_revision: 0 });
  await kit.attach(pvtime, { at });
  return kit;
}

/** What the guest reads at an IPA. */
function read(kit: Bench, ipa: number, size: number): number[] {
  const { pa } = kit.domain.space.lookup(ipa)!;
  return [...kit.memory.view(pa, size)];
}

/** On the way into a vCPU that waited. */
function enter(kit: Bench, index: number, stolenNs: number): void {
  for (const { hook } of kit.scope.runHooks) hook.entry?.({ index, stolenNs } as Vcpu);
}

const rows: [name: string, id: number, args: (number | bigint)[], vcpu: number, result: bigint][] = [
  ["ARCH_FEATURES tells of it", ARCH_FEATURES, [PvTime.FEATURES], 0, 0n],
  ["FEATURES: itself", PvTime.FEATURES, [PvTime.FEATURES], 0, 0n],
  ["FEATURES: stolen time", PvTime.FEATURES, [PvTime.ST], 1, 0n],
  ["FEATURES: garbage above bit 31 doesn't count", PvTime.FEATURES, [0xdead_beef_c500_0021n], 0, 0n],
  ["FEATURES: something else", PvTime.FEATURES, [0xc500_0022], 0, NOT_SUPPORTED],
  ["FEATURES: as SMC32", PvTime.FEATURES - 0x4000_0000, [PvTime.ST], 0, NOT_SUPPORTED],
  ["ST: of the caller", PvTime.ST, [], 0, BigInt(AT)],
  ["ST: of another caller, whatever it passes", PvTime.ST, [77n], 1, BigInt(AT + 64)],
];
for (const [name, id, args, vcpu, result] of rows) {
  Deno.test(`pvtime: ${name}`, async () => {
    using kit = await machine();
    assertEquals(kit.call(id, args, { vcpu }), { x0: result, next: "run" });
  });
}

Deno.test("pvtime: each vCPU's structure shows its nanoseconds, from before it runs", async () => {
  using kit = await machine();
  enter(kit, 1, 0x12_3456_789a + 0.75);
  assertEquals(read(kit, AT, 64), new Array(64).fill(0));
  const structure = [0, 0, 0, 0, 0, 0, 0, 0, 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, ...new Array(48).fill(0)];
  assertEquals(read(kit, AT + 64, 64), structure);
});

Deno.test("pvtime: the guest reads the figures, and neither writes nor executes them", async () => {
  using kit = await machine();
  assertEquals(kit.domain.space.lookup(AT)!.mapping, { read: true, write: false, execute: false, type: "normal-wb" });
  assertThrows(() => kit.write64(AT + 8, 5), Error, "write of 8 bytes");
});

Deno.test("pvtime: as many pages as the vCPUs need, and all of them given back", async () => {
  const kit = await machine({ vcpus: 130 });
  const before = kit.memory.freeFrames;
  assertEquals(kit.memory.usage().get("guest (pvtime)"), 3);
  assertEquals([0, 1, 2, 3].map((page) => kit.domain.space.lookup(AT + 4096 * page) !== undefined), [true, true, true, false]);
  enter(kit, 129, 7);
  assertEquals(read(kit, AT + 129 * 64 + 8, 1), [7]);
  kit.scope.close((_owner, _hook, error) => {
    throw error;
  });
  assertEquals([kit.memory.freeFrames - before, kit.memory.usage().get("guest (pvtime)")], [3, undefined]);
  assertEquals(kit.domain.space.lookup(AT), undefined);
});

Deno.test("pvtime: where nothing is translated, the address itself is the memory", async () => {
  using kit = await machine({ at: 0x4010_0000, directMapOnly: true });
  assertEquals(kit.domain.space.lookup(0x4010_0000)?.pa, 0x4010_0000);
  await assertRejects(() => machine({ directMapOnly: true }), Error, "isn't RAM of the board");
});

Deno.test("pvtime: declares its window, as large as the domain's vCPUs need", () => {
  const { board } = bench();
  const windows = (vcpus?: number) =>
    pvtime.resources!({ at: AT }, { board, domain: vcpus === undefined ? undefined : { ...board.domains[0], vcpus } }).windows!
      .map(({ name, at, size }) => ({ name, at, size }));
  assertEquals(windows(65), [{ name: "stolen time", at: AT, size: 0x2000 }]);
  assertEquals(windows(), [{ name: "stolen time", at: AT, size: 0x1000 }]);
});
