/** The balloon gives frames back to the board, and gets them again; a domain's memory stays whole through it. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { Random } from "../../tests/support/random.ts";
import { virtioBalloon } from "./mod.ts";
import { AT, BUFFERS, INTID, MmioDriver, NEEDS_RESET, R, RAM, RAM_END } from "./tests/mmio_driver.ts";

const [INFLATE, DEFLATE] = [0, 1];
const MUST_TELL_HOST = 0;
const PAGE = 4096;

interface Balloon {
  readonly kit: Bench;
  readonly driver: MmioDriver;
  readonly given: ReadonlySet<number>;
}

async function started(features: readonly number[] = [MUST_TELL_HOST]): Promise<Balloon> {
  const kit = bench();
  const state = await kit.attach(virtioBalloon, { at: AT, interrupt: INTID, legacy: false, packed: true, size: 0x5000 });
  const driver = new MmioDriver(kit);
  driver.start(features, 2, 8);
  return { kit, driver, given: state.model.given };
}

const numbers = (...addresses: readonly number[]) => new Uint8Array(Uint32Array.from(addresses, (at) => at / PAGE).buffer);
const mapped = ({ kit }: Balloon, at: number) => kit.domain.space.lookup(at) !== undefined;

Deno.test("virtio_balloon: what the guest gives is free, and comes back as zeroes", async () => {
  const balloon = await started();
  const { kit, driver } = balloon;
  const free = kit.memory.freeFrames;
  let heard = 0;
  kit.domain.onGivenBack((_ipa, size) => heard += size);
  const pages = [RAM_END - 3 * PAGE, RAM_END - PAGE, RAM_END - 2 * PAGE, RAM_END - 6 * PAGE, RAM_END - PAGE];
  for (const page of pages) kit.domain.writeMemory(page, Uint8Array.of(1, 2, 3));
  driver.request(INFLATE, numbers(...pages, RAM_END, 0, RAM - PAGE, 0xffff_ffff * PAGE), 0);
  assertEquals([kit.memory.freeFrames, balloon.given.size, heard], [free + 4, 4, 4 * PAGE]);
  assertEquals(pages.map((page) => mapped(balloon, page)), pages.map(() => false));
  assertEquals([mapped(balloon, RAM_END - 4 * PAGE), mapped(balloon, RAM_END - 5 * PAGE)], [true, true]);
  // Devices that still reach there find nothing.
  kit.domain.writeMemory(RAM_END - 3 * PAGE - 2, new Uint8Array(8).fill(7));
  assertEquals(kit.domain.readMemory(RAM_END - 3 * PAGE - 4, 6), Uint8Array.of(0, 0, 7, 7, 0, 0));
  const there = new Uint8Array(6).fill(9);
  assertThrows(() => kit.domain.readMemoryInto(RAM_END - 5, there), RangeError);
  assertEquals(there, new Uint8Array(6).fill(9), "nothing is changed then");
  kit.domain.readMemoryInto(RAM_END - 3 * PAGE - 4, there);
  assertEquals(there, Uint8Array.of(0, 0, 7, 7, 0, 0));
  kit.domain.writeMemory(RAM_END - 4 * PAGE - 2, new Uint8Array(3 * PAGE).fill(8));
  assertEquals(kit.domain.readMemory(RAM_END - 4 * PAGE - 3, 2 * PAGE).lastIndexOf(8), PAGE + 2);
  driver.request(INFLATE, numbers(...pages), 0);
  assertEquals(kit.memory.freeFrames, free + 4, "given twice is given once");
  driver.request(DEFLATE, numbers(pages[0], pages[1], pages[1], RAM), 0);
  assertEquals([kit.memory.freeFrames, mapped(balloon, pages[0]), mapped(balloon, pages[2])], [free + 2, true, false]);
  assertEquals(kit.domain.readMemory(pages[0], PAGE).some((byte) => byte !== 0), false);
  kit.domain.destroy();
  assertEquals(kit.memory.usage().get("guest"), undefined);
});

Deno.test("virtio_balloon: without a word from the driver before it uses a page, pages stay", async () => {
  const balloon = await started([]);
  const free = balloon.kit.memory.freeFrames;
  balloon.driver.request(INFLATE, numbers(RAM_END - PAGE), 0);
  assertEquals([balloon.kit.memory.freeFrames, mapped(balloon, RAM_END - PAGE)], [free, true]);
});

Deno.test("virtio_balloon: where others have the frames, the guest waits until there are some", async () => {
  const balloon = await started();
  const { kit, driver } = balloon;
  driver.request(INFLATE, numbers(RAM_END - PAGE, RAM_END - 2 * PAGE), 0);
  const taken: number[] = [];
  while (kit.memory.freeFrames > 0) taken.push(kit.memory.allocate("other", 0));
  driver.ram.put(BUFFERS, numbers(RAM_END - PAGE, RAM_END - 2 * PAGE));
  driver.queues[DEFLATE].add([{ at: BUFFERS, size: 8, write: false }]);
  driver.queues[DEFLATE].publish();
  driver.set(R.notify, DEFLATE);
  kit.advance(50e6);
  assertEquals([driver.queues[DEFLATE].take(), balloon.given.size], [undefined, 2]);
  kit.memory.release("other", taken[0]);
  kit.advance(50e6);
  assertEquals([driver.queues[DEFLATE].take(), balloon.given.size], [undefined, 1]);
  kit.memory.release("other", taken[1]);
  kit.advance(50e6);
  assertEquals([driver.queues[DEFLATE].take() !== undefined, balloon.given.size], [true, 0]);
});

Deno.test("virtio_balloon: a driver that gives its own rings away breaks its device; a reset makes memory whole", async () => {
  const balloon = await started();
  const { kit, driver } = balloon;
  const free = kit.memory.freeFrames;
  assertThrows(() => driver.request(INFLATE, numbers(...Array.from({ length: 16 }, (_, n) => RAM + n * PAGE)), 0));
  for (const queue of [INFLATE, DEFLATE]) driver.set(R.notify, queue);
  assertEquals(kit.memory.freeFrames, free + 16);
  driver.set(R.status, 0);
  assertEquals([kit.memory.freeFrames, balloon.given.size], [free, 0]);
  driver.start([MUST_TELL_HOST], 2, 8);
  driver.request(INFLATE, numbers(RAM_END - PAGE), 0);
  assertEquals([driver.get(R.status) & NEEDS_RESET, balloon.given.size], [0, 1]);
  // Nobody can take what isn't RAM.
  for (const [at, size] of [[RAM - PAGE, PAGE], [RAM_END, PAGE], [RAM_END - PAGE, 2 * PAGE], [RAM + 1, PAGE], [RAM, 1], [RAM, 0]]) {
    assertThrows(() => kit.domain.giveBack(at, size), RangeError);
    assertThrows(() => kit.domain.takeBack(at, size), RangeError);
  }
});

Deno.test("virtio_balloon: random pages, given and taken: each is there or free, never both", async () => {
  const balloon = await started();
  const { kit, driver } = balloon;
  const random = new Random("balloon");
  const all = kit.memory.freeFrames + (kit.memory.usage().get("guest") ?? 0);
  const first = BUFFERS + 0x1_0000;
  const pages = Array.from({ length: (RAM_END - first) / PAGE }, (_, n) => first + n * PAGE);
  for (let n = 0; n < 1000; n++) {
    const some = Array.from({ length: 1 + random.below(19) }, () => random.chance(0.95) ? random.pick(pages) : random.u32() * PAGE);
    driver.request(random.below(2), numbers(...some), 0);
    if (random.chance(0.01)) driver.start([MUST_TELL_HOST], 2, 8);
    if (n % 50 !== 0) continue;
    for (const page of pages) assertEquals(mapped(balloon, page), !balloon.given.has(page / PAGE));
    assertEquals(kit.memory.freeFrames + (kit.memory.usage().get("guest") ?? 0), all);
    const frames = pages.map((page) => kit.domain.space.lookup(page)?.pa).filter((pa) => pa !== undefined);
    assertEquals(new Set(frames).size, frames.length);
    assert(frames.every((pa) => kit.memory.ownerOf(pa)?.owner === "guest"));
  }
});
