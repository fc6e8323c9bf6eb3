/** Xen's guest interface, hypercall by hypercall, with good arguments. hostile_test.ts has the bad ones. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { definePlugin, SnapshotError } from "../../core/mod.ts";
import type { Domain } from "../../core/mod.ts";
import { Errno } from "../event_channels/contract.ts";
import { DeviceMemory } from "../mmio_sram/mod.ts";
import { EventOp, HvmParam, Hypercall, MapSpace, MemoryOp, SchedOp, Shutdown, VcpuOp, VersionOp } from "./numbers.ts";
import { RAM, XenKit } from "./tests/xen_kit.ts";
import type { XenGuest } from "./tests/xen_kit.ts";

const SELF = 0x7ff0;
const GRANT_TABLE = 0x3800_0000 / 4096;

const text = (guest: XenGuest, size: number) => new TextDecoder().decode(guest.read(guest.scratch, size)).replace(/\0.*$/s, "");
/** HVM parameter. */
function param(guest: XenGuest, index: number): bigint {
  assertEquals(guest.op(Hypercall.hvm_op, 1, [[2, SELF], [2, 0], [4, index], [8, 0]]), 0);
  return guest.out.getBigUint64(8, true);
}
const addToPhysmap = (guest: XenGuest, space: number, index: number, gfn: number | bigint) =>
  guest.op(Hypercall.memory_op, MemoryOp.add_to_physmap, [[2, SELF], [2, 0], [4, space], [8, index], [8, gfn]]);
const bind = (guest: XenGuest, remote: number, port: number) =>
  guest.op(Hypercall.event_channel_op, EventOp.bind_interdomain, [[2, remote], [2, 0], [4, port], [4, 0]]);
const offer = (guest: XenGuest, remote: number) =>
  guest.op(Hypercall.event_channel_op, EventOp.alloc_unbound, [[2, SELF], [2, remote], [4, 0]]);

Deno.test("version, features, texts", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  assertEquals(one.call(Hypercall.xen_version, VersionOp.version, 0), 4 << 16 | 17);
  assertEquals(one.op(Hypercall.xen_version, VersionOp.extraversion, [[8, 0], [8, 0]]), 0);
  assertEquals(text(one, 16), ".0-plugboard");
  assertEquals(one.call(Hypercall.xen_version, VersionOp.capabilities, one.scratch), 0);
  assertEquals(text(one, 64), "xen-4.17-aarch64 ");
  assertEquals(one.op(Hypercall.xen_version, VersionOp.get_features, [[4, 0], [4, 0xffff_ffff]]), 0);
  const features = one.out.getUint32(4, true);
  // auto_translated_physmap, ARM_SMCCC_supported, not_direct_mapped; not dom0.
  assertEquals([2, 14, 16, 11].map((bit) => features >> bit & 1), [1, 1, 1, 0]);
  assertEquals(one.op(Hypercall.xen_version, VersionOp.get_features, [[4, 1], [4, 0xffff_ffff]]), 0);
  assertEquals(one.out.getUint32(4, true), 0);
  const length = one.call(Hypercall.xen_version, VersionOp.build_id, 0);
  assertEquals(one.op(Hypercall.xen_version, VersionOp.build_id, [[4, 64], [8, 0], [8, 0], [8, 0]]), length);
  assertEquals(one.op(Hypercall.xen_version, VersionOp.build_id, [[4, 3], [8, 0]]), Errno.EINVAL);
  assertEquals(one.call(Hypercall.xen_version, 99, 0), Errno.ENOSYS);
  for (const number of [Hypercall.physdev_op, Hypercall.platform_op, Hypercall.sysctl, Hypercall.domctl, Hypercall.multicall, 0, 63]) {
    assertEquals(one.call(number, 0, 0), Errno.ENOSYS);
  }
});

