/** Both ring layouts against a model: random chains, batches, indirect tables and event indexes; what comes back is what was sent. */
import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { Random } from "../../tests/support/random.ts";
import { GuestMemory } from "./guest_memory.ts";
import type { VirtioModel } from "./model.ts";
import { virtioPlugin } from "./plugin.ts";
import { idleQueue } from "./ring.ts";
import { SplitRing } from "./split_ring.ts";
import type { Piece } from "./tests/driver.ts";
import { AT, BUFFERS, EVENT_BIT, INDIRECT_BIT, INTID, MmioDriver, PACKED_BIT, R, RAM_END } from "./tests/mmio_driver.ts";

const CHAINS = 5_000;
/** Indirect tables lie at the end of RAM, buffers before them. */
const TABLES = RAM_END - 0x2_0000;

interface Seen {
  readonly readable: Uint8Array;
  readonly writable: number;
}

/** What the device answers: as many bytes as the request's sum says, each made of its place and the sum. */
function answer({ readable, writable }: Seen): Uint8Array {
  const sum = readable.reduce((all, byte) => (all * 31 + byte) % 65521, 7);
  return Uint8Array.from({ length: sum % (writable + 1) }, (_, n) => sum + 3 * n & 0xff);
}

/** A device that remembers what it got. */
function mirror(seen: Seen[]): VirtioModel<Record<never, never>, Record<never, never>> {
  return {
    name: "virtio_mirror",
    doc: "A test's.",
    options: {},
    shape: () => ({ deviceId: 60, features: [], queues: [256, 256] }),
    state: () => ({}),
    create: () => ({
      serve(_queue, buffer) {
        const request = { readable: buffer.read(), writable: buffer.writable };
        seen.push(request);
        const bytes = answer(request);
        // In two pieces, at any border.
        buffer.write(0, bytes.subarray(0, bytes.length >> 1));
        buffer.write(bytes.length >> 1, bytes.subarray(bytes.length >> 1));
        return bytes.length;
      },
    }),
  };
}

async function started(features: readonly number[], size: number): Promise<{ kit: Bench; driver: MmioDriver; seen: Seen[] }> {
  const kit = bench();
  const seen: Seen[] = [];
  await kit.attach(virtioPlugin(mirror(seen)), { at: AT, interrupt: INTID, legacy: false, packed: true });
  const driver = new MmioDriver(kit);
  driver.start(features, 2, size);
  return { kit, driver, seen };
}

/** Random pieces that don't overlap, device-readable ones first. */
function randomPieces(random: Random, cursor: { at: number }, most: number): Piece[] {
  const count = 1 + random.below(most);
  const readable = random.below(count + 1);
  return Array.from({ length: count }, (_, n) => {
    const size = random.chance(0.3) ? 1 + random.below(3) : 1 + random.below(200);
    cursor.at += random.below(40);
    const at = cursor.at;
    cursor.at += size;
    return { at, size, write: n >= readable };
  });
}

const join = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

for (const packed of [false, true]) {
  for (const indirect of [false, true]) {
    for (const events of [false, true]) {
      const features = [...packed ? [PACKED_BIT] : [], ...indirect ? [INDIRECT_BIT] : [], ...events ? [EVENT_BIT] : []];
      const name = `${packed ? "packed" : "split"}${indirect ? ", indirect" : ""}${events ? ", event index" : ""}`;
      Deno.test(`virtio rings: ${CHAINS} random chains come back as they should (${name})`, async () => {
        const random = new Random(name);
        const sizes = packed ? [5, 64, 255] : [4, 64, 256];
        for (const size of sizes) {
          const { driver, kit, seen } = await started(features, size);
          for (let done = 0; done < CHAINS / sizes.length;) {
            const queue = random.below(2);
            const ring = driver.queues[queue];
            const cursor = { at: BUFFERS };
            let table = TABLES;
            const batch: { id: number; pieces: Piece[]; request: Uint8Array; entries: number }[] = [];
            for (let n = random.below(30); n >= 0; n--) {
              const through = indirect && random.chance(0.5);
              const pieces = randomPieces(random, cursor, through ? 12 : Math.min(8, size));
              const entries = through ? 1 : pieces.length;
              if (entries > ring.free) break;
              const request = Uint8Array.from(
                { length: pieces.reduce((sum, piece) => sum + (piece.write ? 0 : piece.size), 0) },
                () => random.below(256),
              );
              let from = 0;
              for (const piece of pieces) {
                if (piece.write) continue;
                driver.ram.put(piece.at, request.subarray(from, from += piece.size));
              }
              batch.push({ id: ring.add(pieces, through ? table : undefined), pieces, request, entries });
              table += 16 * 12;
            }
            if (batch.length === 0) continue;
            const total = packed ? batch.reduce((sum, { entries }) => sum + entries, 0) : batch.length;
            const ahead = random.below(packed ? Math.min(size, total * 2) : total * 2);
            if (events) ring.event(ahead);
            seen.length = 0;
            ring.publish();
            driver.set(R.notify, queue);
            assertEquals(kit.interrupts.level(INTID), !events || ahead < total, `interrupt: ${total} used, event ${ahead} ahead`);
            driver.set(R.ack, 3);

            assertEquals(seen.length, batch.length);
            for (const [n, { id, pieces, request }] of batch.entries()) {
              const writable = pieces.reduce((sum, piece) => sum + (piece.write ? piece.size : 0), 0);
              assertEquals(seen[n], { readable: request, writable });
              const wanted = answer(seen[n]);
              assertEquals(ring.take(), { id, written: wanted.length });
              const room = join(pieces.filter(({ write }) => write).map(({ at, size }) => driver.ram.bytes(at, size)));
              assertEquals(room.subarray(0, wanted.length), wanted);
            }
            assertEquals(ring.take(), undefined);
            done += batch.length;
          }
          assertEquals(driver.get(R.status), 15);
          assertEquals(kit.traced, []);
        }
      });
    }
  }
}

