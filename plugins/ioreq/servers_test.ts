/** Servers, ranges, slots and states, with a back-end that the test plays. */
import { assertEquals, assertThrows } from "@std/assert";
import { Buffering, RING_SLOTS, RingConsumer } from "./buffered.ts";
import type { ErrorName } from "./errors.ts";
import { OperationError } from "./errors.ts";
import { IoreqPage, PAGE_BYTES, RequestType, SLOT_BYTES, State } from "./layout.ts";
import { RANGE_LIMIT } from "./ranges.ts";
import { RangeType } from "./server.ts";
import { IoreqServers, SERVER_LIMIT } from "./servers.ts";

const TOP = 2n ** 64n - 1n;

interface World {
  readonly servers: IoreqServers;
  readonly events: string[];
  pauses: number;
  /** Makes an enabled server with a range. */
  add(start?: bigint, end?: bigint, options?: { owner?: string; buffering?: number; buffered?: boolean; isDefault?: boolean }): Played;
}

/** A back-end that does what the test says. */
interface Played {
  readonly id: number;
  readonly page: IoreqPage;
  readonly bytes: Uint8Array;
  readonly ring: RingConsumer;
  readonly lies: string[];
  onNotify: (vcpu: number | "ring") => void;
}

function world(vcpus = 2): World {
  const events: string[] = [];
  const own: World = {
    events,
    pauses: 0,
    servers: new IoreqServers({
      name: "guest",
      vcpus: Array.from({ length: vcpus }, (_, n) => ({ resumeAccess: () => void events.push(`resume ${n}`) })),
      pause: () => void own.pauses++,
      unpause: () => void own.pauses--,
    }),
    add(start = 0x1000n, end = 0x1fffn, { owner = "a", buffering = Buffering.OFF, buffered = false, isDefault = false } = {}) {
      const buffer = new SharedArrayBuffer(2 * PAGE_BYTES);
      const lies: string[] = [];
      const id = own.servers.create({
        owner,
        buffering,
        isDefault,
        pages: { buffer, sync: 0, buffered: PAGE_BYTES },
        backend: { notify: (vcpu) => played.onNotify(vcpu), lied: (why) => void lies.push(why) },
      });
      const page = new IoreqPage(buffer, 0);
      const played: Played = {
        id,
        page,
        bytes: new Uint8Array(buffer),
        ring: new RingConsumer(buffer, PAGE_BYTES),
        lies,
        onNotify: () => {},
      };
      if (start <= end) own.servers.mapRange(owner, id, RangeType.MEMORY, start, end, buffered);
      own.servers.setState(owner, id, true);
      return played;
    },
  };
  return own;
}

function refused(code: ErrorName, action: () => void): void {
  const error = assertThrows(action, OperationError);
  assertEquals((error as OperationError).code, code);
}

const read = ({ servers }: World, at = 0x1000, vcpu = 0, size = 4) => servers.access(vcpu, at, size, false, 0n);
const write = ({ servers }: World, data: bigint, at = 0x1000, size = 4) => servers.access(0, at, size, true, data);

/** Answers at once. */
function answer(played: Played, data: bigint): void {
  played.onNotify = (vcpu) => {
    if (vcpu === "ring") return;
    played.page.move(vcpu, State.READY, State.INPROCESS);
    played.page.setData(vcpu, data);
    played.page.move(vcpu, State.INPROCESS, State.RESP_READY);
  };
}

Deno.test("ioreq: a slot is what the public header says", () => {
  const own = world();
  const played = own.add();
  assertEquals(write(own, 0x8899_aabb_ccdd_eeffn, 0x1010, 8), "later");
  const slot = [...played.bytes.subarray(0, SLOT_BYTES)];
  const addr = [0x10, 0x10, 0, 0, 0, 0, 0, 0];
  const data = [0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88];
  assertEquals(slot, [...addr, ...data, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, State.READY, RequestType.COPY]);
  assertEquals(own.servers.access(1, 0x1000, 2, false, 0n), "later");
  assertEquals(played.bytes[SLOT_BYTES + 30], State.READY | 1 << 5);
  assertEquals(played.page.request(1), { addr: 0x1000n, data: 0n, size: 2, write: false, type: RequestType.COPY });
});

Deno.test("ioreq: an answer at once, and one that comes later", () => {
  const own = world();
  const played = own.add();
  answer(played, 0x1_2345_6789n);
  assertEquals([read(own), write(own, 5n), played.page.state(0)], [0x2345_6789n, 0n, State.NONE]);
  played.onNotify = () => {};
  assertEquals([read(own), read(own)], ["later", "later"]);
  played.page.move(0, State.READY, State.INPROCESS);
  assertEquals(read(own), "later");
  played.page.setData(0, 7n);
  played.page.move(0, State.INPROCESS, State.RESP_READY);
  own.servers.answered(0);
  assertEquals([own.events, read(own), played.lies], [["resume 0"], 7n, []]);
});

