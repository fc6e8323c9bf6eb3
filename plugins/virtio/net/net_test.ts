/** The network device: what a driver sends and gets, over both rings; offloads, filters, control commands, and what is wrong. */
import { assert, assertEquals } from "@std/assert";
import type { Plugin } from "../../../core/mod.ts";
import { bench } from "../../../core/testing.ts";
import type { Bench } from "../../../core/testing.ts";
import { cable, UserNetwork } from "../../network/contract.ts";
import type { CableEnd, Frame } from "../../network/contract.ts";
import { checksum, GUEST_MAC, TestGuest } from "../../../tests/support/net_guest.ts";
import { virtioNet } from "../mod.ts";
import { SplitDriver } from "../tests/driver.ts";
import { AT, BUFFERS, INTID, MmioDriver, NEEDS_RESET, PACKED_BIT, R, RAM, RAM_END, VERSION_BIT } from "../tests/mmio_driver.ts";
import type { NetOptions } from "./mod.ts";
import { Net } from "./protocol.ts";

const MAC = "52:54:00:01:02:03";
const HEADER = 12;
const [RECEIVE, TRANSMIT] = [0, 1];
/** Where receive buffers lie. */
const ROOMS = BUFFERS + 0x1_0000;

interface Setting {
  readonly kit: Bench;
  readonly driver: MmioDriver;
  /** The far end of the cable. */
  readonly far: CableEnd;
  /** What the device sent. */
  readonly sent: Frame[];
  /** All that it knows. */
  readonly state: unknown;
}

async function started(features: readonly number[], options: Partial<NetOptions> = {}): Promise<Setting> {
  const setting = await attached(options);
  setting.driver.start(features, 3, 64);
  return setting;
}

/** A device that has a state, or its own. */
async function attached(options: Partial<NetOptions>, state?: unknown): Promise<Setting> {
  const [near, far] = cable();
  const sent: Frame[] = [];
  far.attach({ receive: (frame) => sent.push(frame) > 0 });
  const kit = bench({ provide: [[UserNetwork, { plug: () => near }]] });
  const all = { at: AT, interrupt: INTID, legacy: false, packed: true, mac: MAC, queues: 1, ...options };
  const own = await kit.attach((state === undefined ? virtioNet : { ...virtioNet, state: () => state }) as Plugin, all);
  await kit.boot();
  return { kit, driver: new MmioDriver(kit), far, sent, state: own };
}

/** A new device with the state of another one, and a guest whose memory and unused queues are as they were. */
async function restored({ kit, driver, state }: Setting): Promise<Setting> {
  const heir = await attached({}, structuredClone(state));
  heir.kit.domain.writeMemory(RAM, kit.domain.readMemory(RAM, RAM_END - RAM));
  heir.driver.queues.push(...driver.queues.map((_, index) => new SplitDriver(heir.driver.ram, driver.areas(index), 64)));
  return heir;
}

/** Offers receive buffers; what came into the next used one. */
function listen(
  { driver }: Pick<Setting, "driver">,
  sizes: readonly number[],
  queue = RECEIVE,
  from = ROOMS,
): () => Uint8Array | undefined {
  const rooms = new Map<number, number>();
  let at = from;
  for (const size of sizes) {
    rooms.set(driver.queues[queue].add([{ at, size, write: true }]), at);
    at += size;
  }
  driver.queues[queue].publish();
  driver.set(R.notify, queue);
  return () => {
    const used = driver.queues[queue].take();
    return used && driver.ram.bytes(rooms.get(used.id)!, used.written);
  };
}

const broadcast = (size: number) => Uint8Array.from({ length: size }, (_, n) => n < 6 ? 255 : n * 7);
const to = (mac: Uint8Array, size = 60) => Uint8Array.from({ length: size }, (_, n) => mac[n] ?? n);
/** A header: flags, type, header length, size of segments, start and offset of the checksum. */
const header = (flags = 0, type = 0, length = 0, size = 0, start = 0, offset = 0) => [
  flags,
  type,
  ...[length, size, start, offset, 0].flatMap((value) => [value & 255, value >> 8]),
];

/** A TCP segment in a frame, whose checksum covers only the pseudo-header. */
function tcpFrame(size: number): Uint8Array {
  const [end] = cable();
  const guest = new TestGuest(end, GUEST_MAC);
  const data = Uint8Array.from({ length: size }, (_, n) => n * 13);
  const segment = guest.segmentBytes("10.0.2.2", [1, 2], "PFA", 1000, 2000, { data });
  const pseudo = checksum([10, 0, 2, 15, 10, 0, 2, 2, 0, 6, segment.length >> 8, segment.length & 255]) ^ 0xffff;
  segment.splice(16, 2, pseudo >> 8, pseudo & 255);
  return Uint8Array.from(guest.packet("10.0.2.2", 6, segment));
}