Deno.test("shared info: mapped over RAM and in a hole, with the wall clock; the RAM comes back zeroed", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  one.write(RAM + 0x5000, new Uint8Array(4096).fill(0xaa));
  assertEquals(addToPhysmap(one, MapSpace.shared_info, 0, one.gfn(5)), 0);
  const page = one.mapped(RAM + 0x5000)!;
  const view = new DataView(page.buffer, page.byteOffset, 4096);
  assertEquals(view.getUint32(1076, true), 1_700_000_000);
  assertEquals(addToPhysmap(one, MapSpace.shared_info, 1, one.gfn(6)), Errno.EINVAL);
  assertEquals(addToPhysmap(one, MapSpace.shared_info, 0, 0x2000), 0);
  assertEquals(one.mapped(0x200_0000)!.byteOffset, page.byteOffset);
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.remove_from_physmap, [[2, SELF], [2, 0], [4, 0], [8, one.gfn(5)]]), 0);
  assertEquals(one.mapped(RAM + 0x5000), undefined);
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.remove_from_physmap, [[2, SELF], [2, 0], [4, 0], [8, one.gfn(5)]]), Errno.EINVAL);
  one.write(one.scratch + 64, new Uint8Array(new BigUint64Array([one.gfn(5)]).buffer));
  const extent = [[8, one.scratch + 64], [8, 1], [4, 0], [4, 0], [2, SELF], [2, 0], [4, 0]] as const;
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.populate_physmap, extent), 1);
  assertEquals(one.mapped(RAM + 0x5000)!.every((byte) => byte === 0), true);
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.populate_physmap, extent), 0);
});

Deno.test("reservations: RAM goes out and comes back, in batches", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  const frames = Array.from({ length: 200 }, (_, n) => one.gfn(n));
  one.write(RAM + 0xe_0000, new Uint8Array(new BigUint64Array(frames).buffer));
  const fields = [[8, RAM + 0xe_0000], [8, 200], [4, 0], [4, 0], [2, SELF], [2, 0], [4, 0]] as const;
  const free = kit.machine.memory.freeFrames;
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.decrease_reservation, fields), 200);
  assertEquals([RAM, RAM + 199 * 4096, RAM + 200 * 4096].map((ipa) => one.mapped(ipa) !== undefined), [false, false, true]);
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.decrease_reservation, fields), 0);
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.populate_physmap, fields), 200);
  assertEquals([RAM, RAM + 199 * 4096].map((ipa) => one.mapped(ipa) !== undefined), [true, true]);
  assertEquals(kit.machine.memory.freeFrames, free);
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.current_reservation, [[2, SELF]]), 256);
});

Deno.test("the console: ring, port, parameters, and console_io", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  const pfn = param(one, HvmParam.console_pfn), port = Number(param(one, HvmParam.console_evtchn));
  assertEquals(pfn, 0x39000n);
  const page = one.mapped(Number(pfn) * 4096)!;
  const ring = new DataView(page.buffer, page.byteOffset, 4096);
  // 10 characters over the ring's end.
  ring.setUint32(3080, 0xffff_ffff - 4, true);
  ring.setUint32(3084, 5, true);
  for (let n = 0; n < 10; n++) page[1024 + (2048 - 5 + n) % 2048] = 0x30 + n;
  assertEquals(one.op(Hypercall.event_channel_op, EventOp.send, [[4, port]]), 0);
  kit.run();
  assertEquals(kit.output.get("one-xen"), "0123456789");
  assertEquals(ring.getUint32(3080, true), 5);
  kit.machine.serialInput("one-xen", new TextEncoder().encode("hello"));
  kit.run(10_000);
  assertEquals([ring.getUint32(3076, true), new TextDecoder().decode(page.slice(0, 5))], [5, "hello"]);
  one.write(RAM + 0x100, new TextEncoder().encode("early\n"));
  assertEquals(one.call(Hypercall.console_io, 0, 6, RAM + 0x100), 0);
  kit.run();
  assertEquals(kit.output.get("one-xen"), "0123456789early\n");
  assertEquals(param(one, HvmParam.store_pfn), 0x39001n);
});

