import { assertEquals, assertRejects } from "@std/assert";
import { config, INTX, IO, MEMORY, pciBench } from "../../tests/support/pci_bench.ts";
import { pciSerial } from "./mod.ts";
import type { PciSerialOptions } from "./mod.ts";

const defaults = { port: "pci-serial", signalling: "msi" } satisfies PciSerialOptions;
const [BAR0, BAR1, IER, SCR] = [0x10, 0x14, 1, 7];

Deno.test("pci serial: ids that Linux knows, one chip behind an I/O and a memory BAR", async () => {
  const { kit } = await pciBench();
  await kit.attach(pciSerial, { ...defaults, slot: "4.1" });
  assertEquals([kit.read32(config(4, 0, 1)), kit.read32(config(4, 8, 1)) >>> 8], [0x9900_9710, 0x07_0002]);
  assertEquals(kit.read32(config(4, 0x2c, 1)), 0x1000_a000);
  kit.write32(config(4, BAR0, 1), 0x3000);
  kit.write32(config(4, BAR1, 1), MEMORY);
  kit.write16(config(4, 4, 1), 3);
  kit.write8(IO + 0x3000, 0x41);
  kit.write8(MEMORY, 0x42);
  kit.write8(IO + 0x3000 + SCR, 0x99);
  assertEquals([kit.output("pci-serial"), kit.read8(MEMORY + SCR), kit.read8(IO + 0x3008)], ["AB", 0x99, 0xff]);
});

Deno.test("pci serial: its interrupt is INTA# until the driver enables messages", async () => {
  const { kit, messages } = await pciBench();
  await kit.attach(pciSerial, defaults);
  kit.write32(config(1, BAR0), 0x3000);
  kit.write16(config(1, 4), 5);
  kit.write8(IO + 0x3000 + IER, 2);
  assertEquals([kit.interrupts.level(INTX + 1), messages.length], [true, 0]);
  kit.write8(IO + 0x3000 + IER, 0);
  kit.write32(config(1, 0x44), 0x0809_0040);
  kit.write16(config(1, 0x42), 1);
  kit.write8(IO + 0x3000 + IER, 2);
  assertEquals([kit.interrupts.level(INTX + 1), messages.length], [false, 1]);
});

Deno.test("pci serial: a slot that is taken is an error of the manifest's line", async () => {
  const { kit, plug } = await pciBench();
  plug({}, { device: 2, function: 0 });
  await assertRejects(
    () => kit.attach(pciSerial, { ...defaults, slot: "2" }),
    Error,
    "PCI slot 2.0: serial port pci-serial wants it, probe has it",
  );
  const check = pciSerial.options.slot.check!;
  assertEquals(["1", "31.7", "0", "32", "1.8", "x", ""].map((text) => check(text) === undefined), [
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});