Deno.test("ioreq: two vCPUs wait at once, and are answered in any order", () => {
  const own = world();
  const played = own.add();
  assertEquals([read(own, 0x1000, 0), read(own, 0x1004, 1)], ["later", "later"]);
  assertEquals([played.page.request(0).addr, played.page.request(1).addr], [0x1000n, 0x1004n]);
  for (const vcpu of [1, 0]) {
    played.page.setData(vcpu, BigInt(10 + vcpu));
    played.page.move(vcpu, State.READY, State.RESP_READY);
    own.servers.answered(vcpu);
    assertEquals(read(own, vcpu === 0 ? 0x1000 : 0x1004, vcpu), BigInt(10 + vcpu));
  }
  assertEquals([own.events, played.lies], [["resume 1", "resume 0"], []]);
});

Deno.test("ioreq: each lie is told once, and answered with bus errors", () => {
  const poke = (offset: number, value: number) => (played: Played) => void (played.bytes[offset] = value);
  const rows: [name: string, before: (played: Played) => void, after: (played: Played) => void][] = [
    ["RESP_READY without READY", poke(30, State.RESP_READY), () => {}],
    ["a state that there isn't, before", poke(30, 0xff), () => {}],
    ["another port, before", poke(24, 9), () => {}],
    ["state 0xff", () => {}, poke(30, 0xff)],
    ["state 4", () => {}, poke(30, 4)],
    ["another port with the answer", () => {}, (played) => {
      poke(24, 9)(played);
      poke(30, State.RESP_READY)(played);
    }],
  ];
  for (const [name, before, after] of rows) {
    const own = world();
    const played = own.add();
    before(played);
    played.onNotify = () => after(played);
    assertEquals([read(own), read(own), write(own, 1n)], ["bus_error", "bus_error", "bus_error"], name);
    assertEquals(played.lies.length, 1, name);
  }
});

Deno.test("ioreq: a state that goes backwards is a lie", () => {
  const own = world();
  const played = own.add();
  read(own);
  played.page.move(0, State.READY, State.INPROCESS);
  assertEquals(read(own), "later");
  played.page.move(0, State.INPROCESS, State.READY);
  assertEquals([read(own), played.lies.length], ["bus_error", 1]);
});

Deno.test("ioreq: what is written to another vCPU's slot is seen when that one asks, and no answer to it", () => {
  const own = world();
  const played = own.add();
  answer(played, 1n);
  played.bytes[SLOT_BYTES + 30] = State.RESP_READY;
  assertEquals(read(own), 1n);
  assertEquals([read(own, 0x1000, 1), played.lies.length], ["bus_error", 1]);
});

Deno.test("ioreq: a back-end that died in each of the four states", () => {
  for (const state of Object.values(State)) {
    const own = world();
    const played = own.add();
    read(own);
    played.bytes[30] = state | 1 << 5;
    // NONE reads as all ones, as the reference has it; what waits goes on with the server's end.
    const first = read(own);
    own.servers.destroy("a", played.id);
    const outcome = first === "later" ? read(own) : first;
    assertEquals(outcome, state === State.RESP_READY ? 0n : 0xffff_ffffn, String(state));
    assertEquals(own.events, first === "later" ? ["resume 0"] : []);
  }
});

Deno.test("ioreq: who gets an access", () => {
  const own = world();
  const low = own.add(0x1000n, 0x1fffn);
  const high = own.add(0x1800n, 0x27ffn);
  answer(low, 1n);
  answer(high, 2n);
  assertEquals([read(own, 0x1000), read(own, 0x1800), read(own, 0x27fc), read(own, 0x2800)], [1n, 2n, 2n, undefined]);
  // All of it has to be in one range; where one server hasn't all of it another one may.
  assertEquals([read(own, 0x17fe), read(own, 0x1ffe), read(own, 0x27fe), read(own, 0xffe)], [1n, 2n, undefined, undefined]);
  own.servers.setState("a", high.id, false);
  assertEquals([read(own, 0x1800), read(own, 0x2000)], [1n, undefined]);
  own.servers.setState("a", high.id, true);
  own.servers.destroy("a", low.id);
  assertEquals([read(own, 0x1000), read(own, 0x1800)], [undefined, 2n]);
  const rest = own.add(1n, 0n, { isDefault: true });
  answer(rest, 3n);
  assertEquals([read(own, 0x1000), read(own, 0x1800), rest.id], [3n, 2n, 0]);
  refused("EEXIST", () => own.add(1n, 0n, { isDefault: true }));
});

