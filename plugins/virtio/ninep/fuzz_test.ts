/** Random and mutated 9P messages: nothing throws, every answer is one, bounds hold, and what lies beside the folder stays as it is. */
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../tests/support/random.ts";
import { HEADER, Message, NOBODY, Open } from "./protocol.ts";
import { Share } from "./tests/client.ts";
import { Writer } from "./wire.ts";

const MESSAGES = Number(Deno.env.get("PLUGBOARD_FUZZ_MESSAGES") ?? 10_000);
const types = Object.values(Message);
const names = [
  "file",
  "sub",
  "deep",
  "out",
  "secret",
  "new",
  "a",
  "b",
  "..",
  ".",
  "",
  "sub/deep",
  "../outside/secret",
  "\0",
  "x".repeat(255),
  "ü",
];
const targets = ["../outside", "../outside/secret", "..", "/", "file", "sub", "a"];

/** The fields of each message: numbers of bytes, or what they mean. */
const forms: Readonly<Record<number, string>> = {
  [Message.STATFS]: "fid",
  [Message.LOPEN]: "fid flags",
  [Message.LCREATE]: "fid name flags mode id",
  [Message.SYMLINK]: "fid name target id",
  [Message.MKNOD]: "fid name mode id id id",
  [Message.RENAME]: "fid fid name",
  [Message.READLINK]: "fid",
  [Message.GETATTR]: "fid size",
  [Message.SETATTR]: "fid bits mode id id size size size size size",
  [Message.XATTRWALK]: "fid fid name",
  [Message.XATTRCREATE]: "fid name size flags",
  [Message.READDIR]: "fid size count",
  [Message.FSYNC]: "fid id",
  [Message.LOCK]: "fid byte flags size size id name",
  [Message.GETLOCK]: "fid byte size size id name",
  [Message.LINK]: "fid fid name",
  [Message.MKDIR]: "fid name mode id",
  [Message.RENAMEAT]: "fid name fid name",
  [Message.UNLINKAT]: "fid name flags",
  [Message.VERSION]: "msize version",
  [Message.AUTH]: "fid name name id",
  [Message.ATTACH]: "fid nofid name name id",
  [Message.FLUSH]: "half",
  [Message.WALK]: "fid fid names",
  [Message.READ]: "fid size count",
  [Message.WRITE]: "fid size data",
  [Message.CLUNK]: "fid",
  [Message.REMOVE]: "fid",
};

const field: Readonly<Record<string, (request: Writer, random: Random) => unknown>> = {
  fid: (request, random) => request.u32(random.chance(0.95) ? random.below(12) : random.u32()),
  nofid: (request, random) => request.u32(random.chance(0.9) ? NOBODY : random.below(5)),
  name: (request, random) => request.text(random.pick(names)),
  target: (request, random) => request.text(random.pick(targets)),
  flags: (request, random) =>
    request.u32(random.pick([0, 0, Open.WRONLY, Open.RDWR, Open.RDWR | Open.TRUNC, Open.EXCL | 1, 0x200, random.u32()])),
  mode: (request, random) => request.u32(random.chance(0.8) ? 0o100700 : random.u32()),
  id: (request, random) => request.u32(random.chance(0.8) ? 0 : random.u32()),
  bits: (request, random) => request.u32(random.below(0x200)),
  size: (request, random) => request.u64(random.pick([0n, 1n, 5n, 100n, 5000n, 2n ** 31n, random.u64()])),
  count: (request, random) => request.u32(random.pick([0, 1, 30, 4096, 2 ** 31, random.u32()])),
  byte: (request, random) => request.u8(random.below(256)),
  half: (request, random) => request.u16(random.below(2 ** 16)),
  msize: (request, random) => request.u32(random.pick([0, 4096, 8192, 2 ** 20, random.u32()])),
  version: (request, random) => request.text(random.pick(["9P2000.L", "9P2000.L", "9P2000", ""])),
  data: (request, random) => {
    const size = random.below(200);
    request.data(size, (into) => into.fill(random.below(256)).length);
  },
  names: (request, random) => {
    if (random.chance(0.2)) return request.u16(1).text(random.pick(["secret", "file"]));
    if (random.chance(0.2)) return request.u16(2).text("out").text(random.pick(["secret", "sub", "new"]));
    const count = random.below(random.chance(0.9) ? 4 : 20);
    request.u16(count);
    for (let n = 0; n < count; n++) request.text(random.pick(names));
  },
};

function message(random: Random): Uint8Array {
  // A version drops every fid, an attach is what everything begins with.
  const type = random.chance(0.05) ? Message.ATTACH : random.pick(types);
  const request = new Writer();
  if (type === Message.VERSION && random.chance(0.9)) return new Writer().u32(0).u32(8).u64(0x7ff).finish(Message.GETATTR, 1);
  for (const kind of (forms[type] ?? "id").split(" ")) field[kind](request, random);
  const bytes = request.finish(type, random.below(2 ** 16)).slice();
  // Half of them are as a client sends them.
  for (let n = random.chance(0.5) ? 0 : random.below(4); n > 0; n--) bytes[random.below(bytes.length)] = random.below(256);
  return random.chance(0.95) ? bytes : bytes.slice(0, HEADER + random.below(bytes.length));
}

for (const write of [true, false]) {
  Deno.test(`9p: ${MESSAGES} random messages (${write ? "writable" : "read-only"})`, () => {
    using share = new Share({ write });
    share.start();
    const before = share.surroundings();
    const kept = write ? "" : JSON.stringify([...Deno.readDirSync(share.inside)].map(({ name }) => name).sort());
    const random = new Random(`9p ${write}`);
    let good = 0;
    for (let n = 0; n < MESSAGES; n++) {
      const bytes = message(random);
      if (bytes.length < HEADER) continue;
      const room = random.chance(0.8) ? 16384 : 11 + random.below(100);
      const answer = share.raw(bytes, room);
      const view = new DataView(answer.buffer, answer.byteOffset);
      assert(answer.length <= room && view.getUint32(0, true) === answer.length, `${n}: an answer of ${answer.length} bytes, room ${room}`);
      assertEquals(view.getUint16(5, true), new DataView(bytes.buffer, bytes.byteOffset).getUint16(5, true));
      const type = view.getUint8(4);
      assert(type === Message.LERROR + 1 || type === bytes[4] + 1, `${n}: ${type} answers ${bytes[4]}`);
      if (type !== Message.LERROR + 1) good++;
      if (write && n % 50 === 0) restock(share.inside);
      if (n % 500 === 0) {
        assertEquals(share.surroundings(), before, `after ${n} messages`);
        structuredClone(share.state);
        // Something to work with.
        if (share.code(Message.WALK, (request) => request.u32(0).u32(3).u16(0)) !== "ok") share.start();
      }
    }
    assert(good > MESSAGES / 20, `only ${good} messages did something`);
    assertEquals(share.surroundings(), before);
    if (!write) assertEquals(JSON.stringify([...Deno.readDirSync(share.inside)].map(({ name }) => name).sort()), kept);
  });
}

/** Something to work with, and to go astray with, whatever has become of it. */
function restock(inside: string): void {
  for (const [name, target] of [["file"], ["new"], ["out", "../outside"], ["secret", "../outside/secret"]]) {
    const path = `${inside}/${name}`;
    try {
      Deno.removeSync(path, { recursive: true });
    } catch {
      // It isn't there.
    }
    if (target === undefined) Deno.writeTextFileSync(path, "0123456789");
    else Deno.symlinkSync(target, path);
  }
}