Deno.test("events over two levels: pending, selector, upcall, level of the PPI; mask and unmask", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one"), two = kit.guest("two");
  for (const guest of [one, two]) assertEquals(addToPhysmap(guest, MapSpace.shared_info, 0, guest.gfn(1)), 0);
  assertEquals(offer(one, 2), 0);
  const port = one.out.getUint32(4, true);
  assertEquals(bind(two, 1, port), 0);
  const peer = two.out.getUint32(8, true);
  const page = one.mapped(RAM + 0x1000)!;
  const view = new DataView(page.buffer, page.byteOffset, 4096);
  const clear = () => page.fill(0, 0, 560);
  clear();
  kit.run();
  assertEquals(kit.interrupts.get("one")!.level(31, 0), false);
  assertEquals(two.op(Hypercall.event_channel_op, EventOp.send, [[4, peer]]), 0);
  assertEquals([page[0], view.getBigUint64(8, true), view.getBigUint64(48, true)], [1, 1n, 1n << BigInt(port)]);
  assertEquals(kit.interrupts.get("one")!.level(31, 0), true);
  // The guest takes it: the level drops when it has run.
  clear();
  kit.run();
  assertEquals(kit.interrupts.get("one")!.level(31, 0), false);
  // Masked: pending, and nothing else, until it is unmasked by a call.
  view.setBigUint64(560, 1n << BigInt(port), true);
  two.op(Hypercall.event_channel_op, EventOp.send, [[4, peer]]);
  assertEquals([page[0], view.getBigUint64(48, true)], [0, 1n << BigInt(port)]);
  assertEquals(one.op(Hypercall.event_channel_op, EventOp.unmask, [[4, port]]), 0);
  assertEquals([page[0], view.getBigUint64(8, true), view.getBigUint64(560, true)], [1, 1n, 0n]);
  // Status, from both ends; closing leaves the other end unbound.
  assertEquals(one.op(Hypercall.event_channel_op, EventOp.status, [[2, SELF], [2, 0], [4, port], [8, 0], [8, 0]]), 0);
  assertEquals([8, 16, 20].map((at) => one.out.getUint32(at, true)), [2, 2, peer]);
  assertEquals(two.op(Hypercall.event_channel_op, EventOp.close, [[4, peer]]), 0);
  one.op(Hypercall.event_channel_op, EventOp.status, [[2, SELF], [2, 0], [4, port], [8, 0], [8, 0]]);
  assertEquals([8, 16].map((at) => one.out.getUint32(at, true)), [1, 2]);
  assertEquals(two.op(Hypercall.event_channel_op, EventOp.send, [[4, peer]]), Errno.EINVAL);
  assertEquals(two.op(Hypercall.event_channel_op, EventOp.close, [[4, peer]]), Errno.EINVAL);
  // With itself, under either number.
  for (const self of [SELF, 1]) {
    assertEquals(offer(one, self), 0);
    assertEquals(bind(one, 1, one.out.getUint32(4, true)), 0);
  }
});