Deno.test("ioreq: eight servers, 256 ranges of each type, and what is refused", () => {
  const own = world();
  const { servers } = own;
  const first = own.add(1n, 0n);
  for (let n = 1; n < SERVER_LIMIT; n++) assertEquals(own.add(1n, 0n).id, n);
  refused("ENOSPC", () => own.add(1n, 0n));
  servers.destroy("a", 3);
  assertEquals(own.add(1n, 0n, { owner: "b" }).id, 3, "the first id that is free");
  refused("ENOENT", () => servers.destroy("a", 99));
  const map = (start: bigint, end: bigint, type = 1) => servers.mapRange("a", first.id, type, start, end);
  const unmap = (start: bigint, end: bigint, type = 1) => servers.unmapRange("a", first.id, type, start, end);
  for (const type of [0, 1, 2]) {
    for (let n = 0n; n < RANGE_LIMIT; n++) map(n * 16n, n * 16n + 7n, type);
    refused("ENOMEM", () => map(0x10_0000n, 0x10_0000n, type));
    map(8n, 15n, type); // joins two
    map(0x10_0000n, 0x10_0000n, type);
    refused("ENOMEM", () => unmap(2n, 3n, type));
    refused("EEXIST", () => map(0x10_0000n, 0x10_0001n, type));
    refused("ENOENT", () => unmap(0x10_0000n, 0x10_0001n, type));
    unmap(0x10_0000n, 0x10_0000n, type);
    refused("ENOENT", () => unmap(0x10_0000n, 0x10_0000n, type));
    unmap(2n, 3n, type);
    refused("EINVAL", () => map(5n, 4n, type));
    refused("EINVAL", () => unmap(5n, 4n, type));
    refused("EINVAL", () => map(0x20_0000n, TOP + 1n, type));
  }
  for (const type of [3, 4, 0xffff_ffff, -1]) refused("EINVAL", () => map(0n, 0n, type));
  const second = servers.get("a", 1);
  servers.mapRange("a", second.id, 1, 0n, TOP);
  refused("EEXIST", () => servers.mapRange("a", second.id, 1, TOP, TOP));
  for (
    const action of [
      () => servers.destroy("b", first.id),
      () => servers.setState("b", first.id, false),
      () => servers.mapRange("b", first.id, 1, 0n, 0n),
      () => servers.unmapRange("b", first.id, 1, 0n, 0n),
      () => servers.info("b", first.id, true),
    ]
  ) refused("EPERM", action);
  refused("EOPNOTSUPP", () => servers.info("a", first.id, false));
  assertEquals(servers.info("a", first.id, true), { bufferedPort: 0 });
  refused("EINVAL", () => own.add(1n, 0n, { buffering: 3 }));
  refused("EINVAL", () => world(129).add(1n, 0n));
  assertEquals(world(128).add(1n, 0n).id, 0);
});

Deno.test("ioreq: buffered writes wait for nobody; a full ring, a read and an address that doesn't fit take the slot", () => {
  for (const buffering of [Buffering.LEGACY, Buffering.ATOMIC]) {
    const own = world();
    const played = own.add(0x1000n, 0x20_0000n, { buffering, buffered: true });
    for (let n = 0; n < 3 * RING_SLOTS; n++) {
      const size = [1, 2, 4, 8][n % 4];
      const data = 0x1122_3344_5566_7788n & (1n << BigInt(8 * size)) - 1n;
      assertEquals(write(own, data, 0x1000 + 8 * n, size), 0n, `${n}`);
      assertEquals(played.ring.pop(), { type: RequestType.COPY, addr: 0x1000 + 8 * n, size, data });
      own.servers.all[0].ringServed();
    }
    assertEquals(played.ring.pop(), undefined);
    for (let n = 0; n < RING_SLOTS; n++) assertEquals(write(own, BigInt(n)), 0n);
    assertEquals(write(own, 1n), "later", "the ring is full");
    played.page.move(0, State.READY, State.INPROCESS);
    played.page.move(0, State.INPROCESS, State.RESP_READY);
    assertEquals(write(own, 1n), 0n);
    assertEquals(read(own), "later", "a read");
    played.page.move(0, State.READY, State.INPROCESS);
    played.page.move(0, State.INPROCESS, State.RESP_READY);
    read(own);
    for (let n = 0; n < RING_SLOTS; n++) assertEquals(played.ring.pop()?.data, BigInt(n));
    assertEquals(write(own, 1n, 0x10_0000), "later", "an address of 21 bits");
    assertEquals(played.lies, []);
  }
});