for (const ring of ["split", "packed"]) {
  const features = [Net.MAC, ...ring === "packed" ? [PACKED_BIT] : []];
  Deno.test(`virtio_net: frames go out and come in (${ring})`, async () => {
    const setting = await started(features);
    const { kit, driver, far, sent } = setting;
    assertEquals([0, 1, 2, 3, 4, 5].map((n) => kit.read8(AT + R.config + n)), [...GUEST_MAC]);
    assertEquals([kit.read16(AT + R.config + 6), kit.read16(AT + R.config + 8), kit.read16(AT + R.config + 10)], [1, 1, 1500]);
    driver.request(TRANSMIT, Uint8Array.of(...header(), ...broadcast(60)), 0);
    assertEquals(sent.map(({ bytes }) => bytes), [broadcast(60)]);

    const next = listen(setting, [2000, 2000, 2000]);
    far.send({ bytes: broadcast(60) });
    far.send({ bytes: to(GUEST_MAC, 1514) });
    far.send({ bytes: to(Uint8Array.of(2, 0, 0, 0, 0, 9)) });
    assertEquals(next(), undefined, "together, in a moment");
    driver.set(R.ack, 1);
    const rises = kit.interrupts.rises(INTID);
    kit.advance(1);
    assertEquals([next(), next()?.slice(HEADER), next()], [
      Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, ...broadcast(60)),
      to(GUEST_MAC, 1514),
      undefined,
    ]);
    assertEquals(kit.interrupts.rises(INTID), rises + 1);
  });
}

Deno.test("virtio_net: a frame takes several buffers when the driver merges them, and none before all are there", async () => {
  const setting = await started([Net.MRG_RXBUF]);
  const { kit, far } = setting;
  const first = listen(setting, [500]);
  far.send({ bytes: broadcast(1300) });
  kit.advance(1);
  assertEquals(first(), undefined);
  const rest = listen(setting, [500, 500, 500], RECEIVE, ROOMS + 500);
  kit.advance(1);
  const parts = [first()];
  parts.push(rest(), rest());
  const whole = parts.flatMap((part) => [...part!]);
  assertEquals([parts.map((part) => part!.length), whole[10], whole.slice(HEADER)], [[500, 500, 312], 3, [...broadcast(1300)]]);
  assertEquals(rest(), undefined);
});

Deno.test("virtio_net: a checksum or a segment that the driver takes stays as it is; otherwise it gets plain frames", async () => {
  const frame: Frame = { bytes: tcpFrame(4000), checksum: { start: 34, offset: 16 }, segmentation: { kind: "tcp4", size: 1460 } };
  {
    const setting = await started([Net.GUEST_CSUM, Net.GUEST_TSO4]);
    const next = listen(setting, [8000]);
    setting.far.send(frame);
    setting.kit.advance(1);
    assertEquals(next(), Uint8Array.of(...header(1, 1, 54, 1460, 34, 16).slice(0, 10), 1, 0, ...frame.bytes));
  }
  const setting = await started([Net.GUEST_CSUM]);
  const next = listen(setting, [2000, 2000, 2000]);
  setting.far.send(frame);
  setting.kit.advance(1);
  const data: number[] = [];
  for (const [part, size] of [1460, 1460, 1080].entries()) {
    const bytes = next()!.slice(HEADER);
    assertEquals([bytes.length, bytes[16] << 8 | bytes[17]], [54 + size, 40 + size]);
    assertEquals(checksum(bytes.subarray(14, 34)), 0, "the header's");
    const pseudo = [...bytes.subarray(26, 34), 0, 6, (20 + size) >> 8, (20 + size) & 255];
    assertEquals(checksum([...pseudo, ...bytes.subarray(34)]), 0, "TCP's");
    assertEquals([bytes[47], new DataView(bytes.buffer).getUint32(38)], [part === 2 ? 0x19 : 0x10, 1000 + 1460 * part], "flags and number");
    data.push(...bytes.subarray(54));
  }
  assertEquals(data, [...frame.bytes.subarray(54)]);
});