Deno.test("vCPU info: registered once, and told to look everywhere; runstate in memory adds up", async () => {
  using kit = await XenKit.start({ vcpus: 2 });
  const one = kit.guest("one");
  const register = (vcpu: number, gfn: bigint, offset: number) =>
    one.op(Hypercall.vcpu_op, VcpuOp.register_vcpu_info, [[8, gfn], [4, offset], [4, 0]], [vcpu]);
  assertEquals(register(1, one.gfn(2), 64), 0);
  const page = one.mapped(RAM + 0x2000)!;
  assertEquals([page[64], page[72]], [1, 0xff]);
  assertEquals(kit.interrupts.get("one")!.level(31, 1), true);
  assertEquals(register(1, one.gfn(2), 128), Errno.EINVAL);
  assertEquals(register(0, one.gfn(2), 4096 - 40), -6);
  assertEquals(register(2, one.gfn(2), 0), Errno.ENOENT);
  // Over the border of two pages.
  const at = RAM + 0x3fe0;
  assertEquals(one.op(Hypercall.vcpu_op, VcpuOp.register_runstate_memory_area, [[8, at]], [0]), 0);
  kit.run(5000);
  const area = new DataView(Uint8Array.from(one.read(at, 48)).buffer);
  assertEquals(area.getUint32(0, true), 0);
  const spent = [16, 24, 32, 40].map((offset) => Number(area.getBigUint64(offset, true)));
  assert(spent[0] > 1000 && spent.reduce((sum, ns) => sum + ns) <= kit.machine.nowNs, spent.join());
  assertEquals(one.call(Hypercall.vcpu_op, VcpuOp.get_runstate_info, 1, one.scratch), 0);
  assertEquals(one.call(Hypercall.vm_assist, 0, 5), 0);
  assertEquals(one.call(Hypercall.vm_assist, 0, 4), Errno.EINVAL);
});

Deno.test("shutdown: every reason", async () => {
  const rows: readonly [reason: number, outcome: string | undefined, result?: number][] = [
    [Shutdown.poweroff, "power-off"],
    [Shutdown.reboot, "reboot"],
    [Shutdown.crash, "crash"],
    [Shutdown.watchdog, "reboot"],
    [Shutdown.suspend, undefined, Errno.EOPNOTSUPP],
    [Shutdown.soft_reset, undefined, Errno.EOPNOTSUPP],
    [6, undefined, Errno.EINVAL],
    [0xffff_ffff, undefined, Errno.EINVAL],
  ];
  for (const [reason, outcome, result] of rows) {
    using kit = await XenKit.start();
    const one = kit.guest("one");
    one.write(one.scratch, new Uint8Array(new Uint32Array([reason]).buffer));
    if (outcome === undefined) assertEquals(one.call(Hypercall.sched_op, SchedOp.shutdown, one.scratch), result);
    else {
      one.begin(Hypercall.sched_op, SchedOp.shutdown, one.scratch);
      kit.run();
      assertEquals(kit.domain("one").outcome?.kind, outcome);
    }
  }
});

Deno.test("waiting: block ends with an event, poll with one at a masked port or in time, yield at once", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one"), two = kit.guest("two");
  addToPhysmap(one, MapSpace.shared_info, 0, one.gfn(1));
  offer(one, 2);
  const port = one.out.getUint32(4, true);
  bind(two, 1, port);
  const peer = two.out.getUint32(8, true);
  const page = one.mapped(RAM + 0x1000)!;
  const take = () => {
    page.fill(0, 0, 560);
    kit.run();
  };
  take();
  assertEquals(one.call(Hypercall.sched_op, SchedOp.yield, 0), 0);
  const blocked = one.begin(Hypercall.sched_op, SchedOp.block, 0);
  kit.run(20_000);
  assertEquals([blocked.result, kit.domain("one").vcpus[0].power], [undefined, "blocked"]);
  two.op(Hypercall.event_channel_op, EventOp.send, [[4, peer]]);
  kit.run();
  assertEquals(blocked.result, 0n);
  take();
  // Poll: the port is masked, and still ends it.
  new DataView(page.buffer, page.byteOffset).setBigUint64(560, 1n << BigInt(port), true);
  one.write(RAM + 0x8000, new Uint8Array(new Uint32Array([port]).buffer));
  const poll = (timeout: bigint) => {
    const fields = new DataView(new ArrayBuffer(24));
    fields.setBigUint64(0, BigInt(RAM + 0x8000), true);
    fields.setUint32(8, 1, true);
    fields.setBigUint64(16, timeout, true);
    one.write(one.scratch, new Uint8Array(fields.buffer));
    return one.begin(Hypercall.sched_op, SchedOp.poll, one.scratch);
  };
  const polled = poll(0n);
  kit.run(20_000);
  assertEquals(polled.result, undefined);
  two.op(Hypercall.event_channel_op, EventOp.send, [[4, peer]]);
  kit.run();
  assertEquals(polled.result, 0n);
  // It is pending still: the next one returns at once.
  const again = poll(0n);
  kit.run();
  assertEquals(again.result, 0n);
  page.fill(0, 0, 560);
  kit.run();
  const timed = poll(BigInt(kit.machine.nowNs + 50_000));
  kit.run(20_000);
  assertEquals(timed.result, undefined);
  kit.run(60_000);
  assertEquals(timed.result, 0n);
});

