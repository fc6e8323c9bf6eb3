/** Grants between two domains: what is counted, what is refused, and what is left when one of them goes. */
import { assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { CpuEngine, MemoryBackend } from "../../core/mod.ts";
import type { Domain } from "../../core/mod.ts";
import { Random } from "../../tests/support/random.ts";
import { GrantStatus, Physmap, SharedFrame } from "./contract.ts";
import { LiveGrants } from "./grants.ts";
import type { GrantsHost } from "./grants.ts";
import { GrantTable } from "./table.ts";

const RAM = 0x4000_0000, RAM_GFN = 0x40000n;
const HOLE = 0x50000n;

/** Two domains on one machine's memory: the second is made by hand beside the bench's. */
class World {
  readonly kit: Bench = bench({ memory: { at: RAM, size: 0x2_0000 } });
  readonly grants = new Map<string, LiveGrants>();
  allowed = true;
  readonly host: GrantsHost;

  constructor(readonly maxMaps = 16) {
    const { memory } = this.kit;
    const engine = this.kit.get(CpuEngine);
    this.host = {
      memory,
      engine,
      of: (name) => this.grants.get(name),
      allows: () => this.allowed,
      idOf: (name) => name === "guest" ? 1 : 2,
    };
    this.add(this.kit.domain);
    this.add(this.second());
  }

  /** Ten frames of RAM at the same addresses. */
  second(): Domain {
    const { memory } = this.kit;
    const space = this.kit.get(MemoryBackend).createAddressSpace("second");
    for (let frame = 0; frame < 10; frame++) {
      space.map(RAM + frame * 4096, memory.allocate("second", 0), 4096, { read: true, write: true, execute: true, type: "normal-wb" });
    }
    return { name: "second", space, ram: [{ at: RAM, size: 10 * 4096 }], vcpus: [] } as unknown as Domain;
  }

  add(domain: Domain): void {
    const physmap = new Physmap(domain, this.kit.memory, false);
    const makeFrame = () => new SharedFrame(this.host, physmap, `${domain.name} (grant table)`);
    const table = new GrantTable(domain, this.host, new Map(), 2, makeFrame);
    this.grants.set(domain.name, new LiveGrants(domain, this.host, physmap, table, this.maxMaps));
  }

  /** Writes an entry: flags, to whom, which frame. */
  entry(owner: string, reference: number, flags: number, domid: number, frame: number): void {
    const page = this.grants.get(owner)!.frame(Math.floor(reference / 512))!.page;
    page.set64(reference % 512 * 8, BigInt(flags) | BigInt(domid) << 16n | BigInt(frame) << 32n);
  }

  flags(owner: string, reference: number): number {
    return this.grants.get(owner)!.frame(0)!.page.get32(reference * 8) & 0xffff;
  }

  map(who: string, owner: string, reference: number, gfn: bigint, readOnly = false): { status: number; handle: number } {
    return this.grants.get(who)!.map({ owner, reference, gfn, readOnly });
  }

  references(owner: string, gfn: bigint): number | undefined {
    const pa = this.grants.get(owner)!.domain.space.lookup(Number(gfn) * 4096)?.pa;
    return pa === undefined ? undefined : this.kit.memory.ownerOf(pa)?.references;
  }

  [Symbol.dispose](): void {
    for (const grants of this.grants.values()) grants.release();
    this.kit.close();
  }
}

const FIRST = Number(RAM_GFN);

Deno.test("map and unmap: flags, references, handles; the page is the owner's", () => {
  using world = new World();
  world.entry("guest", 8, 1, 2, FIRST + 3);
  const first = world.map("second", "guest", 8, HOLE);
  const second = world.map("second", "guest", 8, HOLE + 1n, true);
  assertEquals([first, second], [{ status: 0, handle: 0 }, { status: 0, handle: 1 }]);
  assertEquals([world.flags("guest", 8), world.references("guest", RAM_GFN + 3n)], [1 | 8 | 16, 3]);
  const spaces = [
    world.grants.get("guest")!.domain.space.lookup(RAM + 3 * 4096),
    world.grants.get("second")!.domain.space.lookup(0x5000_0000),
  ];
  assertEquals(spaces[0]!.pa, spaces[1]!.pa);
  assertEquals(world.grants.get("second")!.domain.space.lookup(0x5000_1000)!.mapping.write, false);
  const unmap = (handle: number, gfn: bigint) => world.grants.get("second")!.unmap(handle, gfn);
  assertEquals(unmap(0, HOLE + 1n), GrantStatus.bad_virt_addr);
  assertEquals(unmap(0, HOLE), 0);
  assertEquals(world.flags("guest", 8), 1 | 8);
  assertEquals(unmap(0, HOLE), GrantStatus.bad_handle);
  assertEquals(unmap(1, HOLE + 1n), 0);
  assertEquals([world.flags("guest", 8), world.references("guest", RAM_GFN + 3n)], [1, 1]);
  assertEquals(world.grants.get("guest")!.counts.active + world.grants.get("second")!.counts.maps, 0);
});

Deno.test("refused: not granted, to somebody else, read-only, a hole, no such entry, no such domain, no handle, no room, the policy", () => {
  using world = new World(1);
  const rows: readonly [what: string, flags: number, domid: number, frame: number, readOnly: boolean, status: number][] = [
    ["invalid", 0, 2, FIRST, false, GrantStatus.general_error],
    ["transfer", 2, 2, FIRST, false, GrantStatus.general_error],
    ["transitive", 3, 2, FIRST, false, GrantStatus.general_error],
    ["to another", 1, 3, FIRST, false, GrantStatus.general_error],
    ["to itself", 1, 1, FIRST, false, GrantStatus.general_error],
    ["read-only, for writing", 5, 2, FIRST, false, GrantStatus.general_error],
    ["a hole", 1, 2, 0x7000, false, GrantStatus.bad_page],
    ["beyond every address", 1, 2, 0xffff_ffff, false, GrantStatus.bad_page],
    ["read-only, for reading", 5, 2, FIRST, true, 0],
  ];
  for (const [what, flags, domid, frame, readOnly, status] of rows) {
    world.entry("guest", 9, flags, domid, frame);
    assertEquals(world.map("second", "guest", 9, HOLE, readOnly).status, status, what);
  }
  assertEquals(world.map("second", "guest", 9, HOLE + 1n, true).status, GrantStatus.no_device_space);
  assertEquals(world.grants.get("second")!.unmap(0, HOLE), 0);
  for (const reference of [1024, 512, 0xffff_ffff, -1, 1.5]) {
    assertEquals(world.map("second", "guest", reference, HOLE).status, GrantStatus.bad_gntref, `${reference}`);
  }
  assertEquals(world.map("second", "nobody", 9, HOLE).status, GrantStatus.bad_domain);
  world.entry("guest", 9, 1, 2, FIRST);
  for (const gfn of [1n << 36n, 1n << 52n, -1n]) assertEquals(world.map("second", "guest", 9, gfn).status, GrantStatus.bad_virt_addr);
  assertEquals(world.references("guest", RAM_GFN), 1);
  world.allowed = false;
  assertEquals(world.map("second", "guest", 9, HOLE).status, GrantStatus.permission_denied);
  assertEquals(world.grants.get("second")!.mapForeign("guest", RAM_GFN, HOLE), -1);
});

Deno.test("TOCTOU (XSA-155, XSA-500): an entry that changes while it is in use changes nothing of the use", () => {
  using world = new World();
  world.entry("guest", 8, 1, 2, FIRST + 3);
  world.map("second", "guest", 8, HOLE);
  world.entry("guest", 8, 1, 2, FIRST + 4);
  const again = world.map("second", "guest", 8, HOLE + 1n);
  const { space } = world.grants.get("second")!.domain;
  assertEquals([again.status, space.lookup(0x5000_1000)!.pa], [0, space.lookup(0x5000_0000)!.pa]);
  world.entry("guest", 8, 0, 0, 0);
  assertEquals(world.grants.get("second")!.unmap(0, HOLE), 0);
  assertEquals(world.grants.get("second")!.unmap(1, HOLE + 1n), 0);
  assertEquals([3n, 4n].map((frame) => world.references("guest", RAM_GFN + frame)), [1, 1]);
});

Deno.test("copies: between grants and own frames, at every edge of a page", () => {
  using world = new World();
  const { memory } = world.kit;
  const page = (name: string, frame: number) => memory.view(world.grants.get(name)!.domain.space.lookup(RAM + frame * 4096)!.pa, 4096);
  page("guest", 3).set([1, 2, 3, 4], 4092);
  world.entry("guest", 8, 5, 2, FIRST + 3);
  world.entry("guest", 9, 1, 2, FIRST + 4);
  const second = world.grants.get("second")!;
  const own = (offset: number) => ({ gfn: RAM_GFN + 1n, offset });
  const grant = (reference: number, offset: number) => ({ owner: "guest", reference, offset });
  assertEquals(second.copy(grant(8, 4092), own(0), 4), 0);
  assertEquals([...page("second", 1).subarray(0, 5)], [1, 2, 3, 4, 0]);
  assertEquals(second.copy(own(0), grant(9, 10), 4), 0);
  assertEquals([...page("guest", 4).subarray(10, 14)], [1, 2, 3, 4]);
  assertEquals(second.copy(own(0), grant(8, 0), 4), GrantStatus.general_error);
  assertEquals(second.copy(grant(8, 0), own(4093), 4), GrantStatus.bad_copy_arg);
  assertEquals(second.copy(grant(8, 4093), own(0), 4), GrantStatus.bad_copy_arg);
  assertEquals(second.copy(grant(8, 0), { gfn: HOLE, offset: 0 }, 4), GrantStatus.bad_page);
  assertEquals(second.copy(grant(8, 0), { gfn: 1n << 60n, offset: 0 }, 4), GrantStatus.bad_page);
  assertEquals([world.flags("guest", 8), world.flags("guest", 9), world.grants.get("guest")!.counts.active], [5, 1, 0]);
});

Deno.test("pin counts (XSA-224, XSA-228, XSA-380, XSA-394): the mapper's page is replaced or removed, either side goes first", () => {
  {
    using world = new World();
    world.entry("guest", 8, 1, 2, FIRST + 3);
    world.map("second", "guest", 8, HOLE);
    world.entry("guest", 9, 1, 2, FIRST + 4);
    // A second mapping in the same place: the first leaves, with its use and its handle.
    assertEquals(world.map("second", "guest", 9, HOLE).status, 0);
    assertEquals([world.flags("guest", 8), world.references("guest", RAM_GFN + 3n)], [1, 1]);
    assertEquals(world.grants.get("second")!.physmap.remove(HOLE), 0);
    assertEquals([world.flags("guest", 9), world.references("guest", RAM_GFN + 4n), world.grants.get("second")!.counts.maps], [1, 1, 0]);
    // The mapper goes.
    world.map("second", "guest", 8, HOLE);
    world.grants.get("second")!.release();
    assertEquals([world.flags("guest", 8), world.references("guest", RAM_GFN + 3n)], [1, 1]);
  }
  using world = new World();
  world.entry("second", 8, 1, 1, FIRST + 3);
  world.map("guest", "second", 8, HOLE);
  const { pa } = world.grants.get("second")!.domain.space.lookup(RAM + 3 * 4096)!;
  // The owner goes: its frame stays while it is mapped, and no longer.
  world.grants.get("second")!.release();
  world.grants.delete("second");
  world.kit.memory.release("second", pa);
  assertEquals(world.kit.memory.ownerOf(pa), { owner: "second", references: 1 });
  assertEquals(world.map("guest", "second", 8, HOLE + 1n).status, GrantStatus.bad_domain);
  assertEquals(world.grants.get("guest")!.unmap(0, HOLE), 0);
  assertEquals(world.kit.memory.ownerOf(pa), undefined);
});

Deno.test("foreign pages of foreign pages: only RAM that the domain owns is lent", () => {
  using world = new World();
  const guest = world.grants.get("guest")!, second = world.grants.get("second")!;
  assertEquals(second.mapForeign("guest", RAM_GFN + 3n, HOLE), 0);
  // What second mapped isn't second's to lend.
  assertEquals(guest.mapForeign("second", HOLE, HOLE), -22);
  world.entry("second", 8, 1, 1, Number(HOLE));
  assertEquals(world.map("guest", "second", 8, HOLE).status, GrantStatus.bad_page);
  assertEquals(world.references("guest", RAM_GFN + 3n), 2);
  assertEquals(second.physmap.remove(HOLE), 0);
  assertEquals(world.references("guest", RAM_GFN + 3n), 1);
});

Deno.test("20,000 random operations against a model of references", () => {
  using world = new World();
  const random = new Random("grants");
  const names = ["guest", "second"];
  for (let round = 0; round < 20_000; round++) {
    const who = names[random.below(2)], other = names[random.below(2)], grants = world.grants.get(who)!;
    const gfn = random.below(3) ? HOLE + BigInt(random.below(6)) : RAM_GFN + BigInt(random.below(10));
    switch (random.below(6)) {
      case 0:
        world.entry(who, 8 + random.below(4), random.below(8), 1 + random.below(2), FIRST + random.below(12));
        break;
      case 1:
        grants.unmap(random.below(8), gfn);
        break;
      case 2:
        grants.physmap.remove(gfn);
        break;
      case 3:
        grants.physmap.populate(gfn);
        break;
      case 4:
        grants.mapForeign(other, RAM_GFN + BigInt(random.below(12)), gfn);
        break;
      default:
        world.map(who, other, 8 + random.below(4), gfn, random.chance(0.5));
    }
  }
  // Every mapping leaves: each frame has its owner's reference alone.
  for (const name of names) world.grants.get(name)!.physmap.release();
  for (const { base } of world.kit.memory.banks) {
    for (let pa = base; pa < base + 0x10_0000; pa += 4096) {
      const held = world.kit.memory.ownerOf(pa);
      if (held && names.includes(held.owner)) assertEquals(held.references, 1, `${held.owner} ${pa.toString(16)}`);
    }
  }
  assertEquals(names.map((name) => world.grants.get(name)!.counts), [{ active: 0, maps: 0 }, { active: 0, maps: 0 }]);
});
