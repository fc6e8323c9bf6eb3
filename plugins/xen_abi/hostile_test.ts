/** Xen's guest interface against guests that want harm: a test for each class of bug that hypervisors on Arm have had there. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutOfFramesError } from "../../core/mod.ts";
import type { PhysicalMemory } from "../../core/mod.ts";
import { Random } from "../../tests/support/random.ts";
import { Errno } from "../event_channels/contract.ts";
import { EventOp, HvmParam, Hypercall, MapSpace, MemoryOp, SchedOp, VcpuOp, VersionOp } from "./numbers.ts";
import { RAM, XenKit } from "./tests/xen_kit.ts";
import type { Field, XenGuest } from "./tests/xen_kit.ts";

const SELF = 0x7ff0;
/** Random calls; more of them by the environment. */
const CALLS = Number(Deno.env.get("XEN_CALLS") ?? 4000);
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

const addToPhysmap = (guest: XenGuest, space: number, index: number | bigint, gfn: number | bigint) =>
  guest.op(Hypercall.memory_op, MemoryOp.add_to_physmap, [[2, SELF], [2, 0], [4, space], [8, index], [8, gfn]]);
const event = (guest: XenGuest, op: number, fields: readonly Field[]) => guest.op(Hypercall.event_channel_op, op, fields);

/** No domain has crashed, no plugin has thrown. */
function assertWell(kit: XenKit): void {
  assertEquals(kit.machine.domains.filter(({ outcome }) => outcome !== undefined).map(({ name }) => name), []);
  assertEquals(kit.traced.filter((line) => /plugin failure/.test(line)), []);
}

Deno.test("impossible values (XSA-117, XSA-296, XSA-301): random calls are answered, and nothing throws", async () => {
  using kit = await XenKit.start({ policy: "open", vcpus: 2 });
  const random = new Random("xen 42");
  const numbers = Object.values(Hypercall);
  const guest = kit.guest("one"), other = kit.guest("two");
  const value = () => {
    switch (random.below(8)) {
      case 0:
        return ALL_ONES - BigInt(random.below(3));
      case 1:
        return BigInt(random.below(0x1_0000_0000)) << BigInt(random.below(33));
      case 2:
        return BigInt(RAM + random.below(0x10_0000));
      case 3:
        return guest.gfn(random.below(300));
      case 4:
        return 0x8000_0000n >> BigInt(random.below(32));
      default:
        return BigInt(random.below(34));
    }
  };
  for (let round = 0; round < CALLS; round++) {
    const at = RAM + 0x8_0000 + random.below(0x4_0000);
    // Structures of random fields, mostly where one looks for them.
    if (round % 3 === 0) {
      const bytes = new DataView(new ArrayBuffer(48));
      for (let field = 0; field < 48; field += 8) bytes.setBigUint64(field, random.below(2) ? value() : BigInt(SELF), true);
      guest.write(at, new Uint8Array(bytes.buffer));
    }
    const number = numbers[random.below(numbers.length)];
    const op = number === Hypercall.sched_op ? SchedOp.poll + 1 + random.below(20) : random.below(16);
    const args = [op, ...Array.from({ length: 4 }, () => random.below(3) ? at : value())];
    // Long arrays are another test's: here they would be all that there is time for.
    if (number === Hypercall.grant_table_op) args[2] = random.below(100);
    guest.begin(number, ...args);
    if (round % 64 === 63) { for (let turn = 0; turn < 64; turn++) kit.run(200); }
  }
  for (let turn = 0; turn < 500; turn++) kit.run();
  assertWell(kit);
  // The other domain hasn't noticed.
  assertEquals(other.call(Hypercall.xen_version, VersionOp.version, 0), 4 << 16 | 17);
});

Deno.test("unlimited logging (XSA-118, XSA-146): 10,000 unknown calls leave a few lines", async () => {
  using kit = await XenKit.start();
  const guest = kit.guest("one");
  for (let round = 0; round < 100; round++) {
    for (let n = 0; n < 100; n++) guest.begin(0x1000 + n);
    kit.run(10_000);
  }
  assert(kit.traced.length < 100, `${kit.traced.length} lines`);
  assertWell(kit);
});

