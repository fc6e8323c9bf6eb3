/** Console and balloon: what a driver says to them and hears from them. */
import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { virtioBalloon, virtioConsole } from "./mod.ts";
import { AT, BUFFERS, INTID, MmioDriver, R } from "./tests/mmio_driver.ts";

const options = { at: AT, interrupt: INTID, legacy: false, packed: true };
const [RECEIVE, TRANSMIT, CONTROL_RECEIVE, CONTROL_TRANSMIT, OTHER_RECEIVE, OTHER_TRANSMIT] = [0, 1, 2, 3, 4, 5];
const MULTIPORT = 1;

async function started(features: readonly number[]): Promise<{ kit: Bench; driver: MmioDriver }> {
  const kit = bench();
  await kit.attach(virtioConsole, { ...options, ports: ["first", "second"] });
  const driver = new MmioDriver(kit);
  driver.start(features, 6, 64);
  return { kit, driver };
}

/** Room for what the device sends on a queue, and what came into it. */
function listen(driver: MmioDriver, queue: number, count = 1, size = 64): () => Uint8Array | undefined {
  const rooms = new Map<number, number>();
  for (let n = 0; n < count; n++) {
    const at = BUFFERS + 0x1_0000 + 0x4000 * queue + size * n;
    rooms.set(driver.queues[queue].add([{ at, size, write: true }]), at);
  }
  driver.queues[queue].publish();
  driver.set(R.notify, queue);
  return () => {
    const used = driver.queues[queue].take();
    return used && driver.ram.bytes(rooms.get(used.id)!, used.written);
  };
}

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
const control = (port: number, event: number, value: number) => new Uint8Array(new Uint16Array([port, 0, event, value]).buffer);

Deno.test("virtio_console: two ports are announced, named and opened; each has its own way", async () => {
  const { kit, driver } = await started([MULTIPORT]);
  assertEquals(driver.get(R.config + 4), 2);
  const heard = listen(driver, CONTROL_RECEIVE, 16);
  driver.request(CONTROL_TRANSMIT, control(0, 0, 1), 0);
  kit.advance(20_000);
  assertEquals([heard(), heard(), heard()], [control(0, 1, 1), control(1, 1, 1), undefined]);
  for (const port of [0, 1]) driver.request(CONTROL_TRANSMIT, control(port, 3, 1), 0);
  kit.advance(20_000);
  const named = (port: number, name: string) => Uint8Array.of(...control(port, 7, 1), ...new TextEncoder().encode(name));
  assertEquals([heard(), heard(), heard()], [control(0, 4, 1), named(0, "first"), control(0, 6, 1)]);
  assertEquals([heard(), heard(), heard()], [named(1, "second"), control(1, 6, 1), undefined]);

  driver.request(TRANSMIT, new TextEncoder().encode("to the first"), 0);
  driver.request(OTHER_TRANSMIT, new TextEncoder().encode("to the second"), 0);
  assertEquals([kit.output("first"), kit.output("second")], ["to the first", "to the second"]);

  // Nobody has the port open: what comes waits, in one piece.
  const second = listen(driver, OTHER_RECEIVE, 4, 8);
  kit.input("second", "hello, guest");
  kit.advance(20_000);
  assertEquals(second(), undefined);
  driver.request(CONTROL_TRANSMIT, control(1, 6, 1), 0);
  kit.advance(20_000);
  assertEquals([text(second()), text(second()), second()], ["hello, g", "uest", undefined]);
  kit.input("second", "more");
  assertEquals(text(second()), "more");
});

Deno.test("virtio_console: without MULTIPORT there is one port, open at once", async () => {
  const { kit, driver } = await started([]);
  kit.input("first", "early");
  const first = listen(driver, RECEIVE, 2);
  assertEquals(text(first()), "early");
  kit.input("first", "late");
  assertEquals(text(first()), "late");
  kit.write32(AT + R.config + 8, 0x21);
  assertEquals(kit.output("first"), "!");
});

Deno.test("virtio_console: control messages without sense, and without end", async () => {
  const { kit, driver } = await started([MULTIPORT]);
  for (let n = 0; n < 2000; n++) {
    driver.request(CONTROL_TRANSMIT, control(n % 5, n % 9, n % 3), 0);
    driver.request(CONTROL_TRANSMIT, control(0, 0, 1), 0);
  }
  assertEquals(driver.get(R.status), 15);
  assert(kit.traced.some((line) => line.includes("that nobody takes")));
  driver.queues[CONTROL_TRANSMIT].add([{ at: BUFFERS, size: 7, write: false }]);
  driver.queues[CONTROL_TRANSMIT].publish();
  driver.set(R.notify, CONTROL_TRANSMIT);
  assertEquals(driver.get(R.status), 15 | 64);
});

Deno.test("virtio_balloon: pages are counted, statistics asked for at their time", async () => {
  const kit = bench();
  const state = await kit.attach(virtioBalloon, { ...options, size: 0x5000, statistics: 1e9 });
  const driver = new MmioDriver(kit);
  driver.start([1], 3, 8);
  assertEquals([driver.get(R.config), driver.get(R.config + 4)], [5, 0]);
  driver.request(0, new Uint8Array(4 * 5), 0);
  driver.set(R.config + 4, 5);
  driver.request(1, new Uint8Array(4 * 2), 0);
  assertEquals([state.model.pages, state.model.actual], [3, 5]);
  const statistics = new Uint8Array(20);
  new DataView(statistics.buffer).setUint16(10, 4, true);
  new DataView(statistics.buffer).setBigUint64(12, 12345n, true);
  driver.ram.put(BUFFERS, statistics);
  driver.queues[2].add([{ at: BUFFERS, size: 20, write: false }]);
  driver.queues[2].publish();
  driver.set(R.notify, 2);
  assertEquals([driver.queues[2].take(), state.model.statistics.get(4)], [undefined, 12345n]);
  kit.advance(1.1e9);
  assert(driver.queues[2].take() !== undefined);
});
