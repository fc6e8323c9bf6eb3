import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buddy, MAX_ORDER } from "./buddy.ts";
import { OutOfFramesError, Ram } from "./ram.ts";
import { randomBelow } from "../../tests/support/random.ts";

const MiB = 2 ** 20;

/** Which frames are free, one by one. */
class NaiveFrames {
  readonly free: boolean[];
  constructor(readonly first: number, count: number) {
    this.free = new Array(count).fill(true);
  }
  range(frame: number, count: number): boolean[] {
    return this.free.slice(frame - this.first, frame - this.first + count);
  }
  set(frame: number, count: number, free: boolean): void {
    this.free.fill(free, frame - this.first, frame - this.first + count);
  }
  /** Is there an aligned free block of that size? */
  fits(order: number): boolean {
    const size = 2 ** order;
    for (let at = Math.ceil(this.first / size) * size; at + size <= this.first + this.free.length; at += size) {
      if (this.range(at, size).every(Boolean)) return true;
    }
    return false;
  }
}

Deno.test("buddy allocator against a naive model", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomBelow(`buddy ${seed}`);
    const first = random(3) === 0 ? 0 : random(70);
    const count = 1 + random(300);
    const buddy = new Buddy(first, count);
    const model = new NaiveFrames(first, count);
    const held: [frame: number, order: number][] = [];
    for (let step = 0; step < 400; step++) {
      const what = random(10);
      const why = `seed ${seed}, step ${step}`;
      if (what < 5) {
        const order = random(7);
        const fits = model.fits(order);
        const frame = buddy.allocate(order);
        // Merging is complete: the allocator finds a block whenever there is one.
        assertEquals(frame !== undefined, fits, why);
        if (frame === undefined) continue;
        assertEquals(frame % 2 ** order, 0, why);
        assert(model.range(frame, 2 ** order).every(Boolean), why);
        model.set(frame, 2 ** order, false);
        held.push([frame, order]);
      } else if (what < 7) {
        const frame = first + random(count);
        const size = 1 + random(40);
        const free = frame + size <= first + count && model.range(frame, size).every(Boolean);
        assertEquals(buddy.allocateRange(frame, size), free, why);
        if (free) {
          model.set(frame, size, false);
          for (let i = 0; i < size; i++) held.push([frame + i, 0]);
        }
      } else if (held.length > 0) {
        const [[frame, order]] = held.splice(random(held.length), 1);
        buddy.release(frame, order);
        model.set(frame, 2 ** order, true);
      }
      assertEquals(buddy.free, model.free.filter(Boolean).length, why);
    }
    for (let i = 0; i < count; i++) assertEquals(buddy.isFree(first + i), model.free[i]);
    for (const [frame, order] of held) buddy.release(frame, order);
    assertEquals(buddy.free, count);
    assert(buddy.allocateRange(first, count), "all of it is whole again");
  }
});

Deno.test("buddy allocator: sizes that can't be had", () => {
  const buddy = new Buddy(0, 64);
  for (const order of [-1, 0.5, NaN, MAX_ORDER + 1, 7]) assertEquals(buddy.allocate(order), undefined);
  assertEquals(buddy.allocateRange(60, 5), false);
  assertEquals(buddy.allocate(6), 0);
});

Deno.test("frames have owners; errors name them", () => {
  const ram = new Ram([{ at: 0x4000_0000, size: MiB }]);
  const pa = ram.allocate("one", 2);
  assertEquals(pa % 0x4000, 0);
  assertEquals(ram.usage(), new Map([["one", 4]]));
  assertEquals(ram.ownerOf(pa + 0x1fff), { owner: "one", references: 1 });
  assertThrows(() => ram.release("two", pa), Error, "two: release of the frame at 0x4000_0000, which belongs to one");
  assertThrows(() => ram.allocateAt("two", pa, 0x1000), Error, "belongs to one");
  ram.release("one", pa);
  assertThrows(() => ram.release("one", pa), Error, "one: release of the frame at 0x4000_0000, which is free");
  // Nothing was dropped when part of a range is wrong.
  assertThrows(() => ram.release("one", pa, 0x4000), Error, "which is free");
  assertEquals(ram.usage(), new Map([["one", 3]]));
  ram.release("one", pa + 0x1000, 0x3000);
  assertEquals([ram.usage().size, ram.freeFrames], [0, 256]);
});