Deno.test("permission ignored when copying (XSA-98): arguments in holes, shared pages, foreign pages, over the end", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one");
  addToPhysmap(one, MapSpace.shared_info, 0, one.gfn(1));
  one.write(RAM + 0x10_0000 - 4, Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  const places = [0, RAM - 8, RAM + 0x10_0000 - 4, RAM + 0x1000, 0x3900_0000, 1n << 48n, 1n << 63n, ALL_ONES, ALL_ONES - 7n];
  for (const at of places) {
    assertEquals(one.call(Hypercall.xen_version, VersionOp.get_features, at), Errno.EFAULT, `${at}`);
    assertEquals(one.call(Hypercall.memory_op, MemoryOp.add_to_physmap, at), Errno.EFAULT);
    assertEquals(one.call(Hypercall.event_channel_op, EventOp.send, at), at === RAM + 0x10_0000 - 4 ? Errno.EINVAL : Errno.EFAULT);
    assertEquals(one.call(Hypercall.hvm_op, 1, at), Errno.EFAULT);
    assertEquals(one.call(Hypercall.vcpu_op, VcpuOp.register_vcpu_info, 0, at), Errno.EFAULT);
    assertEquals(one.call(Hypercall.grant_table_op, 6, at, 1), Errno.EFAULT);
    assertEquals(one.call(Hypercall.console_io, 0, 8, at), Errno.EFAULT);
    assertEquals(one.call(Hypercall.sched_op, SchedOp.shutdown, at), at === RAM + 0x10_0000 - 4 ? Errno.EINVAL : Errno.EFAULT);
  }
  // A read-only page of its own: it may be read from, not written to.
  one.domain.space.unmap(RAM + 0x2000, 4096);
  const { pa } = one.domain.space.lookup(RAM + 0x3000)!;
  one.domain.space.map(RAM + 0x2000, pa, 4096, { read: true, write: false, execute: false, type: "normal-wb" });
  assertEquals(one.call(Hypercall.xen_version, VersionOp.get_features, RAM + 0x2000), Errno.EFAULT);
  assertEquals(event(one, EventOp.init_control, [[8, one.gfn(2)], [4, 0], [4, 0], [8, 0]]), Errno.EINVAL);
  assertWell(kit);
});

Deno.test("uninitialised memory returned (XSA-101, XSA-506): what goes back is what was written, and zeros", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  const poison = () => one.write(RAM + 0x4000, new Uint8Array(4096).fill(0xee));
  for (const [op, size] of [[VersionOp.extraversion, 16], [VersionOp.compile_info, 144], [VersionOp.capabilities, 1024]] as const) {
    poison();
    one.call(Hypercall.xen_version, op, RAM + 0x4000);
    assertEquals(one.read(RAM + 0x4000 + size, 8).every((byte) => byte === 0xee), true);
    const bytes = one.read(RAM + 0x4000, size);
    assertEquals(bytes.subarray(bytes.indexOf(0)).some((byte) => byte === 0xee), false);
  }
  // Shared frames are zeroed before a guest sees them.
  for (const [space, index] of [[MapSpace.grant_table, 0], [MapSpace.grant_table, 1]]) {
    assertEquals(addToPhysmap(one, space, index, 0x38000 + index), 0);
    assertEquals(one.mapped((0x38000 + index) * 4096)!.every((byte) => byte === 0), true);
  }
});

Deno.test("a mapping survives its removal (XSA-393, XSA-222), and teardown (XSA-410)", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one");
  assertEquals(addToPhysmap(one, MapSpace.grant_table, 0, 0x38000), 0);
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.remove_from_physmap, [[2, SELF], [2, 0], [4, 0], [8, 0x38000]]), 0);
  assertEquals(one.mapped(0x3800_0000), undefined);
  // Nothing new of a domain that has ended.
  kit.domain("two").end({ kind: "power-off" });
  const foreign = [[2, SELF], [2, MapSpace.gmfn_foreign], [2, 1], [2, 2], [8, RAM + 0x9000], [8, RAM + 0x9008], [8, RAM + 0x9010]] as const;
  one.write(RAM + 0x9000, new Uint8Array(new BigUint64Array([BigInt(RAM / 4096), 0x50000n]).buffer));
  one.op(Hypercall.memory_op, MemoryOp.add_to_physmap_batch, foreign);
  assertEquals(new Int32Array(Uint8Array.from(one.read(RAM + 0x9010, 4)).buffer)[0], Errno.ESRCH);
});