Deno.test("FIFO: queues in order, priorities, ready bits, pages that come late; reset goes back to bits", async () => {
  using kit = await XenKit.start({ policy: "open" });
  const one = kit.guest("one");
  const control = (gfn: bigint, offset: number, vcpu = 0) =>
    one.op(Hypercall.event_channel_op, EventOp.init_control, [[8, gfn], [4, offset], [4, vcpu], [8, 0]]);
  assertEquals(one.op(Hypercall.event_channel_op, EventOp.expand_array, [[8, one.gfn(3)]]), Errno.ENOSYS);
  assertEquals(control(one.gfn(2), 0), 0);
  assertEquals(one.out.getUint8(16), 17);
  assertEquals(control(one.gfn(2), 128), Errno.EINVAL);
  const ports = [0, 1, 2, 3].map(() => {
    one.op(Hypercall.event_channel_op, EventOp.bind_ipi, [[4, 0], [4, 0]]);
    return one.out.getUint32(4, true);
  });
  assertEquals(one.op(Hypercall.event_channel_op, EventOp.set_priority, [[4, ports[3]], [4, 0]]), 0);
  const send = (port: number) => assertEquals(one.op(Hypercall.event_channel_op, EventOp.send, [[4, port]]), 0);
  send(ports[0]); // before there is a word for it
  assertEquals(one.op(Hypercall.event_channel_op, EventOp.expand_array, [[8, one.gfn(3)]]), 0);
  const block = one.mapped(RAM + 0x2000)!, words = one.mapped(RAM + 0x3000)!;
  const control32 = new DataView(block.buffer, block.byteOffset, 4096), word = new DataView(words.buffer, words.byteOffset, 4096);
  const head = (priority: number) => control32.getUint32(8 + 4 * priority, true);
  assertEquals([head(7), control32.getUint32(0, true)], [ports[0], 1 << 7]);
  send(ports[1]);
  send(ports[2]);
  send(ports[1]);
  send(ports[3]);
  assertEquals([head(0), control32.getUint32(0, true)], [ports[3], 1 << 7 | 1]);
  // Follow the links, as a guest does.
  const seen: number[] = [];
  for (let port = head(7); port !== 0;) {
    seen.push(port);
    const value = word.getUint32(4 * port, true);
    assert(value >>> 31 === 1 && (value >>> 29 & 1) === 1, `word of port ${port}: ${value.toString(16)}`);
    word.setUint32(4 * port, 0, true);
    port = value & 0x1_ffff;
  }
  assertEquals(seen, ports.slice(0, 3));
  // The queue is empty: the next event is its head again, also when it is the one that was its tail.
  control32.setUint32(8 + 28, 0, true);
  control32.setUint32(0, 0, true);
  send(ports[2]);
  assertEquals(head(7), ports[2]);
  // Masked: pending, not linked; the call that unmasks links it.
  word.setUint32(4 * ports[1], 0x4000_0000, true);
  send(ports[1]);
  assertEquals(word.getUint32(4 * ports[1], true), 0xc000_0000);
  one.op(Hypercall.event_channel_op, EventOp.unmask, [[4, ports[1]]]);
  assertEquals(word.getUint32(4 * ports[2], true) & 0x1_ffff, ports[1]);
  const before = kit.machine.memory.ownerOf(one.domain.space.lookup(RAM + 0x3000)!.pa)!.references;
  assertEquals(one.op(Hypercall.event_channel_op, EventOp.reset, [[2, SELF]]), 0);
  assertEquals(kit.machine.memory.ownerOf(one.domain.space.lookup(RAM + 0x3000)!.pa)!.references, before - 1);
  assertEquals(one.op(Hypercall.event_channel_op, EventOp.expand_array, [[8, one.gfn(3)]]), Errno.ENOSYS);
});

