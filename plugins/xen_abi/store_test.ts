/** Xenstore over its ring: what front ends ask, one tree for each domain, and messages of every kind of wrong. */
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/support/random.ts";
import { XenKit } from "./tests/xen_kit.ts";
import type { XenGuest } from "./tests/xen_kit.ts";

const RING_IPA = 0x3900_1000;

/** A client at the other end of the ring. */
class Client {
  readonly ring: DataView;
  readonly port: number;
  /** What came and wasn't asked for. */
  readonly events: string[] = [];
  #id = 0;

  constructor(readonly kit: XenKit, readonly guest: XenGuest) {
    const page = guest.mapped(RING_IPA)!;
    this.ring = new DataView(page.buffer, page.byteOffset, 4096);
    guest.op(34, 1, [[2, 0x7ff0], [2, 0], [4, 2], [8, 0]]);
    this.port = guest.out.getUint32(8, true);
  }

  /** Sends; "error: ENOENT" or what was answered. */
  ask(type: number, payload: string, transaction = 0): string {
    const id = ++this.#id;
    const head = new Uint32Array([type, id, transaction, payload.length]);
    this.put([...new Uint8Array(head.buffer), ...Array.from(payload, (character) => character.charCodeAt(0))]);
    for (;;) {
      const [answer, of, , text] = this.take();
      if (of === id) return answer === 16 ? `error: ${text.replace("\0", "")}` : text;
      this.events.push(text);
    }
  }

  put(bytes: readonly number[]): void {
    for (let done = 0; done < bytes.length;) {
      const prod = this.ring.getUint32(2052, true), room = 1024 - (prod - this.ring.getUint32(2048, true));
      const piece = bytes.slice(done, done + room);
      piece.forEach((byte, n) => this.ring.setUint8((prod + n) % 1024, byte));
      this.ring.setUint32(2052, prod + piece.length, true);
      done += piece.length;
      this.kit.channels.of(this.guest.name)!.send(this.port);
    }
  }

  take(): [type: number, id: number, transaction: number, text: string] {
    const head = new DataView(this.#bytes(16).buffer);
    const text = new TextDecoder().decode(this.#bytes(head.getUint32(12, true)));
    return [head.getUint32(0, true), head.getUint32(4, true), head.getUint32(8, true), text];
  }

  get waits(): boolean {
    return this.ring.getUint32(2060, true) !== this.ring.getUint32(2056, true);
  }

  #bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let n = 0; n < count; n++) {
      if (!this.waits) this.kit.channels.of(this.guest.name)!.send(this.port);
      const cons = this.ring.getUint32(2056, true);
      assert(this.waits, `${n} of ${count} bytes came`);
      bytes[n] = this.ring.getUint8(1024 + cons % 1024);
      this.ring.setUint32(2056, cons + 1, true);
    }
    return bytes;
  }
}

const DIRECTORY = 1, READ = 2, WATCH = 4, UNWATCH = 5, START = 6, END = 7, PATH = 10, WRITE = 11, MKDIR = 12, RM = 13, RESET = 21;

Deno.test("read, write, list, remove; relative and absolute; long values", async () => {
  using kit = await XenKit.start();
  const two = new Client(kit, kit.guest("two"));
  assertEquals([two.ask(READ, "name\0"), two.ask(READ, "domid\0"), two.ask(PATH, "2\0")], ["two", "2", "/local/domain/2\0"]);
  assertEquals(two.ask(WRITE, "data/a/b\0value"), "OK\0");
  assertEquals([two.ask(READ, "/local/domain/2/data/a/b\0"), two.ask(READ, "data/a\0")], ["value", ""]);
  assertEquals(two.ask(DIRECTORY, "data\0"), "a\0");
  assertEquals(two.ask(DIRECTORY, "device\0"), "");
  const long = "x".repeat(2048);
  assertEquals([two.ask(WRITE, `data/long\0${long}`), two.ask(READ, "data/long\0")], ["OK\0", long]);
  assertEquals([two.ask(MKDIR, "data\0"), two.ask(MKDIR, "new\0"), two.ask(READ, "new\0")], ["OK\0", "OK\0", ""]);
  assertEquals([two.ask(RM, "data\0"), two.ask(READ, "data/a/b\0"), two.ask(RM, "data\0")], ["OK\0", "error: ENOENT", "error: ENOENT"]);
});

Deno.test("each domain has a tree of its own, and sees no other", async () => {
  using kit = await XenKit.start();
  const one = new Client(kit, kit.guest("one")), two = new Client(kit, kit.guest("two"));
  assertEquals(one.ask(WRITE, "secret\0of one"), "OK\0");
  for (const path of ["/local/domain/1/secret", "/local/domain/1", "/local/domain", "/", "/local/domain/2/../1/secret", "/vm"]) {
    for (const type of [READ, DIRECTORY, RM, WATCH]) {
      const answer = two.ask(type, type === WATCH ? `${path}\0token\0` : `${path}\0`);
      assert(/^error: (EACCES|EINVAL)$/.test(answer), `${type} ${path}: ${answer}`);
    }
    assert(/^error/.test(two.ask(WRITE, `${path}\0x`)));
  }
  assertEquals(two.ask(READ, "secret\0"), "error: ENOENT");
  assertEquals(two.ask(READ, "/local/domain/20/secret\0"), "error: EACCES");
});

