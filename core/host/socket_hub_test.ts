/** The host's sockets: what goes out and comes in, and when; the real ones; a run repeated from its recording. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { denoSockets } from "./deno_sockets.ts";
import type { HostStream, RecordedSocketEvent, SocketDriver } from "./host_sockets.ts";
import { STREAM_LIMIT } from "./host_sockets.ts";
import { isLocalAddress } from "./local_addresses.ts";
import { replaySockets } from "./replay_sockets.ts";
import { SocketHub } from "./socket_hub.ts";
import { FakeSockets } from "../testing.ts";
import { VirtualClock } from "../schedule/virtual_clock.ts";

/** A hub as a machine drives it, with one plugin. */
function setUp(driver: SocketDriver, record?: (event: RecordedSocketEvent) => void) {
  const clock = new VirtualClock();
  const hub = new SocketHub(clock, driver, record);
  const undo: (() => void)[] = [];
  const sockets = hub.forInstance((_hook, callback) => callback(), (close) => undo.push(close), (path) => path);
  const settle = () => {
    for (let event = clock.events.takeDue(clock.nowNs); event !== undefined; event = clock.events.takeDue(clock.nowNs)) event.fire();
  };
  return {
    clock,
    hub,
    sockets,
    /** What `runFor` does, in no time. */
    turn() {
      hub.deliver();
      settle();
      hub.flush();
    },
    /** Turns until something holds. */
    async until(holds: () => boolean) {
      for (const end = performance.now() + 60_000; !holds();) {
        assert(performance.now() < end, "nothing came in a minute");
        this.turn();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    close() {
      for (const close of undo) close();
      hub.flush();
      hub.close();
    },
  };
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const TCP = { transport: "tcp", hostname: "192.0.2.1", port: 80 } as const;

Deno.test("host sockets: commands leave after the run, events enter at its start with the time they have then", () => {
  const fake = new FakeSockets();
  const recorded: RecordedSocketEvent[] = [];
  const { clock, hub, sockets, turn } = setUp(fake, (event) => recorded.push(event));
  const heard: string[] = [];
  const stream: HostStream = sockets.connect(TCP, { local: false }, {
    connected: () => heard.push("connected"),
    data: () => heard.push(`data at ${clock.nowNs}: ${text(stream.read(100))}`),
    closed: (broken) => heard.push(`closed ${broken}`),
  });
  assertEquals([fake.commands, stream.room, stream.write(new Uint8Array(3))], [[], 0, 0]);
  turn();
  const [{ id }] = fake.take("connect");
  fake.post({ kind: "connected", id });
  fake.post({ kind: "data", id, bytes: new TextEncoder().encode("hello") });
  assertEquals(heard, []);
  clock.skipTo(5000);
  turn();
  assertEquals(heard, ["connected", "data at 5000: hello"]);
  assertEquals(fake.take("taken"), [{ kind: "taken", id, bytes: 5 }]);
  assertEquals([stream.room, stream.write(new Uint8Array(STREAM_LIMIT + 5)), stream.room], [STREAM_LIMIT, STREAM_LIMIT, 0]);
  turn();
  fake.post({ kind: "written", id, bytes: 100 });
  fake.post({ kind: "closed", id, broken: true });
  turn();
  assertEquals([heard.at(-1), stream.room, hub.open], ["closed true", 0, false]);
  assertEquals(recorded.map(({ atNs, event }) => [atNs, event.kind]), [
    [5000, "connected"],
    [5000, "data"],
    [5000, "written"],
    [5000, "closed"],
  ]);
});

Deno.test("host sockets: an answer is expected while a stream, a question or a recent datagram is out", () => {
  const fake = new FakeSockets();
  const { clock, hub, sockets, turn } = setUp(fake);
  assertEquals([hub.open, hub.expecting], [false, false]);
  const listener = sockets.listen(TCP, () => ({}));
  assertEquals([hub.open, hub.expecting], [true, false], "somebody may call, nobody need");
  listener.close();
  sockets.resolve("a.example", "A", undefined, () => {});
  assertEquals(hub.expecting, true);
  turn();
  fake.post({ kind: "resolved", id: fake.take("resolve")[0].id, resolution: { kind: "failed" } });
  turn();
  assertEquals(hub.expecting, false);
  const datagrams = sockets.datagrams(() => {});
  assertEquals([hub.open, hub.expecting], [true, false]);
  datagrams.send(new Uint8Array(1), TCP, { local: false });
  assertEquals(hub.expecting, true);
  clock.skipTo(3e9);
  assertEquals(hub.expecting, false);
  for (let n = 0; n < 2000; n++) datagrams.send(new Uint8Array(1), TCP, { local: false });
  turn();
  assertEquals(fake.take("send").length, 1024, "no more wait than that");
  datagrams.close();
  assertEquals(hub.open, false);
});

Deno.test("host sockets: what a plugin had open closes with it", () => {
  const fake = new FakeSockets();
  const { sockets, turn, close } = setUp(fake);
  sockets.connect(TCP, { local: false }, {});
  sockets.listen(TCP, () => ({}));
  sockets.datagrams(() => {});
  const left: unknown[] = [];
  sockets.resolve("a.example", "A", undefined, () => left.push("an answer"));
  turn();
  close();
  assertEquals([fake.take("close").map(({ id }) => id).sort(), fake.closed], [[1, 2, 3], true]);
});

Deno.test("host sockets: a port that is given back and wanted again at once stays open", () => {
  const fake = new FakeSockets();
  const { sockets, turn, hub } = setUp(fake);
  const heard: string[] = [];
  const first = sockets.listen(TCP, () => ({}));
  first.close();
  const second = sockets.listen(TCP, () => heard.push("second") ? {} : {});
  turn();
  assertEquals([fake.commands.map(({ kind }) => kind), second.port], [["listen"], first.port]);
  fake.post({ kind: "accepted", id: fake.commands[0].id, stream: -1, from: "" });
  turn();
  assertEquals(heard, ["second"]);
  second.close();
  fake.post({ kind: "accepted", id: fake.commands[0].id, stream: -2, from: "" });
  turn();
  turn();
  assertEquals(fake.take("close").map(({ id }) => id), [fake.commands[0].id, -2], "who called too late is turned away");
  assertEquals(hub.open, true, "the first caller is still there");
});

Deno.test("the real sockets: an echo over TCP, ended by both", async () => {
  const far = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echo = (async () => {
    const connection = await far.accept();
    await connection.readable.pipeTo(connection.writable);
  })();
  const it = setUp(denoSockets);
  const sent = crypto.getRandomValues(new Uint8Array(50_000));
  const whole = new Uint8Array(20 * sent.length);
  const got: number[] = [];
  const heard: string[] = [];
  let at = 0;
  for (let n = 0; n < 20; n++) whole.set(sent, n * sent.length);
  const feed = () => {
    at += stream.write(whole.subarray(at, at + 60_000));
    if (at === whole.length) stream.end();
  };
  const stream: HostStream = it.sockets.connect({ transport: "tcp", hostname: "127.0.0.1", port: far.addr.port }, { local: true }, {
    connected: feed,
    room: feed,
    data: () => void got.push(...stream.read(Infinity)),
    ended: () => heard.push("ended"),
    closed: (broken) => heard.push(`closed ${broken}`),
  });
  await it.until(() => heard.length === 2);
  assertEquals([heard, got.length], [["ended", "closed false"], whole.length]);
  assertEquals(Uint8Array.from(got), whole);
  await echo;
  far.close();
  it.close();
});

Deno.test("the real sockets: nobody reads, and the far end must wait", async () => {
  const far = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let written = 0;
  const flood = (async () => {
    const connection = await far.accept();
    try {
      for (;;) written += await connection.write(new Uint8Array(65_536));
    } catch {
      connection.close();
    }
  })();
  const it = setUp(denoSockets);
  const stream = it.sockets.connect({ transport: "tcp", hostname: "127.0.0.1", port: far.addr.port }, { local: true }, {});
  await it.until(() => stream.readable >= STREAM_LIMIT);
  for (let n = 0; n < 30; n++) {
    it.turn();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert(stream.readable < STREAM_LIMIT + 70_000 && written > 0, `${stream.readable} bytes wait`);
  it.close();
  await flood;
  far.close();
});

Deno.test("the real sockets: refused, denied, a port that is taken, a Unix socket, datagrams", async () => {
  const it = setUp(denoSockets);
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  assertThrows(() => it.sockets.listen({ transport: "tcp", hostname: "127.0.0.1", port }, () => ({})), Deno.errors.AddrInUse);
  free.close();
  const failures: string[] = [];
  it.sockets.connect({ transport: "tcp", hostname: "127.0.0.1", port }, { local: true }, { failed: (why) => failures.push(why) });
  await it.until(() => failures.length === 1);
  it.sockets.connect({ transport: "tcp", hostname: "127.0.0.1", port }, { local: false }, { failed: (why) => failures.push(why) });
  await it.until(() => failures.length === 2);
  assertEquals(failures, ["refused", "denied"]);

  const path = `${await Deno.makeTempDir()}/socket`;
  const said: string[] = [];
  it.sockets.listen({ transport: "unix", path }, (stream) => {
    stream.write(new TextEncoder().encode("welcome"));
    return { data: () => void said.push(text(stream.read(100))), ended: () => stream.end() };
  });
  const caller = await Deno.connect({ transport: "unix", path });
  await caller.write(new TextEncoder().encode("good day"));
  await caller.closeWrite();
  await it.until(() => said.length === 1);
  it.turn();
  assertEquals([said, text(await new Response(caller.readable).bytes())], [["good day"], "welcome"]);

  const [heard, answers]: [string[], string[]] = [[], []];
  const bound = it.sockets.datagrams((bytes, from) => {
    heard.push(text(bytes));
    bound.send(new TextEncoder().encode("pong"), from, { local: true });
  }, { at: { hostname: "127.0.0.1", port } });
  const other = it.sockets.datagrams((bytes) => void answers.push(text(bytes)));
  await new Promise((resolve) => setTimeout(resolve, 5));
  other.send(new TextEncoder().encode("denied"), { hostname: "127.0.0.1", port }, { local: false });
  other.send(new TextEncoder().encode("ping"), { hostname: "127.0.0.1", port }, { local: true });
  await it.until(() => answers.length === 1);
  assertEquals([heard, answers], [["ping"], ["pong"]]);
  it.close();
  await new Promise((resolve) => setTimeout(resolve, 5));
});

Deno.test("which addresses are this host's own, or nobody's", () => {
  const local = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "::1",
    "1.2.3",
    "256.1.1.1",
  ];
  for (const address of local) assertEquals(isLocalAddress(address), true, address);
  for (const { address } of Deno.networkInterfaces()) assertEquals(isLocalAddress(address), true, address);
  for (const address of ["192.0.2.1", "8.8.8.8", "10.1.2.3", "126.255.255.255", "223.255.255.255"]) {
    assertEquals(isLocalAddress(address), false, address);
  }
});

Deno.test("a recording repeats what came, at the same times, without the world", () => {
  const fake = new FakeSockets();
  const recorded: RecordedSocketEvent[] = [];
  const play = (driver: SocketDriver, drive: (it: ReturnType<typeof setUp>) => void) => {
    const it = setUp(driver, driver === fake ? (event) => recorded.push(event) : undefined);
    const heard: string[] = [];
    const stream = it.sockets.connect(TCP, { local: false }, {
      connected: () => heard.push(`connected at ${it.clock.nowNs}`),
      data: () => heard.push(`${text(stream.read(100))} at ${it.clock.nowNs}`),
    });
    drive(it);
    return heard;
  };
  const first = play(fake, ({ turn, clock }) => {
    turn();
    clock.skipTo(1000);
    fake.post({ kind: "connected", id: 1 });
    turn();
    clock.skipTo(3000);
    fake.post({ kind: "data", id: 1, bytes: new TextEncoder().encode("words") });
    turn();
  });
  assertEquals(first, ["connected at 1000", "words at 3000"]);
  const again = play(replaySockets(recorded), ({ turn, clock, hub }) => {
    assertEquals([hub.open, hub.expecting], [false, false]);
    for (turn(); clock.events.next !== undefined; turn()) clock.skipTo(clock.events.next.ns);
  });
  assertEquals(again, first);
});
