/** The pen: where it lies, what runs in it on the real CPU, and what the device tree says of it. */
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { bench } from "../../core/testing.ts";
import { runProgram } from "../../tests/support/program.ts";
import { decodeFdt, findNode, textOf } from "../fdt/mod.ts";
import { fdt } from "../fdt/mod.ts";
import { DeviceTree } from "../fdt/contract.ts";
import { psci } from "../psci/mod.ts";
import { spinTable } from "./mod.ts";
import { penSize, releaseAddress } from "./pen.ts";

const RAM = 0x4000_0000;
const RAM_END = RAM + 0x10_0000;
const none = { pen: "table" } as const;

Deno.test("spin_table: all vCPUs but the first start in the pen, each with its release address", async () => {
  const kit = bench({ vcpus: 3 });
  await kit.attach(spinTable, none);
  await kit.boot();
  const at = RAM_END - 4096;
  assertEquals(kit.domain.vcpus.map(({ power }) => power), ["off", "runnable", "runnable"]);
  for (const index of [1, 2]) {
    assertEquals([kit.state(index).pc, kit.state(index).x(0)], [BigInt(at), BigInt(releaseAddress(at, index, "table"))]);
    assertEquals(kit.domain.readMemory(releaseAddress(at, index, "table"), 8), new Uint8Array(8));
  }
});

Deno.test("spin_table: release addresses lie apart, and within the pen", () => {
  for (const vcpus of [1, 2, 62, 63, 64, 255]) {
    const addresses = Array.from({ length: vcpus }, (_, index) => releaseAddress(0, index, "table"));
    assertEquals(new Set(addresses).size, vcpus);
    assertEquals(addresses.every((at) => at >= 64 && at % 8 === 0 && at + 8 <= penSize(vcpus, "table")), true);
  }
  assertEquals([releaseAddress(0, 1, "holding"), penSize(255, "holding")], [releaseAddress(0, 200, "holding"), 4096]);
});

Deno.test("spin_table: a pen that isn't in RAM, or where an image lies, is refused", async () => {
  const { board } = bench();
  const [domain] = board.domains;
  for (const at of [RAM - 4096, RAM_END, 0x9000_0000]) {
    assertThrows(() => spinTable.resources!({ ...none, at }, { board, domain }), Error, "isn't in the RAM of domain guest");
  }
  const kit = bench({ vcpus: 2 });
  await kit.attach(spinTable, { ...none, at: RAM + 4096 });
  kit.domain.writeMemory(RAM + 8191, Uint8Array.of(1));
  await assertRejects(() => kit.boot(), Error, "lies where an image was placed");
});

Deno.test("spin_table: the device tree names the method and the addresses, reserves the pen, and keeps psci for the rest", async () => {
  const use = (plugin: typeof spinTable | typeof psci, options: Record<string, unknown>) => ({ plugin, options, path: [] });
  const plugins = [use(psci, { conduit: "hvc", version: "1.1" }), use(spinTable, none)];
  const kit = bench({ vcpus: 18, board: { plugins } });
  await kit.attach(fdt, { model: "x", kaslr_seed: false, rng_seed: false });
  const { root } = decodeFdt(kit.get(DeviceTree).build([]));
  const words = (path: string, name: string) => {
    const { buffer, byteOffset, byteLength } = findNode(root, path)!.properties.get(name)!;
    return Array.from({ length: byteLength / 4 }, (_, n) => new DataView(buffer, byteOffset).getUint32(n * 4));
  };
  const at = RAM_END - 4096;
  for (const [path, index] of [["/cpus/cpu@0", 0], ["/cpus/cpu@f", 15], ["/cpus/cpu@101", 17]] as const) {
    assertEquals(textOf(findNode(root, path)!, "enable-method"), ["spin-table"]);
    assertEquals(words(path, "cpu-release-addr"), [0, releaseAddress(at, index, "table")]);
  }
  assertEquals(words(`/reserved-memory/spin-table@${at.toString(16)}`, "reg"), [0, at, 0, 4096]);
  assertEquals(findNode(root, "/psci") !== undefined, true);
});

for (const pen of ["table", "holding"] as const) {
  Deno.test(`spin_table: ${pen}: a CPU that is released runs what the release address says, X0 to X3 zero`, async () => {
    const at = 0x4100_0000, release = releaseAddress(at, 1, pen);
    const program = [
      0xd2a8_2000, // movz x0, #0x4100, lsl #16
      0xf280_0000 | (release - at) << 5, // movk x0, #release
      0x1000_0081, // adr x1, .+16
      0xf900_0001, // str x1, [x0]
      0xd503_209f, // sev
      0x1400_0000, // b .
      0xb500_0000, // cbnz x0, .
      0xb500_0001, // cbnz x1, .
      0xb500_0002, // cbnz x2, .
      0xb500_0003, // cbnz x3, .
      0xd2b0_8000, // x0 = SYSTEM_OFF
      0xf280_0100,
      0xd400_0002, // hvc #0
    ];
    const { code, stderr } = await runProgram(
      program,
      ["--timeout", "50ms"],
      (board) =>
        board.replace("pcpus: 1", "pcpus: 2").replace("vcpus: 1", "vcpus: 2")
          .replace("      - use: pl011\n", `      - use: pl011\n      - { use: spin_table, at: 0x${at.toString(16)}, pen: ${pen} }\n`),
    );
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, "powered off");
  });
}