Deno.test("a referenced frame outlives its owner's release, and is scrubbed for the next", () => {
  const ram = new Ram([{ at: 0x4000_0000, size: MiB }]);
  const pa = ram.allocate("one", 0);
  ram.view(pa, 4).set([1, 2, 3, 4]);
  ram.reference("one", pa);
  ram.release("one", pa);
  assertEquals([...ram.view(pa, 4)], [1, 2, 3, 4]);
  assertEquals(ram.usage().get("one"), 1);
  ram.release("one", pa);
  assertEquals(ram.ownerOf(pa), undefined);
  ram.allocateAt("two", pa, 0x1000);
  assertEquals([...ram.view(pa, 4)], [0, 0, 0, 0]);
});

Deno.test("too much: an error that says who asked for what", () => {
  const ram = new Ram([{ at: 0x4000_0000, size: MiB }]);
  const error = assertThrows(() => ram.allocate("big", 9), OutOfFramesError);
  assertEquals([error.owner, error.order, error.freeFrames], ["big", 9, 256]);
});

Deno.test("alignment is that of the address, whatever the bank's base", () => {
  const ram = new Ram([{ at: 0x8_1234_5000, size: 4 * MiB }]);
  const pa = ram.allocate("a", 9);
  assertEquals(pa % (2 * MiB), 0);
  assert(ram.isRam(pa, 2 * MiB));
});

Deno.test("several banks: what one can't give, the next does", () => {
  const ram = new Ram([{ at: 0, size: 0x2000 }, { at: 0xff_0000_0000, size: MiB }]);
  assertEquals(ram.allocate("a", 4), 0xff_0000_0000);
  assertEquals(ram.allocate("a", 1), 0);
  assertEquals(ram.banks.map(({ base, hostOffset }) => [base, hostOffset % 65536]), [[0, 0], [0xff_0000_0000, 0]]);
});

Deno.test("views are bounds-checked; the engine's memory lies below all RAM, so its addresses stay small", () => {
  const ram = new Ram([{ at: 0x4000_0000, size: MiB }]);
  for (const [pa, size] of [[0x3fff_ffff, 2], [0x400f_ffff, 2], [0x4000_0000, -1], [0x4000_0000, NaN], [0.5, 1], [2 ** 52, 8]]) {
    assertThrows(() => ram.view(pa, size), RangeError);
  }
  assertEquals(ram.reserve(100), 0);
  assert(65536 < ram.banks[0].hostOffset);
  assertEquals(ram.reserve(1), 65536);
  ram.write64(0x400f_fff8, 0x1122_3344_5566_7788n);
  assertEquals(ram.read64(0x400f_fff8), 0x1122_3344_5566_7788n);
  assertEquals(ram.view(0x400f_fff8, 1)[0], 0x88);
  assertThrows(() => ram.read64(0x4000_0004), RangeError, "aligned");
  assertThrows(() => ram.reserve(256 * MiB), RangeError, "of its area are left");
  ram.seal();
  assertThrows(() => ram.reserve(1), Error, "during board set-up only");
});

Deno.test("a board that can't be", () => {
  assertThrows(() => new Ram([{ at: 0, size: 0x1800 }]), RangeError, "aligned to 4 KiB");
  assertThrows(() => new Ram([{ at: 0, size: 0x2000 }, { at: 0x1000, size: 0x1000 }]), Error, "overlaps");
  assertThrows(() => new Ram([{ at: 0, size: 4096 * MiB }]), RangeError, "at most 3.75 GiB");
  assertEquals(new Ram([{ at: 0, size: 3840 * MiB }]).banks[0].hostOffset, 256 * MiB);
  assertThrows(() => new Ram([{ at: 2 ** 48, size: 0x1000 }]), RangeError, "below 2^48");
});
