/** The socket device on a bench: what the guest's driver and programs of the host say to each other, and what neither should. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { denoSockets } from "../../../core/mod.ts";
import { bench, FakeSockets } from "../../../core/testing.ts";
import type { Bench } from "../../../core/testing.ts";
import { Random } from "../../../tests/support/random.ts";
import { virtioVsock } from "../mod.ts";
import { AT, BUFFERS, INTID, MmioDriver, R } from "../tests/mmio_driver.ts";
import { BUFFER } from "./connection.ts";
import { HEADER, HOST_CID, Op, packetHeader, Shutdown, STREAM } from "./protocol.ts";
import type { Packet } from "./protocol.ts";

const CID = 7;
const [RECEIVE, TRANSMIT] = [0, 1];
const placed = { at: AT, interrupt: INTID, legacy: false, packed: true, cid: CID };
const ROOM = HEADER + 256;

/** A guest's driver with its rooms for packets, and the host's sockets as the test plays them. */
class Guest {
  readonly sockets = new FakeSockets();
  readonly kit: Bench = bench({ sockets: this.sockets });
  readonly driver: MmioDriver = new MmioDriver(this.kit);
  readonly #rooms = new Map<number, number>();

  static async start(options: { readonly connect?: unknown; readonly listen?: string }): Promise<Guest> {
    const guest = new Guest();
    await guest.kit.attach(virtioVsock, { ...placed, ...options as object });
    guest.up();
    return guest;
  }

  up(): void {
    this.driver.start([], 3, 64);
    this.#rooms.clear();
    for (let n = 0; n < 32; n++) this.room(BUFFERS + 0x1_0000 + 0x200 * n);
  }

  room(at: number): void {
    this.#rooms.set(this.driver.queues[RECEIVE].add([{ at, size: ROOM, write: true }]), at);
    this.driver.queues[RECEIVE].publish();
    this.driver.set(R.notify, RECEIVE);
  }

  /** From the guest. `packet` may say anything. */
  send(op: number, packet: Partial<Packet> & { readonly data?: Uint8Array } = {}): void {
    const data = packet.data ?? new Uint8Array(0);
    const whole = { hostPort: 5000, guestPort: 40, type: STREAM, op, flags: 0, length: data.length, credit: { allocated: 300, taken: 0 } };
    this.raw(Uint8Array.of(...fromGuest({ ...whole, ...packet }), ...data));
  }

  raw(bytes: Uint8Array): void {
    this.driver.request(TRANSMIT, bytes, 0);
    this.kit.advance(20_000);
  }

  /** All that came to the guest: `op`, `flags` where there are any, ports if asked for, data. */
  heard(): { readonly op: number; readonly flags: number; readonly hostPort: number; readonly taken: number; readonly data: string }[] {
    this.kit.advance(20_000);
    const all = [];
    for (let used = this.driver.queues[RECEIVE].take(); used !== undefined; used = this.driver.queues[RECEIVE].take()) {
      const at = this.#rooms.get(used.id)!;
      const bytes = this.driver.ram.bytes(at, used.written);
      const view = new DataView(bytes.buffer);
      assertEquals([view.getBigUint64(0, true), view.getBigUint64(8, true)], [BigInt(HOST_CID), BigInt(CID)]);
      assertEquals([view.getUint32(24, true), view.getUint32(36, true) === BUFFER || view.getUint16(30, true) === Op.RST], [
        used.written - HEADER,
        true,
      ]);
      all.push({
        op: view.getUint16(30, true),
        flags: view.getUint32(32, true),
        hostPort: view.getUint32(16, true),
        taken: view.getUint32(40, true),
        data: new TextDecoder().decode(bytes.subarray(HEADER)),
      });
      this.#rooms.delete(used.id);
      this.room(at);
    }
    return all;
  }

  ops(): number[] {
    return this.heard().map(({ op }) => op);
  }

  /** A connection to port 5000, ready. Returns the host's id. */
  connected(): number {
    this.send(Op.REQUEST);
    this.kit.exchange();
    const [{ id, to }] = this.sockets.take("connect");
    assertEquals(to, { transport: "unix", path: "sockets/5000" });
    this.post({ kind: "connected", id });
    assertEquals(this.ops(), [Op.RESPONSE]);
    return id;
  }

