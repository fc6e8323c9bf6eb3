/** Random frames, and sound ones with something changed: nothing throws, nothing grows without end, nothing leaves that may not. */
import { assert, assertEquals } from "@std/assert";
import { bench, FakeSockets } from "../../core/testing.ts";
import { cable, offloadProblem, plainFrames, UserNetwork } from "./contract.ts";
import type { Frame } from "./contract.ts";
import { networkSwitch, userNetwork } from "./mod.ts";
import type { UserNetworkOptions } from "./mod.ts";
import { NetworkSwitch } from "./contract.ts";
import { TestGuest } from "../../tests/support/net_guest.ts";
import type { StackState } from "./user/stack.ts";
import { randomBelow, SEED } from "../../tests/support/random.ts";

const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
const ROUNDS = Number(Deno.env.get("PLUGBOARD_FUZZ_ROUNDS") ?? 10_000);

/** Frames as a guest would send them, one of many kinds. */
function soundFrame(guest: TestGuest, pick: (below: number) => number): number[] {
  const to = ["10.0.2.2", "10.0.2.3", "192.0.2.80", "192.0.2.81", "10.0.2.16", "255.255.255.255", "127.0.0.1"][pick(7)];
  const data = Array.from({ length: pick(40) }, () => pick(256));
  const port = [53, 67, 80, 1, 0, 50_000][pick(6)];
  switch (pick(7)) {
    case 0:
      return guest.packet(to, 17, guest.udpBytes(to, 1000 + pick(300), port, data));
    case 1:
      return guest.packet(to, 1, [8, 0, 0, 0, ...data]);
    case 2: {
      const flags = ["S", "A", "FA", "R", "PA", "SA", "SF", "", "RA"][pick(9)];
      const options = [[], [2, 4, 5, 180], [3, 3, 14, 1], [2, 4, 0, 0], [3, 0, 0, 0], [99, 200, 1, 1]][pick(6)];
      const [sequence, acknowledgement] = [pick(4) * 1000, pick(2 ** 31) * 2 * pick(2)];
      return guest.packet(to, 6, guest.segmentBytes(to, [1000 + pick(200), port], flags, sequence, acknowledgement, { data, options }));
    }
    case 3:
      return guest.packet(to, 17, data, { id: pick(30), fragment: pick(0x2000) | 0x2000 * pick(2) });
    case 4: {
      const dhcp = [1, 1, 6, 0, ...Array.from({ length: 232 }, () => pick(3)), 0x63, 0x82, 0x53, 0x63, 53, 1, 1 + pick(8), ...data, 255];
      return guest.packet("255.255.255.255", 17, guest.udpBytes("255.255.255.255", 68, 67, dhcp, "0.0.0.0"), { from: "0.0.0.0" });
    }
    case 5: {
      const question = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 97, 98, 99, pick(80), ...data, 0, 0, pick(40), 0, 1];
      return guest.packet("10.0.2.3", 17, guest.udpBytes("10.0.2.3", 1000, 53, question));
    }
    default: {
      const mac = [...guest.mac.slice(0, 4), pick(256), pick(256)];
      return [
        255,
        255,
        255,
        255,
        255,
        255,
        ...mac,
        8,
        6,
        0,
        1,
        8,
        0,
        6,
        4,
        0,
        1 + pick(2),
        ...mac,
        10,
        0,
        pick(4),
        pick(256),
        0,
        0,
        0,
        0,
        0,
        0,
        10,
        0,
        2,
        2,
      ];
    }
  }
}

function mutated(frame: readonly number[], pick: (below: number) => number): Frame {
  const bytes = Uint8Array.from(frame.slice(0, pick(8) === 0 ? pick(frame.length) : frame.length));
  for (let n = pick(4); n > 0 && bytes.length > 0; n--) bytes[pick(bytes.length)] = pick(256);
  if (pick(3) > 0) return { bytes };
  // The checksum is left to others, so that what was changed gets through.
  const checksum = { start: pick(8) === 0 ? pick(70_000) : 34, offset: pick(8) === 0 ? pick(70_000) : [6, 16][pick(2)] };
  return pick(2) === 0
    ? { bytes, checksum }
    : { bytes, checksum, segmentation: { kind: pick(2) === 0 ? "tcp4" : "tcp6", size: pick(200) } };
}

