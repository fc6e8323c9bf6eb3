/** The kit for tests of guests, with Debian's kernel: one boot, and forks of it that type, look into it, and fail. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { bootForTest, GuestError } from "../../mod.ts";
import { main } from "../../cli/mod.ts";
import { debianBoard } from "./debian_images.ts";

const { manifest, images } = await debianBoard("debian");

Deno.test({
  name: "Debian under test: forks of its shell, a breakpoint in its kernel, a failure that comes again",
  ignore: images === undefined,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      using booted = await bootForTest(manifest, { images, bundle: folder });
      await booted.console().expect(/^# $/, { within: "20s" });
      await booted.test(async (guest) => {
        guest.console().send("echo $((6 * 7))\n");
        assertEquals((await guest.console().expect(/^(\d+)\r?$/)).groups, ["42"]);
        // Where the kernel goes on an exception of its own or of a program: this VBAR_EL1's vector of system calls.
        const vector = guest.vcpu(0).register("VBAR_EL1") + 0x400n;
        guest.console().send("true\n");
        const { vcpu } = await guest.until(guest.breakpoint(vector), { within: "1s" });
        assertEquals(vcpu.register("ESR_EL1") >> 26n, 0x15n);
        guest.console().send("poweroff -f\n");
        assertEquals((await guest.finish()).kind, "power-off");
      });
      await booted.test(async (guest) => {
        guest.console().send("cd /proc; while true; do cat uptime > /dev/null; done &\n");
        await guest.console().expect(/^# $/m);
        const before = guest.nowNs;
        await guest.runFor("20ms");
        assert(guest.nowNs - before >= 20e6 && guest.nowNs - before < 25e6);
        assertEquals((guest.device("pl011") as { readonly fifo?: unknown }).fifo !== undefined, true);
        // A page of the kernel's stack is written to soon.
        const stack = guest.vcpu(0).register("SP");
        guest.resetExits();
        const { stop, vcpu, address, pc } = await guest.until(guest.watchpoint(stack & ~0xfffn, { size: 4096 }), { within: "1s" });
        assertEquals([stop.on, address! & ~0xfffn], ["write", stack & ~0xfffn]);
        assert(pc >> 48n === 0xffffn && vcpu.read(pc, 4).length === 4);
        guest.expectExits({ hvc: 0 });
        const image = guest.memory().read(0x4020_0000, 64);
        guest.memory().write(0x4020_0000, image);
        assertEquals(guest.memory().read(0x4020_0000, 64), image);
      });
      const error = await assertRejects(() =>
        booted.test(async (guest) => {
          guest.console().send("echo one\n");
          // What it changes in the middle of the kernel's turn is in the bundle.
          const { vcpu } = await guest.until(guest.breakpoint(guest.vcpu(0).register("VBAR_EL1") + 0x400n), { within: "1s" });
          vcpu.setRegister("V9", 9n);
          await guest.console().expect(/^two/, { within: "200ms" });
        }), GuestError);
      assertStringIncludes(error.message, "echo one");
      assert(error.bundle !== undefined);
      assertEquals(await main(["replay", "-q", error.bundle]), 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