  post(event: Parameters<FakeSockets["post"]>[0]): void {
    this.sockets.post(event);
    this.kit.exchange();
    this.kit.advance(20_000);
  }

  written(): string {
    this.kit.exchange();
    return this.sockets.take("write").map(({ bytes }) => new TextDecoder().decode(bytes)).join("");
  }
}

/** As the guest sends it: source and destination the other way round. */
function fromGuest(packet: Packet): Uint8Array {
  const bytes = packetHeader({ ...packet, hostPort: packet.guestPort, guestPort: packet.hostPort }, CID);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(CID), true);
  view.setBigUint64(8, BigInt(HOST_CID), true);
  return bytes;
}

const text = (bytes: string) => new TextEncoder().encode(bytes);
const connect = "sockets/{port}";

Deno.test("virtio_vsock: a guest's connection, data both ways, half-close, close", async () => {
  const guest = await Guest.start({ connect });
  assertEquals(guest.driver.get(R.config), CID);
  const id = guest.connected();
  guest.send(Op.RW, { data: text("to the host") });
  assertEquals(guest.written(), "to the host");
  guest.post({ kind: "data", id, bytes: text("to the guest") });
  assertEquals(guest.heard(), [{ op: Op.RW, flags: 0, hostPort: 5000, taken: 11, data: "to the guest" }]);
  guest.send(Op.SHUTDOWN, { flags: Shutdown.SEND });
  guest.kit.exchange();
  assertEquals(guest.sockets.take("end").length, 1);
  guest.post({ kind: "data", id, bytes: text("still") });
  guest.post({ kind: "ended", id });
  assertEquals(guest.heard().map(({ op, flags, data }) => [op, flags, data]), [[Op.RW, 0, "still"], [Op.SHUTDOWN, Shutdown.SEND, ""]]);
  guest.post({ kind: "closed", id, broken: false });
  guest.send(Op.SHUTDOWN, { flags: Shutdown.SEND | Shutdown.RECEIVE, credit: { allocated: 300, taken: 17 } });
  assertEquals(guest.ops(), [Op.RST]);
  guest.send(Op.RW, { data: text("late") });
  assertEquals(guest.ops(), [Op.RST]);
});

Deno.test("virtio_vsock: the guest's credit holds, and it is told of ours", async () => {
  const guest = await Guest.start({ connect });
  const id = guest.connected();
  guest.post({ kind: "data", id, bytes: new Uint8Array(1000).fill(0x61) });
  const lengths = () => guest.heard().map(({ data }) => data.length);
  assertEquals(lengths(), [256, 44]);
  guest.send(Op.CREDIT_UPDATE, { credit: { allocated: 300, taken: 100 } });
  assertEquals(lengths(), [100]);
  guest.send(Op.CREDIT_UPDATE, { credit: { allocated: 300, taken: 401 } });
  assertEquals(lengths(), [], "more taken than was sent");
  guest.send(Op.CREDIT_UPDATE, { credit: { allocated: 2 ** 32 - 1, taken: 400 } });
  assertEquals(lengths(), [256, 256, 88]);
  guest.send(Op.CREDIT_REQUEST);
  assertEquals(guest.ops(), [Op.CREDIT_UPDATE]);

  // The far end takes nothing: 256 KiB go to it, 256 KiB wait here, and then the guest has broken the rules.
  const piece = new Uint8Array(0x4000);
  let told = 0;
  for (let sent = 0; sent < BUFFER; sent += piece.length) {
    guest.send(Op.RW, { data: piece });
    for (const { op, taken } of guest.heard()) {
      assertEquals(op, Op.CREDIT_UPDATE);
      told = taken;
    }
  }
  assert(told >= BUFFER / 2 && told <= BUFFER, `${told} bytes of credit given back`);
  for (let sent = 0; sent < BUFFER; sent += piece.length) guest.send(Op.RW, { data: piece });
  assertEquals(guest.heard().at(-1)?.taken, BUFFER);
  guest.kit.exchange();
  guest.post({ kind: "written", id, bytes: 0x2_4000 });
  assertEquals(guest.heard(), [{ op: Op.CREDIT_UPDATE, flags: 0, hostPort: 5000, taken: BUFFER + 0x2_4000, data: "" }]);
  for (let sent = 0; sent < 0x2_4000; sent += piece.length) guest.send(Op.RW, { data: piece });
  assertEquals(guest.ops(), []);
  guest.send(Op.RW, { data: piece });
  assertEquals(guest.ops(), [Op.RST]);
  guest.kit.exchange();
  assertEquals(guest.sockets.take("close").map((command) => command.id), [id]);
});

