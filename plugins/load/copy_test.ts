/** Bytes that EL2 copies: all of them, through mappings that come back, and nothing outside the guest's RAM. */
import { assertEquals, assertThrows } from "@std/assert";
import { MapRefusedError, PAGE_SIZE } from "../../core/mod.ts";
import type { HypervisorMap, HypervisorMapping } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { placeImage } from "./contract.ts";
import { copyThroughMap, FRAMES_AT_A_TIME } from "./copy.ts";

const RAM = 0x4000_0000, SIZE = 0x10_0000;

/** A map that takes frames one after the other, as an MPU does, and counts. */
class Identity {
  live = 0;
  widest = 0;
  made = 0;
  stores = 0;

  constructor(readonly kit: Bench, readonly refuse = Infinity) {}

  vmap(frames: readonly number[]): HypervisorMapping {
    if (this.made >= this.refuse) throw new MapRefusedError("exhausted", "no region is left");
    this.made++;
    this.live++;
    this.widest = Math.max(this.widest, frames.length);
    frames.forEach((frame, n) => assertEquals(frame, frames[0] + n * PAGE_SIZE));
    const bytes = this.kit.memory.view(frames[0], frames.length * PAGE_SIZE);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      write: (offset: number, size: number, value: bigint) => {
        this.stores++;
        assertEquals(offset % size, 0);
        if (size === 1) view.setUint8(offset, Number(value));
        else view.setBigUint64(offset, value, true);
      },
    } as HypervisorMapping;
  }

  unmap(): void {
    this.live--;
  }

  get map(): HypervisorMap {
    return this as unknown as HypervisorMap;
  }
}

const pattern = (size: number) => Uint8Array.from({ length: size }, (_, n) => n * 7 + (n >>> 8) + 1);

Deno.test("every length and alignment, in bounded pieces that are given back", () => {
  using kit = bench();
  for (
    const [offset, size] of [[0, 1], [0, 8], [3, 2], [7, 9], [4095, 2], [0x123, 70_001], [0, FRAMES_AT_A_TIME * PAGE_SIZE + 1], [0, 0]]
  ) {
    const map = new Identity(kit);
    const bytes = pattern(size);
    kit.domain.writeMemory(RAM, new Uint8Array(SIZE));
    copyThroughMap(kit.domain, map.map, RAM + offset, bytes);
    const whole = new Uint8Array(SIZE);
    whole.set(bytes, offset);
    assertEquals(kit.domain.readMemory(RAM, SIZE).every((byte, n) => byte === whole[n]), true, `${size} bytes at ${offset}`);
    assertEquals([map.live, map.widest <= FRAMES_AT_A_TIME, map.stores <= size / 8 + 14], [0, true, true]);
  }
});

Deno.test("what isn't all guest RAM changes nothing, and what can't be mapped says so", () => {
  using kit = bench();
  for (const [at, size] of [[RAM + SIZE - 4, 8], [RAM - 4, 8], [RAM + SIZE, 1], [0, 1]]) {
    const map = new Identity(kit);
    assertThrows(() => copyThroughMap(kit.domain, map.map, at, pattern(size)), RangeError, "not all of it is guest RAM");
    assertEquals([map.made, map.stores], [0, 0]);
    assertEquals(placeImage(kit.domain, undefined, at, pattern(size), map.map)?.includes("lie outside the guest's memory"), true);
  }
  const map = new Identity(kit, 1);
  const message = placeImage(kit.domain, undefined, RAM, pattern(2 * FRAMES_AT_A_TIME * PAGE_SIZE), map.map);
  assertEquals([message, map.live], ["EL2 can't map the guest's memory: no region is left", 0]);
});

Deno.test("frames in any order", () => {
  using kit = bench();
  const { space } = kit.domain;
  const [a, b] = [space.lookup(RAM)!, space.lookup(RAM + PAGE_SIZE)!];
  space.unmap(RAM, 2 * PAGE_SIZE);
  space.map(RAM, b.pa, PAGE_SIZE, b.mapping);
  space.map(RAM + PAGE_SIZE, a.pa, PAGE_SIZE, a.mapping);
  const map = new Identity(kit);
  const bytes = pattern(2 * PAGE_SIZE);
  copyThroughMap(kit.domain, map.map, RAM, bytes);
  assertEquals(map.made, 2);
  assertEquals([...kit.memory.view(b.pa, PAGE_SIZE)], [...bytes.subarray(0, PAGE_SIZE)]);
  assertEquals([...kit.memory.view(a.pa, PAGE_SIZE)], [...bytes.subarray(PAGE_SIZE)]);
});