Deno.test("ioreq: scribbled pointers of the ring are a lie, and hold nobody up", () => {
  for (const buffering of [Buffering.LEGACY, Buffering.ATOMIC]) {
    for (const [half, value] of [[0, 1], [0, 0xffff_fe00], [1, 5], [1, 0xffff_ffff], [0, 0x8000_0000]]) {
      const own = world();
      const played = own.add(0x1000n, 0x1fffn, { buffering, buffered: true });
      new Uint32Array(played.bytes.buffer, PAGE_BYTES, 2)[half] = value;
      assertEquals(write(own, 1n), "bus_error", `${buffering} ${half} ${value}`);
      assertEquals(played.lies.length, 1);
    }
  }
});

Deno.test("ioreq: the ring's pointers never come near 2^32, where 511 doesn't divide", () => {
  const own = world();
  const played = own.add(0x1000n, 0x1fffn, { buffering: Buffering.ATOMIC, buffered: true });
  const pointers = new Uint32Array(played.bytes.buffer, PAGE_BYTES, 2);
  let most = 0;
  for (let n = 0; n < 5000; n++) {
    write(own, BigInt(n));
    most = Math.max(most, ...pointers);
    assertEquals(played.ring.pop()?.data, BigInt(n));
    own.servers.all[0].ringServed();
  }
  assertEquals(most <= 2 * RING_SLOTS, true, String(most));
});

Deno.test("ioreq: when a page leaves, every enabled server is told, and the domain stands still until all have heard", () => {
  const own = world();
  const now = own.add();
  const late = own.add(0x3000n, 0x3fffn);
  const off = own.add();
  own.servers.setState("a", off.id, false);
  const types: number[] = [];
  now.onNotify = (vcpu) => {
    types.push(now.page.request(vcpu as number).type);
    now.page.move(vcpu as number, State.READY, State.INPROCESS);
    now.page.move(vcpu as number, State.INPROCESS, State.RESP_READY);
  };
  // vCPU 0 waits for the late one already: another slot is used.
  assertEquals(read(own, 0x3000), "later");
  own.servers.pageLeft();
  assertEquals([types, own.pauses, off.page.state(0)], [[RequestType.INVALIDATE], 1, State.NONE]);
  assertEquals(late.page.request(1), { addr: 0n, data: TOP, size: 4, write: true, type: RequestType.INVALIDATE });
  own.servers.pageLeft();
  assertEquals(own.pauses, 1, "told once, until it has heard");
  late.page.move(1, State.READY, State.INPROCESS);
  late.page.move(1, State.INPROCESS, State.RESP_READY);
  own.servers.answered(1);
  assertEquals([own.pauses, late.page.state(1)], [0, State.NONE]);
});

Deno.test("ioreq: every slot is taken when a page leaves: told when one gets free, or when the server goes", () => {
  for (const goes of [false, true]) {
    const own = world(1);
    const played = own.add();
    read(own);
    own.servers.pageLeft();
    assertEquals([own.pauses, played.page.request(0).type], [1, RequestType.COPY]);
    if (goes) own.servers.destroy("a", played.id);
    else {
      played.page.move(0, State.READY, State.INPROCESS);
      played.page.move(0, State.INPROCESS, State.RESP_READY);
      own.servers.answered(0);
      assertEquals(played.page.request(0).type, RequestType.INVALIDATE);
      played.page.move(0, State.READY, State.INPROCESS);
      played.page.move(0, State.INPROCESS, State.RESP_READY);
      own.servers.answered(0);
      assertEquals(read(own), 0n, "the answer was kept");
    }
    assertEquals(own.pauses, 0);
  }
});

Deno.test("ioreq: the answer to a vCPU that was reset meanwhile is nobody's", () => {
  const own = world();
  const played = own.add();
  assertEquals(read(own, 0x1000), "later");
  // It comes up again, and accesses something else.
  assertEquals(read(own, 0x1004), "later");
  played.page.setData(0, 1n);
  played.page.move(0, State.READY, State.RESP_READY);
  assertEquals([read(own, 0x1004), played.page.request(0).addr], ["later", 0x1004n]);
  played.page.setData(0, 2n);
  played.page.move(0, State.READY, State.RESP_READY);
  assertEquals([read(own, 0x1004), played.lies], [2n, []]);
});

Deno.test("ioreq: a domain that goes drops what waits", () => {
  const own = world();
  own.add();
  read(own);
  own.servers.pageLeft();
  own.servers.close();
  assertEquals([own.servers.all.length, own.pauses], [0, 0]);
});