Deno.test("virtio_vsock: a program of the host wants a port of the guest", async () => {
  const guest = await Guest.start({ listen: "guest.sock" });
  const [{ id, at }] = guest.sockets.commands.splice(0) as { id: number; at: unknown }[];
  assertEquals(at, { transport: "unix", path: "guest.sock" });
  const accept = (stream: number, line: string) => {
    guest.post({ kind: "accepted", id, stream, from: "" });
    for (const part of line.match(/.{1,5}|\n/gs) ?? []) guest.post({ kind: "data", id: stream, bytes: text(part) });
  };
  accept(-1, "CONNECT 77\nearly");
  const [{ op, hostPort }] = guest.heard();
  assertEquals([op, hostPort >= 2 ** 30], [Op.REQUEST, true]);
  guest.send(Op.RESPONSE, { guestPort: 77, hostPort });
  assertEquals(guest.heard().map(({ data }) => data).join(""), "early");
  assertEquals(guest.written(), `OK ${hostPort}\n`);
  guest.send(Op.RW, { guestPort: 77, hostPort, data: text("hello") });
  assertEquals(guest.written(), "hello");
  guest.post({ kind: "closed", id: -1, broken: true });
  assertEquals(guest.ops(), [Op.RST]);

  accept(-2, "CONNECT 78\n");
  const [second] = guest.heard();
  assert(second.hostPort !== hostPort);
  guest.send(Op.RST, { guestPort: 78, hostPort: second.hostPort });
  guest.kit.exchange();
  assertEquals(guest.sockets.take("close").map((command) => command.id), [-2]);
  for (const [n, line] of ["GET / HTTP\n", "CONNECT\n", "CONNECT -1\n", "CONNECT 4294967296\n", "x".repeat(50)].entries()) {
    accept(-10 - n, line);
    guest.kit.exchange();
    assertEquals(guest.sockets.take("close").map((command) => command.id), [-10 - n], line);
  }
  assertEquals(guest.ops(), []);
});

Deno.test("virtio_vsock: ports that lead nowhere, packets of nobody, hosts that refuse, a reset", async () => {
  const guest = await Guest.start({ connect: { "5000": "sockets/5000" } });
  guest.send(Op.REQUEST, { hostPort: 5001 });
  assertEquals([guest.ops(), guest.sockets.commands], [[Op.RST], []]);
  guest.send(Op.REQUEST, { type: 2 });
  assertEquals(guest.ops(), [Op.RST]);
  for (const op of [Op.RESPONSE, Op.SHUTDOWN, Op.RW, Op.CREDIT_UPDATE, Op.CREDIT_REQUEST, 0, 8, 0xffff]) {
    guest.send(op);
    assertEquals(guest.ops(), [Op.RST], `operation ${op}`);
  }
  guest.send(Op.RST);
  const stranger = fromGuest({ hostPort: 5000, guestPort: 1, type: 1, op: 1, flags: 0, length: 0, credit: { allocated: 0, taken: 0 } });
  for (const [at, value] of [[0, CID + 1], [4, 1], [8, 1], [12, 1], [24, 1]]) guest.raw(stranger.with(at, value));
  assertEquals(guest.ops(), []);
  guest.send(Op.REQUEST);
  guest.kit.exchange();
  guest.post({ kind: "failed", id: guest.sockets.take("connect")[0].id, why: "refused" });
  assertEquals(guest.ops(), [Op.RST]);
  const id = guest.connected();
  guest.send(Op.REQUEST);
  assertEquals(guest.ops(), [Op.RST], "there is one already");
  guest.kit.exchange();
  assertEquals(guest.sockets.take("close").map((command) => command.id), [id]);
  const other = guest.connected();
  guest.up();
  guest.kit.exchange();
  assertEquals(guest.sockets.take("close").map((command) => command.id), [other]);
  assertEquals(guest.driver.get(R.status), 15);
});