Deno.test("virtio_net: what a driver leaves to the device is handed on; what doesn't hold is dropped", async () => {
  const { kit, driver, sent } = await started([Net.CSUM, Net.HOST_TSO4]);
  const segment = tcpFrame(4000);
  driver.request(TRANSMIT, Uint8Array.of(...header(1, 1, 54, 1460, 34, 16), ...segment), 0);
  assertEquals(sent.splice(0), [{ bytes: segment, checksum: { start: 34, offset: 16 }, segmentation: { kind: "tcp4", size: 1460 } }]);
  const wrong: [string, number[], Uint8Array][] = [
    ["no frame at all", header(), new Uint8Array(0)],
    ["half an Ethernet header", header(), broadcast(13)],
    ["a checksum beyond the end", header(1, 0, 0, 0, 34, 60_000), segment],
    ["a checksum of the Ethernet header", header(1, 0, 0, 0, 0, 0), segment],
    ["segments of nothing", header(1, 1, 54, 0, 34, 16), segment],
    ["segments of a byte", header(1, 1, 54, 1, 34, 16), segment],
    ["segments without a checksum", header(0, 1, 54, 1460, 34, 16), segment],
    ["segments of what isn't TCP", header(1, 1, 54, 1460, 34, 16), broadcast(600)],
    ["segments that begin elsewhere", header(1, 1, 54, 1460, 36, 16), segment],
    ["segments that weren't negotiated", header(1, 4, 54, 1460, 34, 16), segment],
    ["segments of a kind that isn't there", header(1, 0x7f, 54, 1460, 34, 16), segment],
    ["a frame that is too long", header(), new Uint8Array(66_000)],
  ];
  for (const [name, head, bytes] of wrong) {
    driver.request(TRANSMIT, Uint8Array.of(...head, ...bytes), 0);
    assertEquals([sent.length, driver.get(R.status) & NEEDS_RESET], [0, 0], name);
    assert(kit.traced.at(-1)?.startsWith("virtio driver"), name);
    kit.traced.length = 0;
  }
});

for (const [name, out] of [["a header that is too short", 11], ["no header", 0]] as const) {
  Deno.test(`virtio_net: ${name} makes the device need a reset`, async () => {
    const { driver } = await started([]);
    if (out === 0) driver.queues[TRANSMIT].add([{ at: BUFFERS, size: 100, write: true }]);
    else driver.queues[TRANSMIT].add([{ at: BUFFERS, size: out, write: false }]);
    driver.queues[TRANSMIT].publish();
    driver.set(R.notify, TRANSMIT);
    assertEquals(driver.get(R.status) & NEEDS_RESET, NEEDS_RESET);
  });
}

Deno.test("virtio_net: a receive buffer with no room for a header makes it need a reset; with no room for the frame, the frame is lost", async () => {
  const setting = await started([]);
  const next = listen(setting, [100, 2000]);
  setting.far.send({ bytes: broadcast(600) });
  setting.far.send({ bytes: broadcast(61) });
  setting.kit.advance(1);
  assertEquals(next()?.length, HEADER + 61);
  const short = await started([]);
  listen(short, [11]);
  short.far.send({ bytes: broadcast(60) });
  short.kit.advance(1);
  assertEquals(short.driver.get(R.status) & NEEDS_RESET, NEEDS_RESET);
});

for (const isRestored of [false, true]) {
  const whose = isRestored ? "hears from a restored device" : "hears";
  Deno.test(`virtio_net: so many frames wait and no more; who sent more ${whose} when there is room`, async () => {
    const full = await started([]);
    const taken = Array.from({ length: 300 }, () => full.far.send({ bytes: broadcast(60) }));
    assertEquals(taken.filter((ok) => ok).length, 256);
    assertEquals(Array.from({ length: 40 }, () => full.far.send({ bytes: broadcast(60_000) })).some((ok) => ok), false);
    const setting = isRestored ? await restored(full) : full;
    const { far, kit, driver } = setting;
    let ready = 0;
    far.attach({ receive: () => true, ready: () => ready++ });
    for (let left = 256; left > 0; left -= 64) {
      const next = listen(setting, new Array(64).fill(2000 / 8));
      kit.advance(20_000);
      for (let n = 0; n < 64; n++) assertEquals(next()?.length, HEADER + 60);
    }
    listen(setting, [2000]);
    assertEquals(ready, 1);
    assertEquals(far.send({ bytes: broadcast(60) }), true);
    // A reset forgets what waits, and nothing comes in before the driver is ready.
    driver.set(R.status, 0);
    assertEquals(far.send({ bytes: broadcast(60) }), true);
    driver.start([], 3, 64);
    const next = listen(setting, [2000]);
    kit.advance(20_000);
    assertEquals(next(), undefined);
  });
}

