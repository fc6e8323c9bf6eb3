import { assertEquals, assertRejects } from "@std/assert";
import { bench } from "../../core/testing.ts";
import { DeviceTree } from "../fdt/contract.ts";
import { cfiFlash } from "../cfi_flash/mod.ts";
import { load } from "../load/mod.ts";
import { firmware } from "./mod.ts";
import type { FirmwareOptions } from "./mod.ts";

const RAM = { at: 0x4000_0000, size: 0x80_0000 };
const image = new Uint8Array(0x2000).map((_, index) => index * 3);
const blob = Uint8Array.of(0xd0, 0x0d, 0xfe, 0xed, 1, 2, 3, 4);
const images = new Map([["fw", image], ["tree", blob], ["empty", new Uint8Array(0)], ["bad tree", Uint8Array.of(1)]]);

/** A compiler that says what it was asked. */
class DeviceTreeError extends Error {
  override readonly name = "DeviceTreeError";
}
const compiler: DeviceTree = {
  build: () => blob,
  patch(given) {
    if (given.length < 8) throw new DeviceTreeError("not a blob");
    return given.toReversed();
  },
};

async function started(options: Partial<FirmwareOptions>, { flash = true } = {}) {
  const kit = bench({ vcpus: 2, memory: RAM, images, provide: [[DeviceTree, compiler]] });
  if (flash) await kit.attach(cfiFlash, { at: 0, banks: 1, bank_size: 0x20_0000 });
  await kit.attach(firmware, { image: "fw", at: 0, ...options });
  await kit.boot();
  return kit;
}

Deno.test("firmware in flash: vCPU 0 starts at its first byte, X0 at the device tree at the start of RAM; the other waits for PSCI", async () => {
  using kit = await started({});
  const { pc, pstate } = kit.state(0);
  assertEquals([pc, kit.state(0).x(0), pstate], [0n, BigInt(RAM.at), 0x3c5n]);
  assertEquals(kit.vcpu(1).power, "off");
  assertEquals(kit.domain.readMemory(RAM.at, blob.length), blob);
  const { pa } = kit.domain.space.lookup(0x1000)!;
  assertEquals(new Uint8Array(kit.memory.view(pa, 16)), image.slice(0x1000, 0x1010));
});

Deno.test("firmware in RAM, with an entry point, a device tree and a place for it of the user's own", async () => {
  using kit = await started({ at: RAM.at, entry: RAM.at + 0x40, dtb: "tree", dtb_at: RAM.at + 0x40_0000 }, { flash: false });
  assertEquals([kit.state(0).pc, kit.state(0).x(0)], [BigInt(RAM.at + 0x40), BigInt(RAM.at + 0x40_0000)]);
  assertEquals(kit.domain.readMemory(RAM.at, image.length), image);
  assertEquals(kit.domain.readMemory(RAM.at + 0x40_0000, blob.length), blob.toReversed());
});

Deno.test("what doesn't fit is said of the option that is wrong", async () => {
  const rows: [wrong: Partial<FirmwareOptions>, message: string][] = [
    [{ at: 0x800_0000 }, "0x2000 bytes at 0x0800_0000 lie outside the guest's memory (RAM 0x4000_0000 to 0x407f_ffff, and flash)"],
    [{ at: 0x1f_f000 }, "0x2000 bytes at 0x001f_f000 lie outside"],
    [{ at: RAM.at + RAM.size - 0x1000 }, "lie outside"],
    [{ at: RAM.at }, "the device tree, 0x4000_0000 to 0x4000_0007, overlaps the image at 0x4000_0000 to 0x4000_1fff"],
    [{ at: RAM.at, dtb_at: RAM.at + 0x1ff8 }, "overlaps"],
    [{ dtb_at: 0x1000_0000 }, "0x8 bytes at 0x1000_0000 lie outside"],
    [{ image: "empty" }, "an empty image"],
    [{ dtb: "bad tree" }, "not a blob"],
  ];
  for (const [wrong, message] of rows) await assertRejects(() => started(wrong), Error, message, JSON.stringify(wrong));
});

Deno.test("load puts bytes to RAM or flash, and nowhere else", async () => {
  using kit = bench({ memory: RAM, images });
  await kit.attach(cfiFlash, { at: 0, banks: 1, bank_size: 0x20_0000 });
  await kit.attach(load, { image: "fw", at: RAM.at + 0x1000 });
  await kit.attach(load, { image: "tree", at: 0x10_0000 });
  await kit.boot();
  assertEquals(kit.domain.readMemory(RAM.at + 0x1000, image.length), image);
  assertEquals(kit.read32(0x10_0000), 0xedfe_0dd0);
  await kit.attach(load, { image: "tree", at: 0x20_0000 });
  await assertRejects(() => kit.boot(), Error, "0x8 bytes at 0x0020_0000 lie outside");
});