for (const packed of [false, true]) {
  Deno.test(`virtio rings: a turn has an end, a timer does the rest (${packed ? "packed" : "split"})`, async () => {
    const { driver, kit, seen } = await started(packed ? [PACKED_BIT] : [], 256);
    const [ring] = driver.queues;
    for (let n = 0; n < 256; n++) ring.add([{ at: BUFFERS, size: 1, write: false }]);
    ring.publish();
    driver.set(R.notify, 0);
    assertEquals(seen.length, 128);
    kit.advance(9_000);
    assertEquals(seen.length, 128);
    kit.advance(20_000);
    assertEquals(seen.length, 256);
    for (let n = 0; n < 256; n++) assert(ring.take() !== undefined);
  });

  Deno.test(`virtio rings: a queue that was reset starts over, the other goes on (${packed ? "packed" : "split"})`, async () => {
    const { driver, seen } = await started([40, ...packed ? [PACKED_BIT] : []], 16);
    for (let round = 0; round < 20; round++) driver.request(1, Uint8Array.of(round), 9);
    driver.set(R.queueSel, 0);
    driver.set(R.queueReset, 1);
    assertEquals([driver.get(R.queueReset), driver.get(R.queueReady)], [0, 0]);
    driver.set(R.notify, 0);
    driver.request(1, Uint8Array.of(1), 9);
    const areas = driver.areas(0);
    driver.ram.put(areas.descriptors, new Uint8Array(0x8000));
    driver.setUp(0, 16);
    const fresh = new (driver.queues[0].constructor as new (...parts: unknown[]) => typeof driver.queues[0])(driver.ram, areas, 16);
    driver.queues[0] = fresh;
    driver.request(0, Uint8Array.of(2), 9);
    assertEquals(seen.length, 22);
    assertEquals(driver.get(R.status), 15);
  });
}

Deno.test("virtio rings: a device knows of a split queue what its state and the guest's memory say, so a restored one goes on alike", () => {
  const at = 0x1000, bytes = new Uint8Array(0x3000);
  const put16 = (to: number, value: number) => bytes.set([value & 255, value >> 8], to);
  const memory = new GuestMemory({
    ram: [{ at: 0, size: bytes.length }],
    read: (ipa, size) => bytes.slice(ipa, ipa + size),
    write: (ipa, data) => (bytes.set(data, ipa), true),
  });
  const queue = { ...idleQueue(4), ready: true, descriptors: 0, driver: at, device: 0x2000 };
  const ring = () => new SplitRing(queue, memory, { indirect: false, eventIndex: true });
  for (let n = 0; n < 4; n++) {
    bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 1], 16 * n);
    put16(at + 4 + 2 * n, n);
  }
  const asked = (one: SplitRing) => {
    assertEquals(one.peek()?.id, 0);
    one.requestNotification();
    return bytes[queue.device + 4 + 8 * queue.size];
  };
  // The first chain isn't served yet while the driver adds two more.
  const one = ring();
  put16(at + 2, 1);
  assertEquals(asked(one), 1);
  put16(at + 2, 3);
  assertEquals([asked(one), asked(ring())], [3, 3]);
});