Deno.test("memory not charged (XSA-383, XSA-409): tables and maps have limits", async () => {
  using kit = await XenKit.start({ policy: "open", maxPort: 20, maxFrames: 2 });
  const one = kit.guest("one");
  const before = kit.machine.memory.freeFrames;
  for (let index = 0; index < 10; index++) addToPhysmap(one, MapSpace.grant_table, index, 0x38000 + index);
  assert(before - kit.machine.memory.freeFrames <= 2);
  let last = 0;
  for (let n = 0; n < 40; n++) last = event(one, EventOp.alloc_unbound, [[2, SELF], [2, 2], [4, 0]]);
  assertEquals([last, kit.channels.of("one")!.count], [Errno.ENOSPC, 20]);
});

Deno.test("event-channel bounds (XSA-107, XSA-358): port 0, the last one and beyond", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one");
  for (const port of [0, 1023, 1024, 4095, 4096, 0x1_ffff, 0x2_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    for (const op of [EventOp.send, EventOp.close, EventOp.unmask]) {
      assertEquals(event(one, op, [[4, port]]), Errno.EINVAL, `${op} ${port}`);
    }
    assertEquals(event(one, EventOp.bind_vcpu, [[4, port], [4, 0]]), Errno.EINVAL);
    assertEquals(event(one, EventOp.set_priority, [[4, port], [4, 0]]), Errno.EINVAL);
    assertEquals(event(one, EventOp.bind_interdomain, [[2, 2], [2, 0], [4, port], [4, 0]]), Errno.EINVAL);
    const status = event(one, EventOp.status, [[2, SELF], [2, 0], [4, port], [8, 0], [8, 0]]);
    assertEquals(status, port <= 1023 ? 0 : Errno.EINVAL);
  }
  for (const vcpu of [1, 0x8000_0000, 0xffff_ffff]) {
    assertEquals(event(one, EventOp.bind_ipi, [[4, vcpu], [4, 0]]), Errno.ENOENT);
    assertEquals(event(one, EventOp.bind_virq, [[4, 0], [4, vcpu], [4, 0]]), Errno.ENOENT);
  }
  for (const virq of [24, 0xffff_ffff]) assertEquals(event(one, EventOp.bind_virq, [[4, virq], [4, 0], [4, 0]]), Errno.EINVAL);
  assertEquals(event(one, EventOp.bind_virq, [[4, 3], [4, 0], [4, 0]]), 0);
  assertEquals(event(one, EventOp.bind_virq, [[4, 3], [4, 0], [4, 0]]), Errno.EEXIST);
  assertWell(kit);
});

Deno.test("FIFO control block and links (XSA-107, XSA-340, XSA-505): scribbled words, more pages than ports, expand and reset", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one");
  const control = (gfn: bigint, offset: number, vcpu: number) =>
    event(one, EventOp.init_control, [[8, gfn], [4, offset], [4, vcpu], [8, 0]]);
  for (
    const [gfn, offset, vcpu, wanted] of [
      [one.gfn(2), 4096 - 71, 0, Errno.EINVAL],
      [one.gfn(2), 4, 0, Errno.EINVAL],
      [one.gfn(2), 0xffff_fff8, 0, Errno.EINVAL],
      [one.gfn(2), 0, 1, Errno.ENOENT],
      [0x39000n, 0, 0, Errno.EINVAL],
      [ALL_ONES, 0, 0, Errno.EINVAL],
      [one.gfn(2), 4096 - 72, 0, 0],
    ] as const
  ) {
    assertEquals(control(gfn, offset, vcpu), wanted);
  }
  const random = new Random("xen 7");
  const pages = [2, 3].map((n) => one.mapped(RAM + n * 4096)!);
  assertEquals(event(one, EventOp.expand_array, [[8, one.gfn(3)]]), 0);
  for (let n = 0; n < 40; n++) event(one, EventOp.bind_ipi, [[4, 0], [4, 0]]);
  const { of } = kit.channels;
  for (let round = 0; round < 20_000; round++) {
    pages[random.below(2)][random.below(4096)] = random.below(256);
    const port = random.below(45), ports = of("one")!;
    const operation = random.below(4);
    if (operation < 2) ports.send(port);
    else if (operation === 2) ports.unmask(port);
    else ports.setPriority(port, random.below(16));
  }
  // Pages beyond the last port, then back to bits, and again.
  let last = 0;
  for (let n = 0; n < 130 && last === 0; n++) last = event(one, EventOp.expand_array, [[8, one.gfn(10 + n % 20)]]);
  assertEquals(last, Errno.ENOSPC);
  assertEquals(event(one, EventOp.reset, [[2, SELF]]), 0);
  assertEquals(event(one, EventOp.reset, [[2, 2]]), Errno.EPERM);
  assertEquals(control(one.gfn(4), 0, 0), 0);
  assertWell(kit);
});