Deno.test("virtio_net: control commands", async () => {
  const all = [
    Net.CTRL_VQ,
    Net.CTRL_RX,
    Net.CTRL_RX_EXTRA,
    Net.CTRL_VLAN,
    Net.CTRL_MAC_ADDR,
    Net.CTRL_GUEST_OFFLOADS,
    Net.GUEST_CSUM,
    Net.GUEST_TSO4,
  ];
  const setting = await started(all);
  const { driver, far, kit } = setting;
  const CONTROL = 2;
  const command = (...bytes: number[]) => driver.request(CONTROL, Uint8Array.from(bytes), 1).bytes[0];
  const next = listen(setting, new Array(60).fill(200));
  const other = Uint8Array.of(2, 0, 0, 0, 0, 9);
  const group = Uint8Array.of(1, 0, 0x5e, 0, 0, 1);
  const hears = (bytes: Uint8Array) => {
    far.send({ bytes });
    kit.advance(1);
    return next() !== undefined;
  };
  const tagged = Uint8Array.of(...GUEST_MAC, ...other, 0x81, 0, 0, 7, ...new Array(50).fill(0));

  assertEquals([hears(to(other)), hears(to(group)), hears(tagged)], [false, true, false]);
  assertEquals([command(2, 0, 7, 0), hears(tagged), command(2, 1, 7, 0), hears(tagged)], [0, true, 0, false]);
  assertEquals([command(0, 0, 1), hears(to(other)), command(0, 0, 0), hears(to(other))], [0, true, 0, false]);
  assertEquals([command(1, 0, 1, 0, 0, 0, ...other, 0, 0, 0, 0), hears(to(other)), hears(to(group))], [0, true, false]);
  assertEquals([command(1, 0, 0, 0, 0, 0, 1, 0, 0, 0, ...group), hears(to(other)), hears(to(group))], [0, false, true]);
  assertEquals([command(0, 3, 1), hears(to(group)), command(0, 3, 0)], [0, false, 0]);
  assertEquals([command(0, 5, 1), hears(broadcast(60)), command(0, 5, 0), hears(broadcast(60))], [0, false, 0, true]);
  assertEquals([command(1, 1, ...other), hears(to(other)), hears(to(GUEST_MAC))], [0, true, false]);
  assertEquals(
    [command(5, 0, 0x82, 0, 0, 0, 0, 0, 0, 0), command(5, 0, 0x80, 0, 0, 0, 0, 0, 0, 0), command(5, 0, 0, 1, 0, 0, 0, 0, 0, 0)],
    [0, 1, 1],
  );

  const refused = [
    [],
    [0],
    [0, 0],
    [0, 0, 2],
    [0, 9, 1],
    [1, 0, 255, 255, 255, 255, 1, 2],
    [1, 0, 2, 0, 0, 0, ...other],
    [1, 1, 1],
    [2, 0, 0, 16],
    [2, 5, 1, 0],
    [4, 0, 1, 0],
    [9, 9, 9],
  ];
  for (const bytes of refused) {
    if (bytes.length > 0) assertEquals(command(...bytes), 1, `${bytes}`);
  }
  driver.queues[CONTROL].add([{ at: BUFFERS, size: 3, write: false }]);
  driver.queues[CONTROL].publish();
  driver.set(R.notify, CONTROL);
  assertEquals(driver.get(R.status) & NEEDS_RESET, NEEDS_RESET, "no room for the acknowledgement");
});

Deno.test("virtio_net: several pairs of queues; a conversation stays on one of them", async () => {
  const [near, far] = cable();
  const kit = bench({ provide: [[UserNetwork, { plug: () => near }]] });
  await kit.attach(virtioNet, { at: AT, interrupt: INTID, mac: MAC, queues: 4 } as never);
  await kit.boot();
  const driver = new MmioDriver(kit);
  driver.start([Net.MQ, Net.CTRL_VQ], 9, 64);
  assertEquals(kit.read16(AT + R.config + 8), 4);
  const pairs = (count: number) => driver.request(8, Uint8Array.of(4, 0, count, 0), 1).bytes[0];
  assertEquals([pairs(0), pairs(5), pairs(4)], [1, 1, 0]);
  const setting = { kit, driver, far, sent: [] };
  const queues = [0, 1, 2, 3].map((n) => listen(setting, new Array(16).fill(200), 2 * n));
  const [end] = cable();
  const guest = new TestGuest(end, GUEST_MAC);
  const used = new Set<number>();
  for (let port = 1; port <= 12; port++) {
    const came = [0, 1].map(() => {
      far.send({ bytes: Uint8Array.from(guest.packet("10.0.2.2", 17, guest.udpBytes("10.0.2.2", port, 53, [1]))) });
      kit.advance(20_000);
      return queues.findIndex((next) => next() !== undefined);
    });
    assert(came[0] >= 0 && came[0] === came[1]);
    used.add(came[0]);
  }
  assertEquals(used.size > 1, true);
});

Deno.test("virtio_net: a legacy driver has a shorter header", async () => {
  const [near, far] = cable();
  const sent: Frame[] = [];
  far.attach({ receive: (frame) => sent.push(frame) > 0 });
  const kit = bench({ provide: [[UserNetwork, { plug: () => near }]] });
  await kit.attach(virtioNet, { at: AT, interrupt: INTID, legacy: true, mac: MAC } as never);
  await kit.boot();
  const driver = new MmioDriver(kit);
  assertEquals([driver.get(R.version), driver.offered() >> BigInt(VERSION_BIT)], [1, 0n]);
});
