/** The tour guest on GICv3s that lie elsewhere, and with few list registers. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Session } from "./session.ts";

const board = new URL("../../boards/tour.yaml", import.meta.url).pathname;

async function tour(set: Readonly<Record<string, string>>): Promise<string> {
  using guest = await Session.start(board, { set, wallLimitMs: 30_000 });
  assertEquals(guest.finish(), { kind: "power-off", domain: "tour", code: undefined }, guest.console);
  return guest.console;
}

const layouts: readonly (readonly [name: string, distributor: string, redistributors: string])[] = [
  ["QEMU's virt", "0x0800_0000", "0x080a_0000"],
  ["Arm's FVP BaseR", "0xaf00_0000", "0xaf10_0000"],
  // Frames of 64 KiB that no multiple of 64 KiB holds.
  ["a guest of Xen", "0x0300_1000", "0x0302_0000"],
];
for (const [name, distributor, redistributors] of layouts) {
  Deno.test(`GICv3 where ${name} has it: interrupts of each kind arrive on eight vCPUs`, async () => {
    const console = await tour({
      "domains.tour.vcpus": "8",
      "plugins.gicv3.distributor": distributor,
      "plugins.gicv3.redistributors": redistributors,
    });
    assertStringIncludes(console, "Tour complete: 8 CPUs, 40 ticks, 7 IPIs answered");
  });
}

for (const listRegisters of [1, 2, 16]) {
  Deno.test(`GICv3 with list_registers: ${listRegisters}: the tour is the same`, async () => {
    const console = await tour({ "plugins.gicv3.list_registers": String(listRegisters) });
    assertStringIncludes(console, "Tour complete: 4 CPUs, 20 ticks, 3 IPIs answered");
  });
}