Deno.test("virtio_vsock: mistakes in options", () => {
  const { check } = virtioVsock.options.connect;
  assertEquals([check!("a/{port}"), check!({ "1": "x" })], [undefined, undefined]);
  for (const wrong of ["a", 5, null, [], { x: "a" }, { "4294967296": "a" }, { "1": "" }, { "1": 2 }]) {
    assertEquals(typeof check!(wrong), "string", JSON.stringify(wrong));
  }
});

Deno.test("virtio_vsock: its Unix socket goes with it, and one that is in the way is named", async () => {
  const path = `${await Deno.makeTempDir({ prefix: "plugboard-vsock" })}/guest.sock`;
  // A domain that reboots wants its own again.
  for (let n = 0; n < 2; n++) {
    const kit = bench({ sockets: denoSockets });
    await kit.attach(virtioVsock, { ...placed, listen: path });
    assertEquals(Deno.statSync(path).isSocket, true);
    const other = bench({ sockets: denoSockets });
    await assertRejects(() => other.attach(virtioVsock, { ...placed, listen: path }), Error, "remove it if no program listens there");
    other.close();
    kit.close();
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  }
  const kit = bench({ sockets: denoSockets });
  await assertRejects(() => kit.attach(virtioVsock, { ...placed, listen: `${path}/place` }), Error, "can't make the Unix socket");
  await Deno.remove(path.replace(/\/[^/]*$/, ""));
});

Deno.test("virtio_vsock: random packets and a random host: no throw, and bounds hold", async () => {
  const random = new Random("vsock");
  const guest = await Guest.start({ connect, listen: "l" });
  const listener = (guest.sockets.commands.splice(0)[0] as { id: number }).id;
  const streams: number[] = [];
  let accepted = 0;
  let most = 0;
  for (let n = 0; n < 10_000; n++) {
    if (guest.driver.get(R.status) !== 15) guest.up();
    if (random.chance(0.7)) {
      guest.send(random.chance(0.9) ? random.below(9) : random.below(2 ** 16), {
        hostPort: random.chance(0.9) ? 5000 + random.below(3) : 2 ** 30 + random.below(5),
        guestPort: random.below(random.chance(0.5) ? 5 : 1000),
        type: random.chance(0.95) ? 1 : random.below(3),
        flags: random.below(5),
        data: new Uint8Array(random.below(random.chance(0.9) ? 50 : 3000)),
        ...random.chance(0.9) ? {} : { length: random.below(2 ** 17) },
        credit: { allocated: random.pick([0, 100, 2 ** 32 - 1]), taken: random.pick([0, 10, 2 ** 32 - 1]) },
      });
    } else {
      guest.kit.exchange();
      streams.push(...guest.sockets.take("connect").map(({ id }) => id));
      const id = streams.length > 0 ? random.pick(streams) : 0;
      switch (random.below(8)) {
        case 0:
        case 1:
          guest.post({ kind: "connected", id });
          break;
        case 2:
          guest.post({ kind: "data", id, bytes: new Uint8Array(random.below(500)) });
          break;
        case 3:
          guest.post({ kind: "written", id, bytes: 0 });
          break;
        case 4:
          guest.post({ kind: random.pick(["ended", "ended"]), id });
          break;
        case 5:
          guest.post(random.chance(0.5) ? { kind: "failed", id, why: "refused" } : { kind: "closed", id, broken: random.chance(0.5) });
          break;
        default:
          streams.push(-(++accepted));
          guest.post({ kind: "accepted", id: listener, stream: -accepted, from: "" });
          guest.post({ kind: "data", id: -accepted, bytes: text(`CONNECT ${random.below(9)}\n`.slice(0, random.below(14))) });
      }
      guest.sockets.commands.length = 0;
    }
    if (random.chance(0.2)) guest.heard();
    if (random.chance(0.001)) guest.up();
    if (random.chance(0.02)) guest.kit.advance(1e9);
    most = Math.max(most, streams.length);
  }
  assert(most > 500, `${most} streams`);
  guest.up();
  guest.kit.exchange();
  guest.sockets.commands.length = 0;
  guest.connected();
});