Deno.test("dev_mmio without the board's device memory is refused; foreign maps go by the policy", async () => {
  const batch = (guest: XenGuest, space: number, extra: number, index: bigint, gfn: number) => {
    guest.write(RAM + 0x9000, new Uint8Array(new BigUint64Array([index, BigInt(gfn)]).buffer));
    const fields = [[2, SELF], [2, space], [2, 1], [2, extra], [8, RAM + 0x9000], [8, RAM + 0x9008], [8, RAM + 0x9010]] as const;
    const result = guest.op(Hypercall.memory_op, MemoryOp.add_to_physmap_batch, fields);
    return [result, new Int32Array(Uint8Array.from(guest.read(RAM + 0x9010, 4)).buffer)[0]];
  };
  for (const [policy, wanted] of [["silo", Errno.EPERM], ["open", 0]] as const) {
    using kit = await XenKit.start({ policy });
    const one = kit.guest("one"), two = kit.guest("two");
    two.write(RAM + 0x7000, new TextEncoder().encode("two's"));
    assertEquals(addToPhysmap(one, MapSpace.dev_mmio, 0x9000, 0x50000), Errno.EPERM);
    assertEquals(batch(one, MapSpace.gmfn_foreign, 2, two.gfn(7), 0x50000), [0, wanted]);
    assertEquals(batch(one, MapSpace.gmfn_foreign, 9, two.gfn(7), 0x50000)[0], Errno.ESRCH);
    assertEquals(batch(one, MapSpace.shared_info, 1, 0n, 0x50001)[0], Errno.EOPNOTSUPP);
    if (policy === "silo") {
      assertEquals(one.mapped(0x5000_0000), undefined);
      assert(kit.traced.some((line) => /domain policy: .*foreign_map of one with two: refused/.test(line)));
      continue;
    }
    assertEquals(new TextDecoder().decode(one.mapped(0x5000_0000)!.slice(0, 5)), "two's");
    // Hypercalls read their arguments in pages of their own domain only.
    assertEquals(one.call(Hypercall.xen_version, VersionOp.capabilities, 0x5000_0000), Errno.EFAULT);
  }
});

Deno.test("the grant table's frames are where the guest puts them, and grow with what it asks for", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  assertEquals(one.grant(6, [[2, SELF], [2, 0], [4, 0], [4, 0], [2, 1], [2, 0]]), 0);
  assertEquals([one.out.getUint32(4, true), one.out.getUint32(8, true), one.out.getInt16(12, true)], [0, 4, 0]);
  for (const frame of [2, 1, 0]) assertEquals(addToPhysmap(one, MapSpace.grant_table, frame, GRANT_TABLE + frame), 0);
  assertEquals(addToPhysmap(one, MapSpace.grant_table, 4, GRANT_TABLE), Errno.EINVAL);
  assertEquals(addToPhysmap(one, MapSpace.grant_table, 0x8000_0000, GRANT_TABLE), Errno.EINVAL);
  assertEquals(one.grant(2, [[2, SELF], [2, 0], [4, 3], [2, 1], [2, 0], [4, 0], [8, RAM + 0x6000]]), 0);
  assertEquals(
    [...new BigUint64Array(Uint8Array.from(one.read(RAM + 0x6000, 24)).buffer)].map(Number),
    [0, 1, 2].map((n) => GRANT_TABLE + n),
  );
  assertEquals(one.grant(8, [[4, 2]]), Errno.ENOSYS);
  assertEquals(one.grant(8, [[4, 1]]), 0);
  assertEquals(one.grant(10, [[2, SELF], [2, 0], [4, 0]]), 0);
  assertEquals(one.out.getUint32(4, true), 1);
});

