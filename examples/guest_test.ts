/** How to test a guest: boot it once, and give each test a fork. */
import { assertEquals } from "@std/assert";
import { bootForTest } from "../mod.ts";

const folder = new URL("guests/shout/", import.meta.url).pathname;
/** From the linker's map. */
const HEARD = 0x4008_0034n, LETTERS = 0x4008_0068;

const booted = await bootForTest(`${folder}board.yaml`, { bundle: "failures" });
await booted.console().expect("> ");

Deno.test("it says letters back in the other case", () =>
  booted.test(async (guest) => {
    guest.console().send("a");
    const { groups } = await guest.console().expect(/(\w)\n> $/, { within: "10ms" });
    assertEquals(groups, ["A"]);
  }));

Deno.test("it counts them in memory", () =>
  booted.test(async (guest) => {
    guest.memory().writeNumber(LETTERS, 41);
    guest.console().send("b");
    const { vcpu } = await guest.until(guest.watchpoint(BigInt(LETTERS)), { within: "10ms" });
    assertEquals(vcpu.register("X4"), 42n);
    await guest.runFor("1ms");
    assertEquals(guest.memory().readNumber(LETTERS), 42n);
  }));

Deno.test("what it heard costs two exits", () =>
  booted.test(async (guest) => {
    guest.console().send("c");
    await guest.until(guest.breakpoint(HEARD), { within: "10ms" });
    guest.resetExits();
    await guest.until(guest.breakpoint(HEARD + 0x1cn));
    guest.expectExits({ mmio: 2, all: 2 });
  }));
