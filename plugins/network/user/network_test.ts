/** A user-mode network without a CPU: what a guest says, what it hears, and what goes out to the host's sockets. */
import { assert, assertEquals } from "@std/assert";
import { bench, FakeSockets } from "../../../core/testing.ts";
import type { Bench } from "../../../core/testing.ts";
import { UserNetwork } from "../contract.ts";
import { BROADCAST, GUEST_MAC, ip, TestGuest } from "../../../tests/support/net_guest.ts";
import { userNetwork } from "./plugin.ts";
import type { UserNetworkOptions } from "./plugin.ts";

const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
const OUTSIDE = "192.0.2.80";

interface Setting {
  readonly kit: Bench;
  readonly guest: TestGuest;
  readonly sockets: FakeSockets;
}

async function network(options: Partial<UserNetworkOptions> = {}): Promise<Setting> {
  const sockets = new FakeSockets();
  const kit = bench({ sockets });
  await kit.attach(userNetwork, options as UserNetworkOptions);
  const guest = new TestGuest(kit.get(UserNetwork).plug("test"), GATEWAY_MAC);
  guest.arp(true, "10.0.2.2");
  return { kit, guest, sockets };
}

/** A connection from port 1 to port 2 outside, accepted there: the stream's id, and the number of our first byte. The guest's is `first`. */
function opened({ guest, kit, sockets }: Setting, first: number, options: readonly number[] = [], window = 0xffff) {
  guest.segment(OUTSIDE, [1, 2], "S", first - 1, 0, { options });
  kit.exchange();
  const { id } = sockets.take("connect")[0];
  sockets.post({ kind: "connected", id });
  kit.exchange();
  const ours = guest.segments()[0].sequence + 1 >>> 0;
  guest.segment(OUTSIDE, [1, 2], "A", first, ours, { window });
  return { id, ours };
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (words: string) => new TextEncoder().encode(words);

Deno.test("ARP: the gateway and the name server answer, nobody else", async () => {
  const { guest } = await network();
  const [{ bytes: reply }] = guest.frames.splice(0);
  assertEquals([reply.slice(0, 6), reply.slice(6, 12)], [GUEST_MAC, GATEWAY_MAC]);
  assertEquals([...reply.slice(20)], [0, 2, ...GATEWAY_MAC, ...ip("10.0.2.2"), ...GUEST_MAC, ...ip("10.0.2.15")]);
  guest.arp(true, "10.0.2.3");
  guest.arp(true, "10.0.2.77");
  guest.arp(true, OUTSIDE);
  guest.arp(false, "10.0.2.2");
  assertEquals(guest.frames.length, 1);
});

Deno.test("ICMP: the gateway answers echo requests; beyond it nobody is heard of", async () => {
  const { guest } = await network();
  guest.take();
  guest.ping("10.0.2.2", [9, 8, 7]);
  guest.ping("10.0.2.3");
  const [first, second] = guest.take();
  assertEquals([first.source, [...first.payload.slice(4)]], ["10.0.2.2", [0, 7, 0, 1, 9, 8, 7]]);
  assertEquals([first.payload[0], second.source], [0, "10.0.2.3"]);
  guest.ping(OUTSIDE);
  guest.ping(OUTSIDE, [], 1);
  guest.send(guest.packet(OUTSIDE, 47, [1, 2, 3, 4]));
  assertEquals(guest.take().map(({ source, payload }) => [source, payload[0], payload[1]]), [
    ["10.0.2.2", 3, 1],
    ["10.0.2.2", 11, 0],
    ["10.0.2.2", 3, 2],
  ]);
});

function dhcp(type: number, options: readonly number[] = [], mac: Uint8Array = GUEST_MAC, client = "0.0.0.0"): Uint8Array {
  const message = new Uint8Array(300);
  message.set([1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0, ...ip(client)]);
  message.set(mac, 28);
  message.set([0x63, 0x82, 0x53, 0x63, 53, 1, type, ...options, 255], 236);
  return message;
}

function said(payload: Uint8Array) {
  const message = payload.subarray(8);
  const options = new Map<number, string>();
  for (let at = 240; message[at] !== 255; at += 2 + message[at + 1]) {
    options.set(message[at], message.subarray(at + 2, at + 2 + message[at + 1]).join("."));
  }
  return { address: message.subarray(16, 20).join("."), id: message.subarray(4, 8).join("."), options };
}

Deno.test("DHCP: an offer, a lease that stays, a refusal, a release", async () => {
  const { guest } = await network({ mtu: 1400 });
  guest.take();
  const ask = (type: number, options: readonly number[] = [], mac = GUEST_MAC) => {
    guest.send(
      guest.packet("255.255.255.255", 17, guest.udpBytes("255.255.255.255", 68, 67, dhcp(type, options, mac), "0.0.0.0"), {
        from: "0.0.0.0",
      }),
    );
    const [answer] = guest.take();
    return answer && { ...said(answer.payload), to: answer.destination };
  };
  const offer = ask(1);
  assertEquals([offer.address, offer.id, offer.to], ["10.0.2.15", "1.2.3.4", "10.0.2.15"]);
  assertEquals([...offer.options], [
    [53, "2"],
    [54, "10.0.2.2"],
    [51, "0.1.81.128"],
    [1, "255.255.255.0"],
    [3, "10.0.2.2"],
    [6, "10.0.2.3"],
    [26, "5.120"],
  ]);
  const wanted = (address: string) => [50, 4, ...ip(address)];
  assertEquals(ask(3, wanted("10.0.2.15")).options.get(53), "5");
  assertEquals(ask(3, wanted("10.0.2.99")).options.get(53), "6", "another address than the lease");
  assertEquals(ask(3, [...wanted("10.0.2.15"), 54, 4, ...ip("10.0.2.9")]), undefined, "another server's");
  const other = Uint8Array.of(2, 0, 0, 0, 0, 9);
  assertEquals(ask(1, wanted("10.0.2.40"), other).address, "10.0.2.40");
  assertEquals(ask(1, [], Uint8Array.of(2, 0, 0, 0, 0, 10)).address, "10.0.2.15", "was given up");
  // More clients than addresses: the one unused for longest goes.
  const given = new Set(Array.from({ length: 300 }, (_, n) => ask(1, [], Uint8Array.of(2, 1, 0, 0, n >> 8, n)).address));
  assertEquals(given.size, 240);
});

function question(name: string, type: number, id = 0x1234): Uint8Array {
  const labels = name.split(".").flatMap((label) => [label.length, ...bytes(label)]);
  return Uint8Array.of(id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1);
}

Deno.test("DNS: a question is asked again of the host, the answer is one of ours", async () => {
  const { guest, kit, sockets } = await network({ name_server: "192.0.2.53:5353" });
  guest.take();
  guest.udp("10.0.2.3", 4000, 53, question("name.example", 1));
  kit.exchange();
  const [asked] = sockets.take("resolve");
  assertEquals({ ...asked, id: 0 }, {
    kind: "resolve",
    id: 0,
    name: "name.example",
    type: "A",
    nameServer: { hostname: "192.0.2.53", port: 5353 },
  });
  sockets.post({ kind: "resolved", id: asked.id, resolution: { kind: "found", records: ["192.0.2.1", "192.0.2.2"] } });
  kit.exchange();
  const [answer] = guest.take();
  const message = answer.payload.slice(8);
  assertEquals([answer.source, message[0], message[1], message[2], message[3], message[7]], ["10.0.2.3", 0x12, 0x34, 0x81, 0x80, 2]);
  assertEquals([...message.slice(-4)], [192, 0, 2, 2]);
  const codes: [string, number, number | undefined][] = [["v6.example", 28, 0], ["odd.example", 99, 4]];
  for (const [name, type, code] of codes) {
    guest.udp("10.0.2.3", 4000, 53, question(name, type));
    const [{ payload }] = guest.take();
    assertEquals([payload[11] & 15, payload[15]], [code, 0], name);
  }
  for (const [kind, code] of [["none", 0], ["no-such-name", 3], ["failed", 2]] as const) {
    guest.udp("10.0.2.3", 4000, 53, question("x.example", 15));
    kit.exchange();
    sockets.post({ kind: "resolved", id: sockets.take("resolve")[0].id, resolution: { kind } });
    kit.exchange();
    assertEquals(guest.take()[0].payload[11] & 15, code, kind);
  }
});

Deno.test("UDP: a socket for each port of a guest, which hears only from whom it has sent to", async () => {
  const { guest, kit, sockets } = await network();
  guest.take();
  guest.udp(OUTSIDE, 5000, 123, bytes("what time"));
  guest.udp("192.0.2.81", 5000, 123, bytes("and there"));
  kit.exchange();
  const sent = sockets.take("send");
  assertEquals(sent.map(({ to, local, bytes }) => [to.hostname, to.port, local, text(bytes)]), [
    [OUTSIDE, 123, false, "what time"],
    ["192.0.2.81", 123, false, "and there"],
  ]);
  assertEquals(sent[0].id, sent[1].id);
  const { id } = sent[0];
  sockets.post({ kind: "datagram", id, bytes: bytes("noon"), from: { hostname: OUTSIDE, port: 123 } });
  sockets.post({ kind: "datagram", id, bytes: bytes("evil"), from: { hostname: OUTSIDE, port: 124 } });
  kit.exchange();
  assertEquals(guest.take().map(({ source, payload }) => [source, text(payload.slice(8))]), [[OUTSIDE, "noon"]]);
  // A long one comes in fragments.
  const long = crypto.getRandomValues(new Uint8Array(5000));
  sockets.post({ kind: "datagram", id, bytes: long, from: { hostname: OUTSIDE, port: 123 } });
  kit.exchange();
  const pieces = guest.take().map(({ payload }) => [...payload]);
  assertEquals([pieces.length, pieces.flat().slice(8)], [4, [...long]]);
  // Nobody uses it: it is closed.
  kit.advance(300e9);
  kit.exchange();
  assertEquals(sockets.take("close").map((command) => command.id), [id]);
  guest.udp("10.0.2.2", 5000, 9, bytes("gateway"));
  assertEquals(guest.take().map(({ payload }) => [payload[0], payload[1]]), [[3, 3]]);
});

Deno.test("UDP: a datagram in fragments, in any order, is put together; what overlaps is thrown away", async () => {
  const { guest, kit, sockets } = await network();
  const data = crypto.getRandomValues(new Uint8Array(3000));
  const whole = guest.udpBytes(OUTSIDE, 5000, 9, data);
  const piece = (from: number, to: number, id: number) => {
    const more = to < whole.length ? 0x2000 : 0;
    guest.send(guest.packet(OUTSIDE, 17, whole.slice(from, to), { id, fragment: from / 8 | more }));
  };
  piece(2960, 3008, 5);
  piece(0, 1480, 5);
  piece(1480, 2960, 5);
  piece(0, 1480, 6);
  piece(1472, 2960, 6);
  piece(2960, 3008, 6);
  kit.exchange();
  assertEquals(sockets.take("send").map((command) => [...command.bytes]), [[...data]]);
});

Deno.test("TCP: a connection out, data both ways, half-close, and the end", async () => {
  const { guest, kit, sockets } = await network();
  guest.take();
  const ports = [40_000, 80] as const;
  guest.segment(OUTSIDE, ports, "S", 1000, 0, { options: [2, 4, 5, 180, 1, 3, 3, 2] });
  guest.segment(OUTSIDE, ports, "S", 1000, 0);
  kit.exchange();
  const [connect, ...others] = sockets.take("connect");
  assertEquals([connect.to, connect.local, others], [{ transport: "tcp", hostname: OUTSIDE, port: 80 }, false, []]);
  assertEquals(guest.segments(), [], "it isn't answered before the host's side is there");
  sockets.post({ kind: "connected", id: connect.id });
  kit.exchange();
  const [hello] = guest.segments();
  assertEquals([hello.flags, hello.acknowledgement, hello.sourcePort, hello.port], ["SA", 1001, 80, 40_000]);
  const ours = hello.sequence + 1;

  guest.segment(OUTSIDE, ports, "A", 1001, ours, { window: 1000 });
  guest.segment(OUTSIDE, ports, "PA", 1001, ours, { data: bytes("GET /"), window: 1000 });
  guest.segment(OUTSIDE, ports, "PA", 1001, ours, { data: bytes("GET / again"), window: 1000 });
  guest.segment(OUTSIDE, ports, "PA", 2000, ours, { data: bytes("a gap"), window: 1000 });
  kit.advance(100_000);
  kit.exchange();
  assertEquals(sockets.take("write").map((command) => text(command.bytes)).join(""), "GET / again");
  assertEquals(guest.segments().map(({ flags, acknowledgement }) => [flags, acknowledgement]), [["A", 1012]]);

  // A window of 4000 bytes (1000, scaled by 2): no more is sent before it moves.
  const page = crypto.getRandomValues(new Uint8Array(6000));
  sockets.post({ kind: "data", id: connect.id, bytes: page });
  kit.exchange();
  const first = guest.segments();
  assertEquals(first.map(({ data }) => data.length), [1460, 1460, 1080]);
  kit.exchange();
  assertEquals(sockets.take("taken").map((command) => command.bytes), [6000]);
  guest.segment(OUTSIDE, ports, "A", 1012, ours + 2920, { window: 1000 });
  kit.exchange();
  const second = guest.segments();
  assertEquals([...first.slice(0, 2), ...first.slice(2), ...second].flatMap(({ data }) => [...data]), [...page]);

  // Nothing is heard of it: it is said again.
  guest.segment(OUTSIDE, ports, "A", 1012, ours + 4000, { window: 1000 });
  kit.advance(400e6);
  const again = guest.segments();
  assertEquals([again[0].sequence, again.flatMap(({ data }) => [...data])], [ours + 4000, [...page.slice(4000)]]);

  // The guest has said all; the host goes on.
  guest.segment(OUTSIDE, ports, "FA", 1012, ours + 6000, { window: 1000 });
  kit.exchange();
  assertEquals([sockets.take("end").length, guest.segments().at(-1)?.acknowledgement], [1, 1013]);
  sockets.post({ kind: "data", id: connect.id, bytes: bytes("bye") });
  sockets.post({ kind: "ended", id: connect.id });
  sockets.post({ kind: "closed", id: connect.id, broken: false });
  kit.exchange();
  const last = guest.segments();
  assertEquals([last.map(({ data }) => text(data)).join(""), last.at(-1)?.flags], ["bye", "FA"]);
  guest.segment(OUTSIDE, ports, "A", 1013, ours + 6004, { window: 1000 });
  // Its last acknowledgement was lost: it is told once more, for a while.
  guest.segment(OUTSIDE, ports, "FA", 1012, ours + 6004, { window: 1000 });
  kit.advance(1e6);
  assertEquals(guest.segments().map(({ flags, acknowledgement }) => [flags, acknowledgement]), [["A", 1013]]);
  kit.advance(5e9);
  guest.segment(OUTSIDE, ports, "A", 1013, ours + 6004);
  assertEquals(guest.segments().map(({ flags }) => flags), ["R"], "forgotten");
});

Deno.test("TCP: refused, unreachable, broken and reset connections", async () => {
  const setting = await network();
  const { guest, kit, sockets } = setting;
  guest.take();
  for (const [why, answers] of [["refused", ["6 RA"]], ["unreachable", ["1", "6 RA"]], ["denied", ["1", "6 RA"]]] as const) {
    guest.segment(OUTSIDE, [1, 2], "S", 5, 0);
    kit.exchange();
    sockets.post({ kind: "failed", id: sockets.take("connect")[0].id, why });
    kit.exchange();
    const seen = guest.take().map(({ protocol, payload }) =>
      protocol === 6 ? `6 ${payload[13] === 0x14 ? "RA" : payload[13]}` : `${protocol}`
    );
    assertEquals(seen, [...answers], why);
  }
  const broken = opened(setting, 6);
  sockets.post({ kind: "closed", id: broken.id, broken: true });
  kit.exchange();
  assertEquals(guest.segments().map(({ flags, sequence }) => [flags, sequence]), [["RA", broken.ours]]);

  const reset = opened(setting, 6);
  guest.segment(OUTSIDE, [1, 2], "R", 600, 0);
  kit.exchange();
  assertEquals(sockets.take("close"), [], "a reset that doesn't know the number");
  guest.segment(OUTSIDE, [1, 2], "R", 6, 0);
  kit.exchange();
  assertEquals(sockets.take("close").map(({ id }) => id), [reset.id]);
});

Deno.test("TCP: a shut window is asked about, and opens", async () => {
  const setting = await network();
  const { guest, kit, sockets } = setting;
  const { id, ours } = opened(setting, 6, [], 0);
  sockets.post({ kind: "data", id, bytes: bytes("hello") });
  kit.exchange();
  assertEquals(guest.segments(), []);
  // For many hours, as long as the guest is there.
  for (let n = 0; n < 30; n++) {
    kit.advance(31e9);
    const asked = guest.segments();
    assert(asked.length > 0 && asked.every(({ data }) => text(data) === "h"), `${asked.length} questions`);
    guest.segment(OUTSIDE, [1, 2], "A", 6, ours, { window: 0 });
  }
  guest.segment(OUTSIDE, [1, 2], "A", 6, ours, { window: 100 });
  kit.advance(1e6);
  assertEquals(guest.segments().map(({ data }) => text(data)), ["hello"]);
  // Nobody is there any more: it gives up.
  kit.advance(600e9);
  kit.exchange();
  assertEquals([guest.segments().at(-1)?.flags, sockets.take("close").map((command) => command.id)], ["RA", [id]]);
});

Deno.test("TCP: a guest sends as much as the host takes, and is told when there is more room", async () => {
  const setting = await network();
  const { guest, kit, sockets } = setting;
  const { id, ours } = opened(setting, 1, [2, 4, 5, 180, 1, 3, 3, 2]);
  const block = new Uint8Array(32_768).fill(7);
  let at = 1;
  let room = Infinity;
  for (let n = 0; n < 12 && room > 0; n++) {
    guest.segment(OUTSIDE, [1, 2], "A", at, ours, { data: block });
    kit.advance(1e6);
    const { acknowledgement, window } = guest.segments().at(-1)!;
    at = acknowledgement;
    room = window * 16;
  }
  assertEquals([at - 1, room], [256 * 1024, 0]);
  kit.exchange();
  assertEquals(sockets.take("write").reduce((sum, command) => sum + command.bytes.length, 0), 256 * 1024);
  sockets.post({ kind: "written", id, bytes: 200_000 });
  kit.exchange();
  kit.advance(1e6);
  assertEquals(guest.segments().map(({ flags, window }) => [flags, window]), [["A", 200_000 / 16]]);
});

Deno.test("TCP: what the guest's device has no room for is sent when it has", async () => {
  const setting = await network();
  const { guest, kit, sockets } = setting;
  const { id } = opened(setting, 1);
  guest.room = false;
  sockets.post({ kind: "data", id, bytes: bytes("later") });
  kit.exchange();
  guest.room = true;
  guest.cable.ready();
  assertEquals(guest.segments().map(({ data }) => text(data)), ["later"]);
});

Deno.test("a forwarded port calls the guest, by ARP first", async () => {
  const { guest, kit, sockets } = await network({ forward: ["tcp:127.0.0.1:2222-:22", "udp::6000-10.0.2.20:53"], restrict: true });
  const [listen, datagrams] = sockets.commands.splice(0, 2);
  assertEquals([listen.kind, datagrams.kind], ["listen", "datagrams"] as unknown[]);
  guest.frames.splice(0);
  sockets.post({ kind: "accepted", id: listen.id, stream: -1, from: "" });
  sockets.post({ kind: "data", id: -1, bytes: bytes("early") });
  kit.exchange();
  const [call] = guest.segments();
  assertEquals([call.flags, call.port], ["S", 22]);
  guest.segment("10.0.2.2", [22, call.sourcePort], "SA", 700, call.sequence + 1, { options: [2, 4, 5, 180] });
  kit.advance(1e6);
  assertEquals(guest.segments().map(({ data, acknowledgement }) => [text(data), acknowledgement]), [["early", 701]]);
  guest.segment("10.0.2.2", [22, call.sourcePort], "PA", 701, call.sequence + 6, { data: bytes("SSH") });
  kit.exchange();
  assertEquals(sockets.take("write").map((command) => text(command.bytes)), ["SSH"]);

  sockets.post({ kind: "datagram", id: datagrams.id, bytes: bytes("who"), from: { hostname: "127.0.0.1", port: 7000 } });
  kit.exchange();
  const request = guest.frames.splice(0).at(-1)!.bytes;
  assertEquals([request.slice(0, 6), [...request.slice(38)]], [BROADCAST, ip("10.0.2.20")]);
  guest.address = "10.0.2.20";
  guest.arp(false, "10.0.2.2");
  sockets.post({ kind: "datagram", id: datagrams.id, bytes: bytes("who"), from: { hostname: "127.0.0.1", port: 7000 } });
  kit.exchange();
  const [{ payload }] = guest.take();
  guest.udp("10.0.2.2", 53, payload[0] << 8 | payload[1], bytes("me"));
  kit.exchange();
  assertEquals(sockets.take("send").map(({ to, bytes }) => [to, text(bytes)]), [[{ hostname: "127.0.0.1", port: 7000 }, "me"]]);
  guest.udp(OUTSIDE, 53, 53, bytes("out"));
  assertEquals(guest.take().map(({ payload }) => [payload[0], payload[1]]), [[3, 13]]);
});

Deno.test("restricted: nobody outside is asked anything", async () => {
  const { guest, kit, sockets } = await network({ restrict: true });
  guest.take();
  guest.segment(OUTSIDE, [1, 2], "S", 5, 0);
  guest.udp(OUTSIDE, 1, 2, [1]);
  guest.udp("10.0.2.3", 4000, 53, question("name.example", 1));
  guest.segment("10.0.2.2", [1, 2], "S", 5, 0);
  const [tcp, udp, dns, own] = guest.take();
  assertEquals([tcp.payload[13], udp.payload[1], dns.payload[11] & 15, own.payload[13]], [0x14, 13, 5, 0x14]);
  kit.exchange();
  assertEquals(sockets.commands, []);
});

Deno.test("the host is reached by the gateway's address, when the board says so", async () => {
  const { guest, kit, sockets } = await network({ host_access: true });
  guest.segment("10.0.2.2", [1, 2], "S", 5, 0);
  guest.udp("10.0.2.2", 1, 2, [1]);
  kit.exchange();
  assertEquals(sockets.take("connect").map(({ to, local }) => [to, local]), [[{ transport: "tcp", hostname: "127.0.0.1", port: 2 }, true]]);
  assertEquals(sockets.take("send").map(({ to, local }) => [to, local]), [[{ hostname: "127.0.0.1", port: 2 }, true]]);
});
