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
      const error = await assertRejects(() =>
        booted.test(async (guest) => {
          guest.console().send("echo one\n");
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