Deno.test("behind an MPU the shared pages are the guest's own, where they are", async () => {
  using kit = await XenKit.start({ isDirect: true });
  const two = kit.guest("two");
  assertEquals(addToPhysmap(two, MapSpace.shared_info, 0, two.gfn(5)), 0);
  assertEquals(new DataView(two.read(two.ram + 0x5000, 4096).buffer).getUint32(1076, true), 1_700_000_000);
  assertEquals(addToPhysmap(two, MapSpace.grant_table, 0, two.gfn(6)), 0);
  assertEquals(addToPhysmap(two, MapSpace.grant_table, 0, GRANT_TABLE), Errno.EINVAL);
  assertEquals(param(two, HvmParam.console_pfn), BigInt((two.ram + 0xe_0000) / 4096));
});

Deno.test("dev_mmio goes to the board's device memory, with its attribute in the reserved field of a batch", async () => {
  const asked: unknown[] = [];
  const memory = definePlugin({
    name: "memory",
    doc: "A device memory that writes down what it is asked.",
    options: {},
    provides: [DeviceMemory],
    setup: ({ provide }) =>
      provide(DeviceMemory, {
        mapDeviceMmio(domain: Domain, ...rest: number[]) {
          asked.push([domain.name, ...rest]);
          return 0;
        },
      } as unknown as DeviceMemory),
  });
  using kit = await XenKit.start({ plugins: [memory] });
  const one = kit.guest("one");
  assertEquals(addToPhysmap(one, MapSpace.dev_mmio, 0x9000, 0x50000), 0);
  one.write(RAM + 0x9000, new Uint8Array(new BigUint64Array([0x9001n, 0x50001n]).buffer));
  const batch = (attribute: number) => {
    const fields = [[2, SELF], [2, MapSpace.dev_mmio], [2, 1], [2, attribute], [8, RAM + 0x9000], [8, RAM + 0x9008], [
      8,
      RAM + 0x9010,
    ]] as const;
    return [
      one.op(Hypercall.memory_op, MemoryOp.add_to_physmap_batch, fields),
      new Int32Array(Uint8Array.from(one.read(RAM + 0x9010, 4)).buffer)[0],
    ];
  };
  assertEquals([batch(4), batch(7), batch(0xffff)], [[0, 0], [0, Errno.EOPNOTSUPP], [0, Errno.EOPNOTSUPP]]);
  assertEquals(asked, [["one", 0x9000, 0x50000, 0], ["one", 0x9001, 0x50001, 4]]);
  assertEquals(addToPhysmap(one, MapSpace.dev_mmio, -1, 0), Errno.EINVAL);
});

Deno.test("memory_map tells the guest's RAM", async () => {
  using kit = await XenKit.start();
  const one = kit.guest("one");
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.memory_map, [[4, 8], [4, 0], [8, RAM + 0x6000]]), 0);
  const entry = new DataView(Uint8Array.from(one.read(RAM + 0x6000, 20)).buffer);
  assertEquals(one.out.getUint32(0, true), 1);
  assertEquals([entry.getBigUint64(0, true), entry.getBigUint64(8, true), entry.getUint32(16, true)], [BigInt(RAM), 0x10_0000n, 1]);
  assertEquals(one.op(Hypercall.memory_op, MemoryOp.memory_map, [[4, 0], [4, 0], [8, 0]]), 0);
  assertEquals(one.out.getUint32(0, true), 0);
});

Deno.test("a snapshot is refused from when the guest shares pages, and not before", async () => {
  using kit = await XenKit.start({ domains: ["one", "two"] });
  const one = kit.guest("one");
  using before = kit.machine.save();
  assert(before.state.length > 0);
  assertEquals(addToPhysmap(one, MapSpace.shared_info, 0, one.gfn(5)), 0);
  assertThrows(() => kit.machine.save(), SnapshotError, "one shares pages");
});