Deno.test("unbounded loops and continuations (XSA-213, XSA-318, XSA-380): long arrays come in pieces, and end where they can't be read", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  // 0xffff_ffff operations from the last page on: pieces of 64, until RAM ends.
  const query = new Uint8Array(16);
  query[0] = SELF & 255;
  query[1] = SELF >> 8;
  for (let at = RAM + 0xe_0000; at < RAM + 0xf_0000; at += 16) one.write(at, query);
  const exits = () => kit.machine.stats.exits.get("hvc") ?? 0;
  const before = exits();
  assertEquals(one.call(Hypercall.grant_table_op, 6, RAM + 0xe_0000, 4096), 0);
  assertEquals(exits() - before, 64);
  assertEquals(one.call(Hypercall.grant_table_op, 6, RAM + 0xf_f000, 0xffff_ffff), Errno.EFAULT);
  const extents = [[8, RAM + 0x9000], [8, ALL_ONES], [4, 0], [4, 0], [2, SELF], [2, 0], [4, 0]] as const;
  one.write(RAM + 0x9000, new Uint8Array(new BigUint64Array([one.gfn(200)]).buffer));
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.decrease_reservation, extents), 1);
  // A guest that says itself how much is done only skips what is its own.
  assertEquals(one.call(Hypercall.memory_op, MemoryOp.decrease_reservation + 64 * 0x3ff_ffff, one.scratch), 0x3ff_ffff);
  assertWell(kit);
});

Deno.test("arithmetic at the top of the address space (XSA-437, XSA-447): frames and ranges that end at 2^36, 2^48, 2^64", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one");
  for (const gfn of [1n << 36n, (1n << 36n) - 1n << 1n, 1n << 52n, 1n << 63n, ALL_ONES]) {
    assertEquals(addToPhysmap(one, MapSpace.shared_info, 0, gfn), Errno.EINVAL);
    assertEquals(one.op(Hypercall.memory_op, MemoryOp.remove_from_physmap, [[2, SELF], [2, 0], [4, 0], [8, gfn]]), Errno.EINVAL);
    assertEquals(one.op(Hypercall.vcpu_op, VcpuOp.register_vcpu_info, [[8, gfn], [4, 0], [4, 0]], [0]), Errno.EINVAL);
    assertEquals(one.grant(0, [[8, gfn << 12n], [4, 2], [4, 0], [2, SELF], [2, 0], [4, 0], [8, 0]]), 0);
    assert(one.out.getInt16(18, true) < 0);
  }
  assertWell(kit);
});

Deno.test("the console's ring: every index, and characters nobody reads", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  const page = one.mapped(0x3900_0000)!;
  const ring = new DataView(page.buffer, page.byteOffset, 4096);
  one.op(Hypercall.hvm_op, 1, [[2, SELF], [2, 0], [4, HvmParam.console_evtchn], [8, 0]]);
  const port = one.out.getUint32(8, true);
  const interesting = [0, 1, 1023, 1024, 1025, 2047, 2048, 2049, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
  for (const cons of interesting) {
    for (const prod of interesting) {
      for (const at of [3072, 3080]) {
        ring.setUint32(at, cons, true);
        ring.setUint32(at + 4, prod, true);
      }
      kit.channels.of("one")!.send(port);
      assertEquals(ring.getUint32(3080, true), prod); // nothing is owed any more
      kit.machine.serialInput("one-xen", new Uint8Array(3));
      kit.run(100);
    }
  }
  assert((kit.output.get("one-xen") ?? "").length <= interesting.length ** 2 * 2048);
  assertWell(kit);
});

