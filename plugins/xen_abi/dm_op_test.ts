/** A domain serves a device of another one by dm_op: server, page, channels, range; a load and a store; whoever goes first. */
import { assert, assertEquals } from "@std/assert";
import { Errno } from "../event_channels/contract.ts";
import { ioreq } from "../ioreq/mod.ts";
import { EventOp, Hypercall, MemoryOp } from "./numbers.ts";
import { encode, RAM, XenKit } from "./tests/xen_kit.ts";
import type { Field, XenGuest } from "./tests/xen_kit.ts";

const SELF = 0x7ff0, DEVICE = 0x0200_0000, PAGE_IPA = 0x5000_0000;

/** One operation on domain 1, in a buffer of 40 bytes. Its bytes afterwards are in `out`. */
function deviceModel(guest: XenGuest, op: number, fields: readonly Field[] = [], domid = 1): number {
  const bytes = new Uint8Array(40);
  bytes.set(encode([[4, op], [4, 0], ...fields]));
  guest.write(RAM + 0x9000, bytes);
  guest.write(guest.scratch, encode([[8, RAM + 0x9000], [8, 40]]));
  const result = guest.call(Hypercall.dm_op, domid, 1, guest.scratch);
  guest.out = new DataView(Uint8Array.from(guest.read(RAM + 0x9000, 40)).buffer);
  return result;
}

function acquire(guest: XenGuest, id: number, frame = 1): number {
  guest.write(RAM + 0xa000, encode([[8, PAGE_IPA / 4096]]));
  const fields = [[2, 1], [2, 0], [4, id], [4, 1], [4, 0], [8, frame], [8, RAM + 0xa000]] as const;
  return guest.op(Hypercall.memory_op, MemoryOp.acquire_resource, fields);
}

/** `two` serves a page of registers of `one`. Returns the slots, and its port. */
function serve(two: XenGuest): { slot: DataView; port: number } {
  assertEquals(deviceModel(two, 1), 0);
  assertEquals(two.out.getUint16(12, true), 0);
  assertEquals(acquire(two, 0), 0);
  const page = two.mapped(PAGE_IPA)!;
  const slot = new DataView(page.buffer, page.byteOffset, 32);
  assertEquals(deviceModel(two, 3, [[2, 0], [2, 0], [4, 1], [8, DEVICE], [8, DEVICE + 0x1ff]]), 0);
  assertEquals(deviceModel(two, 5, [[2, 0], [1, 1], [1, 0]]), 0);
  assertEquals(two.op(Hypercall.event_channel_op, EventOp.bind_interdomain, [[2, 1], [2, 0], [4, slot.getUint32(24, true)], [4, 0]]), 0);
  return { slot, port: two.out.getUint32(8, true) };
}

const options = { plugins: [ioreq], rules: [{ from: "two", to: "one", allow: ["device_model", "event"] }] };
const state = (slot: DataView) => slot.getUint8(30) & 15;

Deno.test("a load and a store of one's are answered by two; interrupts don't end the wait", async () => {
  using kit = await XenKit.start(options);
  const one = kit.guest("one"), two = kit.guest("two");
  const { slot, port } = serve(two);
  const ports = kit.channels.of("two")!;
  ports.delivery.clear(port);
  const load = one.access(DEVICE + 8, 4);
  kit.run(20_000);
  assertEquals([load.result, state(slot), Number(slot.getBigUint64(0, true)), slot.getUint32(20, true)], [undefined, 1, DEVICE + 8, 4]);
  assertEquals(ports.delivery.isPending(port), true);
  const send = () => assertEquals(two.op(Hypercall.event_channel_op, EventOp.send, [[4, port]]), 0);
  send(); // without an answer
  kit.run();
  assertEquals(load.result, undefined);
  slot.setBigUint64(8, 0x1234_5678_9abcn, true);
  slot.setUint8(30, slot.getUint8(30) & 0xf0 | 3);
  send();
  kit.run();
  assertEquals([load.result, state(slot)], [0x5678_9abcn, 0]);
  const store = one.access(DEVICE, 2, 0xbeefn);
  kit.run();
  assertEquals([state(slot), slot.getBigUint64(8, true)], [1, 0xbeefn]);
  slot.setUint8(30, slot.getUint8(30) & 0xf0 | 3);
  send();
  kit.run();
  assert(store.result !== undefined);
  // Its own guest has no hand in the channel.
  const held = slot.getUint32(24, true);
  for (const op of [EventOp.close, EventOp.send, EventOp.unmask]) {
    assertEquals(one.op(Hypercall.event_channel_op, op, [[4, held]]), Errno.EINVAL);
  }
  // A lie: the state is none that there is. The access aborts, and nobody else suffers.
  const lied = one.access(DEVICE, 4);
  kit.run();
  slot.setUint8(30, slot.getUint8(30) & 0xf0 | 9);
  send();
  kit.run();
  assertEquals(lied.result, -1n);
  assert(kit.traced.some((line) => /device model: .*two, for one: /.test(line)), kit.traced.join("\n"));
});

