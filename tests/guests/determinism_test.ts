/** The same board, seed and input give the same run: to the instruction, the nanosecond and the byte. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { boot, type HostCache } from "../../mod.ts";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const tour = new URL("../../boards/tour.yaml", import.meta.url).pathname;
const { manifest, images } = await debianBoard("debian");

/** Everything that two runs must agree on. */
function outcome({ stopped, console, machine }: Session) {
  const { instructions, exits, traced } = machine.stats;
  const registers = machine.domains.flatMap(({ vcpus }) =>
    vcpus.map(({ state }) => [state.pc, state.pstate, state.retired, ...Array.from({ length: 31 }, (_, n) => state.x(n))])
  );
  return { stopped, nowNs: machine.nowNs, instructions, exits: [...exits], traced: [...traced], console, registers };
}

/** In memory. */
class MemoryCache implements HostCache {
  readonly kept = new Map<string, Uint8Array>();
  read = (key: string) => this.kept.get(key);
  write = (key: string, bytes: Uint8Array) => void this.kept.set(key, bytes);
}

async function debian(cache: HostCache, set: Record<string, string> = {}) {
  using guest = await Session.start(manifest, { images, cache, set });
  // Typed while the kernel still boots, at a virtual time, and when the shell asks.
  guest.until("Brought up 1 node, 2 CPUs");
  guest.type("echo early\n");
  guest.until("shell ready");
  guest.until("early\r\nearly\r\n");
  guest.until("# ");
  guest.command("(seq 1 500 | sha256sum) & (seq 1 500 | md5sum) & wait; cat /proc/interrupts /proc/uptime");
  guest.command("cat /proc/sys/kernel/random/boot_id; sleep 0.2; dd if=/dev/urandom bs=64 count=1 2>/dev/null | md5sum");
  guest.type("poweroff -f\n");
  guest.finish();
  return outcome(guest);
}

Deno.test({
  name: "Debian's kernel on two vCPUs, with input: two runs are one, though the second begins with what the first compiled",
  ignore: images === undefined,
  async fn() {
    const cache = new MemoryCache();
    const first = await debian(cache);
    assertEquals(cache.kept.size, 3);
    const second = await debian(cache);
    assertEquals(second.console, first.console);
    assertEquals(second, first);
    if (Deno.env.get("PLUGBOARD_LONG") === undefined) return;
    assertEquals(await debian(cache), first);
    assertEquals(await debian(cache, { "plugins.cpu_a64.tier1": "off" }), first);
  },
});

async function tourRun(set: Record<string, string>) {
  using guest = await Session.start(tour, { set, wallLimitMs: 15_000 });
  guest.finish();
  return outcome(guest);
}

for (const vcpus of [1, 3, 8]) {
  Deno.test(`the tour on ${vcpus} vCPUs: two runs are one`, async () => {
    const set = { "domains.tour.vcpus": String(vcpus) };
    assertEquals(await tourRun(set), await tourRun(set));
  });
}

Deno.test("the length of a caller's slices of time changes nothing", async () => {
  const whole = await tourRun({});
  const chunks: string[] = [];
  const machine = await boot(tour, { onSerial: (_port, bytes) => void chunks.push(new TextDecoder().decode(bytes)) });
  try {
    let slice = 1000;
    while (!machine.runFor(slice, Infinity)) slice = slice * 7 % 99_991 + 1;
    const { stopped: _, ...state } = whole;
    assertEquals(
      [machine.nowNs, machine.stats.instructions, [...machine.stats.exits], chunks.join("")],
      [state.nowNs, state.instructions, state.exits, state.console],
    );
    assertNotEquals(chunks.length, 1);
  } finally {
    machine.dispose();
  }
});

Deno.test("wall-clock time that passes between slices changes nothing", async () => {
  let wall = 0;
  const hurried = await boot(tour, { wallMs: () => wall += 150 });
  const calm = await boot(tour, { wallMs: () => 0 });
  try {
    while (!hurried.runFor(Infinity, 500));
    while (!calm.runFor(Infinity, 500));
    assertEquals([hurried.nowNs, hurried.stats], [calm.nowNs, calm.stats]);
  } finally {
    hurried.dispose();
    calm.dispose();
  }
});
