/** VMIDs: unique among those that are good, unchanged while somebody runs, and never stale in a TLB. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { World } from "./tests/world.ts";
import { enter, giveBack, leave, newTag, newVmids, renew } from "./vmids.ts";
import type { Tag } from "./vmids.ts";
import { randomBelow } from "../../tests/support/random.ts";

Deno.test("more domains than VMIDs: a generation ends, all TLB entries go, and everybody takes a new one", () => {
  const world = new World();
  const spaces = Array.from({ length: 255 }, (_, n) => world.space(32, `guest${n}`));
  assertEquals(spaces.map(({ tag }) => tag.vmid), Array.from({ length: 255 }, (_, n) => n + 1));
  assertEquals(world.invalidated, spaces.map(({ tag }) => tag.vmid), "each flushed before use");
  world.invalidated.length = 0;
  const late = world.space(32, "late");
  assertEquals([late.tag.vmid, world.invalidated, world.vmids.generation], [1, [undefined, 1], 2]);
  assertEquals(world.install(spaces[0]).read("VTTBR_EL2") >> 48n, 2n);
  assertEquals(world.install(spaces[0]).read("VTTBR_EL2") >> 48n, 2n);
  late.destroy();
  assertEquals(world.install(world.space(32, "again")).read("VTTBR_EL2") >> 48n, 1n);
  late.destroy();
  assertThrows(() => late.map(0, 0, 4096, { read: true, write: true, execute: true, type: "normal-wb" }), Error, "late is destroyed");
  for (const space of spaces) space.destroy();
});

Deno.test("16 bits: VTCR_EL2.VS, and VMIDs above 255", () => {
  const world = new World({ vmidBits: 16 });
  const spaces = Array.from({ length: 300 }, (_, n) => world.space(32, `guest${n}`));
  const vcpu = world.install(spaces[299]);
  assertEquals([vcpu.read("VTTBR_EL2") >> 48n, vcpu.read("VTCR_EL2") >> 19n & 1n, world.mmu.vmid()], [300n, 1n, 300]);
  const vmids = newVmids(16);
  const tags = Array.from({ length: 65536 }, () => newTag(vmids));
  let flushes = 0;
  for (const tag of tags) renew(vmids, tag, () => flushes++);
  assertEquals([tags[65534].vmid, tags[65535].vmid, flushes], [65535, 1, 1]);
});

Deno.test("random spaces come, go, enter and leave: no two that are good share a VMID, and who runs keeps his", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const below = randomBelow(`VMIDs ${seed}`);
    const vmids = newVmids();
    let tags: Tag[] = [];
    const running = new Map<number, { tag: Tag; vmid: number }>();
    /** Tags whose entries may be in TLBs, by VMID. */
    const cached = new Map<number, Tag>();
    const isRunning = (tag: Tag) => [...running.values()].some((one) => one.tag === tag);
    for (let step = 0; step < 4000; step++) {
      const tag = tags[below(Math.max(tags.length, 1))];
      const vcpu = below(8);
      switch (below(9)) {
        case 0:
        case 1:
          if (tags.length < 700) tags.push(newTag(vmids));
          break;
        case 2:
          if (tag === undefined || isRunning(tag)) break;
          cached.forEach((owner, vmid) => owner === tag && cached.delete(vmid));
          giveBack(vmids, tag);
          tags = tags.filter((one) => one !== tag);
          break;
        case 3:
          leave(vmids, vcpu);
          running.delete(vcpu);
          break;
        default: {
          if (tag === undefined) break;
          renew(vmids, tag, () => {
            cached.clear();
            // A CPU in its guest fills its TLB again at once.
            for (const one of running.values()) cached.set(one.vmid, one.tag);
          });
          assert(tag.vmid > 0 && tag.vmid < 256);
          const owner = cached.get(tag.vmid);
          assert(owner === undefined || owner === tag, `seed ${seed}, step ${step}: VMID ${tag.vmid} has another's entries`);
          cached.set(tag.vmid, tag);
          enter(vmids, vcpu, tag);
          running.set(vcpu, { tag, vmid: tag.vmid });
        }
      }
      for (const { tag, vmid } of running.values()) assertEquals(tag.vmid, vmid, `seed ${seed}, step ${step}`);
    }
    assertEquals(structuredClone(vmids), vmids);
    assert(vmids.generation > 1, "it never rolled over");
  }
});

Deno.test("when all run there is none left", () => {
  const vmids = newVmids();
  for (let vcpu = 0; vcpu < 255; vcpu++) {
    const tag = newTag(vmids);
    renew(vmids, tag, () => {});
    enter(vmids, vcpu, tag);
  }
  const late = newTag(vmids);
  assertThrows(() => renew(vmids, late, () => {}), RangeError, "all 255 VMIDs belong to domains that run now");
  leave(vmids, 17);
  renew(vmids, late, () => {});
  assertEquals(late.vmid, 18);
});