Deno.test("watches: at once, below, relative as they were given; transactions that end, that are dropped, that come too late", async () => {
  using kit = await XenKit.start();
  const one = new Client(kit, kit.guest("one"));
  assertEquals(one.ask(WATCH, "data\0t1\0"), "OK\0");
  assertEquals(one.ask(WATCH, "/local/domain/1/data/a\0t2\0"), "OK\0");
  one.ask(WRITE, "data/a/b\0v");
  assertEquals(one.ask(WATCH, "data\0t1\0"), "error: EEXIST");
  assertEquals(one.events.splice(0), ["data\0t1\0", "/local/domain/1/data/a\0t2\0", "data/a/b\0t1\0", "/local/domain/1/data/a/b\0t2\0"]);
  one.ask(RM, "data\0");
  one.ask(READ, "name\0");
  assertEquals(one.events.splice(0), ["data\0t1\0", "/local/domain/1/data/a\0t2\0"]);
  assertEquals([one.ask(UNWATCH, "data\0t1\0"), one.ask(UNWATCH, "data\0t1\0")], ["OK\0", "error: ENOENT"]);
  const begin = () => Number(one.ask(START, "\0").replace("\0", ""));
  const first = begin();
  one.ask(WRITE, "x\0in", first);
  assertEquals([one.ask(READ, "x\0", first), one.ask(READ, "x\0")], ["in", "error: ENOENT"]);
  assertEquals([one.ask(END, "T\0", first), one.ask(READ, "x\0")], ["OK\0", "in"]);
  const second = begin();
  one.ask(WRITE, "x\0dropped", second);
  assertEquals([one.ask(END, "F\0", second), one.ask(READ, "x\0")], ["OK\0", "in"]);
  const third = begin();
  one.ask(WRITE, "x\0late", third);
  one.ask(WRITE, "y\0meanwhile");
  assertEquals([one.ask(END, "T\0", third), one.ask(READ, "x\0"), one.ask(END, "T\0", third)], ["error: EAGAIN", "in", "error: ENOENT"]);
  one.ask(RESET, "\0");
  one.ask(WRITE, "data/a\0again");
  one.ask(READ, "name\0");
  assertEquals(one.events, []);
});

Deno.test("limits: nodes, values, transactions, watches", async () => {
  using kit = await XenKit.start();
  const one = new Client(kit, kit.guest("one"));
  const until = (most: number, ask: (n: number) => string) => {
    for (let n = 0; n <= most; n++) if (ask(n).startsWith("error")) return n;
    return Infinity;
  };
  assert(until(1000, (n) => one.ask(WRITE, `n${n}\0`)) < 1000);
  assertEquals(until(20, () => one.ask(START, "\0")), 10);
  assertEquals(until(200, (n) => one.ask(WATCH, `name\0${n}\0`)), 128);
  assertEquals(one.ask(WRITE, `name\0${"x".repeat(2049)}`), "error: ENOSPC");
  assertEquals(one.ask(WRITE, `${"x".repeat(3080)}\0`), "error: EINVAL");
});

Deno.test("the ring: every index, lengths, types; a message too long ends the connection, and only it", async () => {
  const random = new Random("store");
  {
    using kit = await XenKit.start();
    const one = new Client(kit, kit.guest("one"));
    for (let type = 0; type < 40; type++) {
      for (const payload of ["", "\0", "name", "name\0", "name\0x\0", "\0\0\0", "a//b\0", "/\0", "\xff\0"]) one.ask(type, payload);
    }
    assertEquals(one.ask(READ, "domid\0"), "1");
    one.put([...new Uint8Array(new Uint32Array([READ, 1, 0, 4097]).buffer)]);
    assertEquals(one.ring.getUint32(2072, true), 1);
    one.put([...new Uint8Array(new Uint32Array([READ, 1, 0, 5]).buffer)]);
    assertEquals(one.waits, false);
    const two = new Client(kit, kit.guest("two"));
    assertEquals(two.ask(READ, "name\0"), "two");
  }
  for (let round = 0; round < 20; round++) {
    using kit = await XenKit.start({ domains: ["one"] });
    const page = kit.guest("one").mapped(RING_IPA)!;
    const port = new Client(kit, kit.guest("one")).port;
    for (let n = 0; n < 200; n++) {
      for (let k = 0; k < 8; k++) page[2048 + random.below(28)] = random.chance(0.5) ? 0 : random.below(256);
      for (let k = 0; k < 64; k++) page[random.below(1024)] = random.chance(0.7) ? random.below(24) : random.below(256);
      kit.channels.of("one")!.send(port);
    }
    assertEquals(kit.domain("one").outcome, undefined);
    assertEquals(kit.traced.filter((line) => /plugin failure/.test(line)), []);
  }
});