for (
  const options of [{}, { host_access: true, forward: ["tcp::22-:22", "udp::53-:53"] }, { restrict: true }] as Partial<UserNetworkOptions>[]
) {
  Deno.test(`fuzz: a user-mode network, ${JSON.stringify(options)}`, async () => {
    const pick = randomBelow("frames");
    const sockets = new FakeSockets();
    using kit = bench({ sockets });
    const state: StackState = await kit.attach(userNetwork, options as UserNetworkOptions);
    const guest = new TestGuest(kit.get(UserNetwork).plug("test"), GATEWAY_MAC);
    const living = new Set<number>();
    for (let round = 0; round < ROUNDS; round++) {
      guest.cable.send(mutated(soundFrame(guest, pick), pick));
      if (pick(20) > 0) continue;
      kit.advance(pick(4) === 0 ? 1e9 : 1e6);
      guest.room = pick(5) > 0;
      if (guest.room) guest.cable.ready();
      kit.exchange();
      // The world plays along: it answers, breaks off, sends.
      for (const command of sockets.commands.splice(0)) {
        if (command.kind === "close") living.delete(command.id);
        if (command.kind === "connect") {
          assert(command.local === (command.to.transport === "tcp" && command.to.hostname === "127.0.0.1"));
          const answer = pick(3);
          if (answer === 0) sockets.post({ kind: "failed", id: command.id, why: "refused" });
          else if (answer === 1) {
            living.add(command.id);
            sockets.post({ kind: "connected", id: command.id });
          }
        }
        if (command.kind === "resolve") {
          sockets.post({ kind: "resolved", id: command.id, resolution: { kind: "found", records: ["192.0.2.1", "junk", ""] } });
        }
        if (command.kind === "write") sockets.post({ kind: "written", id: command.id, bytes: command.bytes.length });
        if (command.kind === "send") {
          sockets.post({ kind: "datagram", id: command.id, bytes: new Uint8Array(pick(3000)), from: command.to });
        }
      }
      for (const id of living) {
        const act = pick(12);
        if (act === 0) sockets.post({ kind: "data", id, bytes: new Uint8Array(pick(100_000)) });
        if (act === 1) sockets.post({ kind: "ended", id });
        if (act === 2) sockets.post({ kind: "closed", id, broken: pick(2) === 0 });
        if (act === 2) living.delete(id);
      }
      guest.frames.splice(0);
    }
    const { neighbours, leases, tcp, pieces } = structuredClone(state);
    assert(neighbours.size <= 256 && leases.length <= 240 && tcp.connections.size <= 256 && pieces.length <= 16, `seed ${SEED}`);
    if (options.restrict) assertEquals(kit.traced.filter((line) => /failure/.test(line)), []);
  });
}

Deno.test("fuzz: whatever a frame says of itself, cutting it is bounded, and its pieces hold what it held", () => {
  const pick = randomBelow("cut frames");
  const [end] = cable();
  const guest = new TestGuest(end, GATEWAY_MAC);
  for (let round = 0; round < ROUNDS; round++) {
    const frame = mutated(soundFrame(guest, pick), pick);
    if (offloadProblem(frame) !== undefined) continue;
    const before = frame.bytes.slice();
    const plain = plainFrames(frame);
    assertEquals(frame.bytes, before);
    assert(plain.length <= 1100 && plain.every(({ checksum, segmentation }) => checksum === undefined && segmentation === undefined));
  }
});

Deno.test("fuzz: a switch's table stays small", async () => {
  const pick = randomBelow("cables");
  using kit = bench();
  await kit.attach(networkSwitch, { segments: ["lan"], ports: 4, pinned: false }, { boardScope: true });
  const segment = kit.get(NetworkSwitch).segment("lan");
  const ends = [0, 1, 2, 3].map((n) => segment.plug(`guest ${n}`));
  let heard = 0;
  for (const end of ends) end.attach({ receive: () => ++heard > 0 });
  for (let round = 0; round < ROUNDS; round++) {
    ends[pick(4)].send({ bytes: Uint8Array.from({ length: pick(30) }, () => pick(4) === 0 ? pick(256) : 2) });
  }
  assert(heard > ROUNDS);
});
