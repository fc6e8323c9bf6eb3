/** boards/fvp-baser.yaml: Linux with page tables at EL1 and a guest with an MPU at EL1 share a CPU whose EL2 has an MPU. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const root = new URL("../../", import.meta.url);
const { manifest, images } = await debianBoard("fvp-baser");
const image = "examples/guests/mpu/mpu.bin";
const withImage = new Map([...images ?? [], [`../${image}`, await Deno.readFile(new URL(image, root))]]);

Deno.test({
  name: "Debian's kernel boots on an Armv8-R CPU while an MPU guest tests itself, time-sliced",
  ignore: images === undefined,
  async fn() {
    using guest = await Session.start(manifest, { images: withImage });
    guest.until("25 checks passed, 0 failed");
    const { console } = guest;
    assertStringIncludes(console, "MPU guest: 32 regions at EL1");
    assertStringIncludes(console, "shared its CPU");
    assertEquals(console.includes("  failed:"), false, console);
    guest.until("shell ready");
    guest.until("# ");
    // Physical addresses are the machine's: the kernel is where the hypervisor mapped it, and what isn't its own isn't there.
    assertMatch(guest.command("cat /proc/iomem"), /00000000-1fffffff : System RAM/);
    assertEquals(guest.command("seq 1 500 | wc -l"), "500");
    guest.type("poweroff -f\n");
    assertEquals(guest.finish().kind, "power-off");
  },
});

/** The second domain alone. */
function alone(changes: readonly (readonly [string, string])[] = []): string {
  const start = manifest.indexOf("  - name: linux"), end = manifest.indexOf("  - name: mpu");
  return changed(manifest.slice(0, start) + manifest.slice(end), [
    ["    memory: [{ at: 0x2000_0000", "    memory: [{ at: 0x2000_0000"],
    ...changes,
  ]);
}

for (const regions of [7, 16, 255]) {
  Deno.test(`the MPU guest on a CPU with ${regions} regions for everybody`, async () => {
    const hardware = Math.max(regions, 16);
    const text = alone([["el1: 32, el2: 32", `el1: 32, el2: ${hardware}`], [
      "  - use: pmsa\n",
      `  - use: pmsa\n    regions: ${regions}\n`,
    ]]);
    using guest = await Session.start(text, { images: withImage });
    assertEquals(guest.finish().kind, "power-off");
    assertStringIncludes(guest.console, "had its CPU to itself");
    assertStringIncludes(guest.console, "25 checks passed, 0 failed");
    assert(guest.machine.nowNs < 150e6, `${guest.machine.nowNs} ns`);
  });
}

Deno.test("two MPU guests, and the hypervisor's memory afterwards", async () => {
  const text = alone();
  // The guest prints to a fixed address, which is each domain's own.
  const twin = text.slice(text.indexOf("  - name: mpu")).replace("name: mpu", "name: twin").replace("0x2000_0000", "0x2040_0000")
    .replace("port: mpu", "port: twin");
  using guest = await Session.start(text + twin, { images: withImage });
  assertEquals(guest.finish().kind, "power-off");
  assertEquals(guest.console.match(/25 checks passed, 0 failed/g)?.length ?? 0, 2, guest.console);
  for (const domain of guest.machine.domains) guest.machine.destroyDomain(domain);
  assertEquals([...guest.machine.memory.usage().keys()], ["hypervisor image"]);
});