Deno.test("100 lives of a domain with ports, grants, foreign pages and a FIFO: the board is as it was (XSA-181, XSA-334)", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one");
  const live = async () => {
    const two = kit.guest("two");
    addToPhysmap(two, MapSpace.shared_info, 0, two.gfn(1));
    addToPhysmap(two, MapSpace.grant_table, 0, 0x38000);
    event(two, EventOp.init_control, [[8, two.gfn(2)], [4, 0], [4, 0], [8, 0]]);
    event(two, EventOp.expand_array, [[8, two.gfn(3)]]);
    two.op(Hypercall.vcpu_op, VcpuOp.register_vcpu_info, [[8, two.gfn(4)], [4, 0], [4, 0]], [0]);
    two.op(Hypercall.vcpu_op, VcpuOp.register_runstate_memory_area, [[8, RAM + 0x5ff0]], [0]);
    event(one, EventOp.alloc_unbound, [[2, SELF], [2, 2], [4, 0]]);
    const port = one.out.getUint32(4, true);
    event(two, EventOp.bind_interdomain, [[2, 1], [2, 0], [4, port], [4, 0]]);
    // Two grants page 6 to one; one maps it, and two goes.
    const table = two.mapped(0x3800_0000)!;
    new DataView(table.buffer, table.byteOffset).setBigUint64(8 * 9, 1n | 1n << 16n | two.gfn(6) << 32n, true);
    assertEquals(one.grant(0, [[8, 0x5000_0000], [4, 2], [4, 9], [2, 2], [2, 0], [4, 0], [8, 0]]), 0);
    assertEquals(one.out.getInt16(18, true), 0);
    const handle = one.out.getUint32(20, true);
    await kit.machine.reboot("two");
    assertEquals(one.grant(1, [[8, 0x5000_0000], [8, 0], [4, handle], [2, 0], [2, 0]]), 0);
    assertEquals(one.out.getInt16(20, true), 0);
    assertEquals(event(one, EventOp.close, [[4, port]]), 0);
  };
  await live();
  const before = kit.usage();
  for (let n = 0; n < 100; n++) await live();
  assertEquals(kit.usage(), before);
  assertWell(kit);
});

Deno.test("error paths free what was taken, and nothing else (XSA-181, XSA-235, XSA-496): every allocation of a domain's building fails in turn", async () => {
  using kit = await XenKit.start({ policy: "open", channels: [{ one: 9, two: 9 }] });
  const { machine } = kit;
  const { spec } = kit.domain("two");
  machine.destroyDomain(kit.domain("two"));
  const before = kit.usage();
  const memory = machine.memory as { allocate: PhysicalMemory["allocate"] };
  const allocate = memory.allocate.bind(machine.memory);
  let failures = 0;
  for (;; failures++) {
    let left = failures;
    memory.allocate = (owner, order) => {
      if (left-- <= 0) throw new OutOfFramesError(owner, order, 0);
      return allocate(owner, order);
    };
    try {
      if (failures > 0 && await machine.createDomain(spec).then(() => true, () => false)) break;
      if (failures === 0) await assertRejects(() => machine.createDomain(spec));
    } finally {
      memory.allocate = allocate;
    }
    assertEquals(kit.usage(), before, `allocation ${failures}`);
    assertEquals(kit.channels.of("one")!.status(9)?.kind, 1); // unbound, as it was
  }
  assert(failures >= 4, `${failures} allocations`); // RAM, the shared info page, two rings
  assertEquals(kit.channels.of("one")!.status(9)?.remotePort, 9);
  machine.destroyDomain(kit.domain("two"));
  assertEquals(kit.usage(), before);
});

Deno.test("no memory is left: what a guest asks for is refused, and it lives", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one");
  const memory = kit.machine.memory as { allocate: PhysicalMemory["allocate"] };
  memory.allocate = (owner, order) => {
    throw new OutOfFramesError(owner, order, 0);
  };
  assertEquals(addToPhysmap(one, MapSpace.grant_table, 0, 0x38000), Errno.ENOMEM);
  assertEquals(one.grant(2, [[2, SELF], [2, 0], [4, 1], [2, 1], [2, 0], [4, 0], [8, RAM + 0x6000]]), 0);
  assertEquals(one.out.getInt16(8, true), -1);
  assertWell(kit);
});