Deno.test("refused: by the policy, on oneself, of nobody, without ioreq, too many buffers, bad pointers, resources that aren't", async () => {
  {
    using kit = await XenKit.start({ plugins: [ioreq] });
    assertEquals(deviceModel(kit.guest("two"), 20), Errno.EPERM);
  }
  {
    using kit = await XenKit.start({ policy: "open" });
    assertEquals(deviceModel(kit.guest("two"), 20), Errno.EOPNOTSUPP);
  }
  using kit = await XenKit.start(options);
  const two = kit.guest("two");
  assertEquals(deviceModel(kit.guest("one"), 20, [], 2), Errno.EPERM);
  for (const domid of [2, SELF]) assertEquals(deviceModel(two, 20, [], domid), Errno.EPERM);
  for (const domid of [0, 9, 0x7fff]) assertEquals(deviceModel(two, 20, [], domid), Errno.ESRCH);
  assertEquals(deviceModel(two, 20), 0);
  assertEquals(two.out.getUint32(8, true), 1);
  two.write(two.scratch, encode([[8, RAM + 0x9000], [8, 40]]));
  assertEquals(two.call(Hypercall.dm_op, 1, 0, two.scratch), Errno.EINVAL); // XSA-506
  assertEquals(two.call(Hypercall.dm_op, 1, 3, two.scratch), Errno.E2BIG);
  assertEquals(two.call(Hypercall.dm_op, 1, 1, 0), Errno.EFAULT);
  two.write(two.scratch, encode([[8, 0], [8, 40]]));
  assertEquals(two.call(Hypercall.dm_op, 1, 1, two.scratch), Errno.EFAULT);
  assertEquals(acquire(two, 0), Errno.ENOENT);
  assertEquals(deviceModel(two, 1), 0);
  for (const frame of [0, 2, -1]) assertEquals(acquire(two, 0, frame), Errno.EINVAL);
  assertEquals(acquire(two, 1), Errno.ENOENT);
});

Deno.test("servers, pages and channels go with the server, the emulator or the domain; 20 lives of each leave nothing", async () => {
  using kit = await XenKit.start(options);
  const one = kit.guest("one"), two = kit.guest("two");
  const before = kit.usage();
  for (let n = 0; n < 9; n++) deviceModel(two, 1);
  assertEquals(deviceModel(two, 1), Errno.ENOSPC);
  for (let n = 0; n < 8; n++) assertEquals(deviceModel(two, 6, [[2, n], [2, 0]]), 0);
  assertEquals(kit.usage(), before);
  const grown: unknown[] = [];
  for (let n = 0; n < 20; n++) {
    // The domain goes under the emulator, with an access that waits.
    serve(kit.guest("two"));
    const waits = kit.guest("one").access(DEVICE, 4);
    kit.run();
    assertEquals(waits.result, undefined);
    await kit.machine.reboot("one");
    // The emulator goes: the access that waits is answered, by an abort or all ones, and the vCPU lives.
    await kit.machine.reboot("two");
    serve(kit.guest("two"));
    const orphan = one.access(DEVICE, 4);
    kit.run();
    await kit.machine.reboot("two");
    kit.run(5000);
    assert(orphan.result !== undefined, "the vCPU waits for nobody");
    grown.push(kit.usage());
  }
  assertEquals(grown.at(-1), grown[0]);
  assertEquals(grown[0], before);
  assertEquals(kit.traced.filter((line) => /plugin failure/.test(line)), []);
});
