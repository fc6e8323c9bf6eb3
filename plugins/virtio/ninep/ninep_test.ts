/** The 9P server: what a client may do, what it may not, and the bounds of it all. */
import { assert, assertEquals } from "@std/assert";
import { bench } from "../../../core/testing.ts";
import { virtio9p } from "../mod.ts";
import { AT, INTID, MmioDriver, NEEDS_RESET, R } from "../tests/mmio_driver.ts";
import { mappedOwners, sameOwners } from "./owners.ts";
import { AT_REMOVEDIR, Message, MSIZE, NOBODY, Open, Set as SetBit } from "./protocol.ts";
import { NinepServer } from "./server.ts";
import { Share } from "./tests/client.ts";
import type { Body } from "./tests/client.ts";
import type { FolderStat } from "../../../core/mod.ts";
import { Reader, Writer } from "./wire.ts";

const create = (fid: number, name: string, flags: number, mode: number): Body => (request) =>
  request.u32(fid).text(name).u32(flags).u32(mode).u32(0);

Deno.test("9p: files are made, written, read, renamed while they are open, and live without a name", () => {
  using share = new Share();
  share.start();
  share.walk(0, 1);
  share.call(Message.LCREATE, create(1, "new", Open.RDWR | Open.EXCL, 0o640));
  assertEquals([share.write(1, 0, "hello"), share.write(1, 7, "there"), share.read(1, 0, 100)], [5, 5, "hello\0\0there"]);
  assertEquals([share.read(1, 10, 100), share.read(1, 12, 100), share.read(1, 2 ** 40, 1)], ["re", "", ""]);
  assertEquals(Deno.readTextFileSync(`${share.inside}/new`), "hello\0\0there");
  assertEquals([share.walk(0, 2, "sub", "deep"), share.walk(0, 3, "sub")], [2, 1]);
  share.call(Message.RENAMEAT, (request) => request.u32(0).text("sub").u32(0).text("moved"));
  share.open(2, 0);
  assertEquals(share.read(2, 0, 100), "deep", "what is below a renamed directory is where it was");
  share.call(Message.RENAME, (request) => request.u32(1).u32(3).text("inner"));
  assertEquals(Deno.readTextFileSync(`${share.inside}/moved/inner`), "hello\0\0there");
  share.call(Message.UNLINKAT, (request) => request.u32(3).text("inner").u32(0));
  assertEquals(share.read(1, 0, 5), "hello");
  const attributes = share.call(Message.GETATTR, (request) => request.u32(1).u64(0x7ff));
  attributes.data(8 + 13);
  assertEquals([attributes.u32() & 0o7777, attributes.data(8).every((byte) => byte === 0), attributes.u64()], [0o640, true, 0n]);
  share.clunk(1);
  assertEquals(share.code(Message.CLUNK, (request) => request.u32(1)), "EBADF");
  assertEquals(share.code(Message.UNLINKAT, (request) => request.u32(0).text("moved").u32(0)), "EISDIR");
  assertEquals(share.code(Message.UNLINKAT, (request) => request.u32(0).text("moved").u32(AT_REMOVEDIR)), "ENOTEMPTY");
  share.call(Message.REMOVE, (request) => request.u32(2));
  share.call(Message.UNLINKAT, (request) => request.u32(0).text("moved").u32(AT_REMOVEDIR));
  assertEquals([...Deno.readDirSync(share.inside)].map(({ name }) => name).sort(), ["file", "out", "secret"]);
});

Deno.test("9p: directories in portions of any size; a list stays as it is while it is read", () => {
  using share = new Share();
  share.start();
  const names = Array.from({ length: 500 }, (_, n) => `${"x".repeat(n % 90)}${n}`);
  for (const name of names) Deno.writeTextFileSync(`${share.inside}/sub/${name}`, "");
  for (const [n, size] of [120, 200, 1000, 8000].entries()) {
    share.walk(0, 10 + n, "sub");
    share.open(10 + n, Open.DIRECTORY);
    assertEquals(share.list(10 + n, size), [".", "..", ...[...names, "deep"].sort()], `${size} bytes`);
  }
  const first = share.call(Message.READDIR, (request) => request.u32(10).u64(0).u32(120));
  assert(first.u32() > 0);
  assertEquals(share.code(Message.READDIR, (request) => request.u32(10).u64(0).u32(20)), "EINVAL");
  Deno.removeSync(`${share.inside}/sub`, { recursive: true });
  const rest = share.call(Message.READDIR, (request) => request.u32(10).u64(2).u32(4000));
  assertEquals(rest.u32(), 0, "what is gone isn't told of");
});

Deno.test("9p: attributes, links, and whose files are", () => {
  using share = new Share();
  share.start();
  share.walk(0, 1, "file");
  const set = (valid: number, mode: number, uid: number, size: number, seconds: number): Body => (request) =>
    request.u32(1).u32(valid).u32(mode).u32(uid).u32(0).u64(size).u64(seconds).u64(5e8).u64(seconds).u64(0);
  share.call(Message.SETATTR, set(SetBit.MODE | SetBit.SIZE | SetBit.ATIME | SetBit.ATIME_SET, 0o6600, 0, 3, 1000));
  const { mode, size, atime } = Deno.statSync(`${share.inside}/file`);
  assertEquals([mode! & 0o7777, size, atime!.getTime()], [0o600, 3, 1_000_500]);
  assertEquals(share.code(Message.SETATTR, set(SetBit.UID, 0, 5, 0, 0)), "EPERM");
  assertEquals(share.code(Message.SETATTR, set(SetBit.UID, 0, 0, 0, 0)), "ok", "it is his already");
  assertEquals(share.code(Message.SETATTR, set(SetBit.SIZE, 0, 0, 2 ** 62, 0)), "EFBIG");
  share.call(Message.SYMLINK, (request) => request.u32(0).text("link").text("/etc/passwd").u32(0));
  share.walk(0, 2, "link");
  assertEquals(share.call(Message.READLINK, (request) => request.u32(2)).text(), "/etc/passwd");
  share.call(Message.LINK, (request) => request.u32(0).u32(1).text("again"));
  assertEquals(Deno.statSync(`${share.inside}/again`).nlink, 2);
  share.call(Message.MKDIR, (request) => request.u32(0).text("made").u32(0o1777).u32(0));
  assertEquals(Deno.statSync(`${share.inside}/made`).mode! & 0o7777, 0o777);
  const node = (name: string, mode: number): Body => (request) => request.u32(0).text(name).u32(mode).u32(0).u32(0).u32(0);
  const codes = [0o100600, 0o600, 0o010600, 0o020600, 0o060600, 0o140600].map((mode, n) => share.code(Message.MKNOD, node(`n${n}`, mode)));
  assertEquals(codes, ["ok", "ok", "EPERM", "EPERM", "EPERM", "EPERM"]);
  const magic = share.call(Message.STATFS, (request) => request.u32(0));
  assertEquals([magic.u32(), magic.u32() > 0], [0x0102_1997, true]);
  assertEquals(share.code(Message.FSYNC, (request) => request.u32(1).u32(0)), "ok");
  const lock: Body = (request) => request.u32(1).u8(1).u32(0).u64(0).u64(0).u32(1).text("me");
  assertEquals(share.call(Message.LOCK, lock).u8(), 0);
  const getlock = share.call(Message.GETLOCK, (request) => request.u32(1).u8(1).u64(2n ** 64n - 1n).u64(7).u32(9).text("me"));
  assertEquals([getlock.u8(), getlock.u64(), getlock.u64(), getlock.u32(), getlock.text()], [2, 2n ** 64n - 1n, 7n, 9, "me"]);

  const of = (uid: number, gid: number) => ({ uid, gid }) as FolderStat;
  const mapped = mappedOwners({ uid: 1000, gid: 100 }, { uid: 0, gid: 5 });
  assertEquals([mapped.shown(of(1000, 100)), mapped.shown(of(0, 0))], [{ uid: 0, gid: 5 }, { uid: 65534, gid: 65534 }]);
  const same = sameOwners(true);
  assertEquals([same.shown(of(3, 4)), same.made(3, NOBODY), same.wanted(5, undefined, of(0, 0))], [{ uid: 3, gid: 4 }, {
    uid: 3,
    gid: undefined,
  }, { uid: 5, gid: undefined }]);
  assertEquals(sameOwners(false).made(3, 4), {});
});

/** Everything that takes a name, with `name` in its place. */
const naming = (name: string): readonly (readonly [type: number, body: Body])[] => [
  [Message.LCREATE, create(1, name, Open.RDWR, 0o600)],
  [Message.SYMLINK, (request) => request.u32(0).text(name).text("x").u32(0)],
  [Message.MKNOD, (request) => request.u32(0).text(name).u32(0o100600).u32(0).u32(0).u32(0)],
  [Message.RENAME, (request) => request.u32(2).u32(0).text(name)],
  [Message.LINK, (request) => request.u32(0).u32(2).text(name)],
  [Message.MKDIR, (request) => request.u32(0).text(name).u32(0o700).u32(0)],
  [Message.RENAMEAT, (request) => request.u32(0).text("file").u32(0).text(name)],
  [Message.RENAMEAT, (request) => request.u32(0).text(name).u32(0).text("x")],
  [Message.UNLINKAT, (request) => request.u32(0).text(name).u32(0)],
];

Deno.test("9p: nothing leads out", () => {
  using share = new Share();
  share.start();
  const before = share.surroundings();
  share.walk(0, 1);
  share.walk(0, 2, "file");
  for (const name of ["", ".", "..", "/", "a/b", "../outside/secret", "/etc/passwd", "a\0", "x".repeat(256)]) {
    for (const [type, body] of naming(name)) {
      assertEquals(share.code(type, body), name.length > 255 ? "ENAMETOOLONG" : "EINVAL", `${type} ${JSON.stringify(name)}`);
    }
    if (name === "..") continue;
    assertEquals(share.code(Message.WALK, (request) => request.u32(0).u32(9).u16(1).text(name)).startsWith("E"), true);
  }
  assertEquals([share.walk(0, 3, "sub", "..", "..", "..", "..", "file"), share.walk(0, 4, "..", "out")], [6, 2]);
  const walked = (...names: readonly string[]) => [share.walk(0, 20, ...names), share.state.fids.has(20)];
  assertEquals([walked("out", "secret"), walked("out", "..", "..")], [[1, false], [3, true]], "back from a link is back in the folder");
  share.clunk(20);
  for (const flags of [0, Open.WRONLY, Open.RDWR | Open.TRUNC]) {
    share.walk(0, 5, "secret");
    assertEquals(share.code(Message.LOPEN, (request) => request.u32(5).u32(flags)), "ELOOP");
    assertEquals(share.code(Message.LCREATE, create(1, "secret", flags, 0o600)), "ELOOP");
    share.clunk(5);
  }
  assertEquals(share.code(Message.MKDIR, (request) => request.u32(4).text("x").u32(0o700).u32(0)), "ENOTDIR");
  assertEquals(share.code(Message.LCREATE, create(4, "x", Open.WRONLY, 0o600)), "ENOTDIR");
  assertEquals(share.code(Message.AUTH, (request) => request.u32(1).text("").text("").u32(0)), "EOPNOTSUPP");
  assertEquals(share.code(Message.XATTRWALK, (request) => request.u32(2).u32(9).text("user.x")), "EOPNOTSUPP");
  assertEquals(share.surroundings(), before);
});

Deno.test("9p: read-only is EROFS, whatever is tried", () => {
  using share = new Share({ write: false });
  share.start();
  share.walk(0, 1);
  share.walk(0, 2, "file");
  for (const [type, body] of naming("new")) assertEquals(share.code(type, body), "EROFS", String(type));
  for (const flags of [Open.WRONLY, Open.RDWR, Open.TRUNC]) {
    assertEquals(share.code(Message.LOPEN, (request) => request.u32(2).u32(flags)), "EROFS");
  }
  const mode: Body = (request) => request.u32(2).u32(SetBit.MODE).u32(0).u32(0).u32(0).u64(0).u64(0).u64(0).u64(0).u64(0);
  assertEquals(share.code(Message.SETATTR, mode), "EROFS");
  share.open(2, 0);
  assertEquals(share.read(2, 3, 4), "3456");
  assertEquals(share.code(Message.WRITE, (request) => request.u32(2).u64(0).u32(0)), "EBADF");
});

Deno.test("9p: sizes, versions and bounds", () => {
  using share = new Share();
  const version = (msize: number, text: string) => {
    const answer = share.call(Message.VERSION, (request) => request.u32(msize).text(text));
    return [answer.u32(), answer.text()];
  };
  assertEquals(share.code(Message.ATTACH, (request) => request.u32(0).u32(NOBODY).text("").text("").u32(0)), "EPROTO");
  assertEquals(version(2 ** 31, "9P2000.L"), [MSIZE.most, "9P2000.L"]);
  assertEquals(version(9000, "9P2000.u"), [9000, "unknown"]);
  assertEquals(share.code(Message.VERSION, (request) => request.u32(100).text("9P2000.L")), "EMSGSIZE");
  share.start(4096);
  assertEquals(share.code(Message.READLINK, (request) => request.text("x".repeat(5000))), "EMSGSIZE");
  Deno.writeTextFileSync(`${share.inside}/file`, "y".repeat(10_000));
  share.walk(0, 1, "file");
  share.open(1, 0);
  assertEquals(share.read(1, 0, 0xffff_ffff).length, 4096 - 11);
  const small = share.call(Message.READ, (request) => request.u32(1).u64(0).u32(4000), 100);
  assertEquals(small.u32(), 89);
  assertEquals(share.code(Message.WALK, (request) => request.u32(0).u32(5).u16(17)), "EINVAL");
  assertEquals(share.code(Message.WALK, (request) => request.u32(0).u32(1).u16(0)), "EBADF", "a fid that is there");
  assertEquals(share.code(Message.WALK, (request) => request.u32(1).u32(1).u16(0)), "EINVAL", "an open fid");
  for (let fid = 100; fid < 100 + 511; fid++) {
    share.walk(0, fid, "file");
    share.open(fid, 0);
  }
  share.walk(0, 99, "file");
  assertEquals(share.code(Message.LOPEN, (request) => request.u32(99).u32(0)), "EMFILE");
  assertEquals(share.code(Message.LCREATE, create(0, "z", 0, 0o600)), "EMFILE");
  let made = 0;
  while (share.code(Message.WALK, (request) => request.u32(0).u32(10_000 + made).u16(0)) === "ok") made++;
  assertEquals(made + 511 + 3, 2 ** 16);
  share.start(65536);
  assertEquals(share.state.fids.size, 1);
  const name = "d".repeat(255);
  for (let depth = 1;; depth++) {
    share.call(Message.MKDIR, (request) => request.u32(depth - 1).text(name).u32(0o700).u32(0));
    const code = share.code(Message.WALK, (request) => request.u32(depth - 1).u32(depth).u16(1).text(name));
    if (code === "ok") continue;
    assertEquals([code, depth], ["ENAMETOOLONG", 17]);
    break;
  }
});

Deno.test("9p: a server that was saved goes on where it was", () => {
  using share = new Share();
  share.start();
  share.walk(0, 1, "file");
  share.open(1, Open.RDWR);
  share.walk(0, 2, "sub");
  share.open(2, 0);
  const state = structuredClone(share.state);
  share.server.stop();
  const { folder, owners } = (share.server as unknown as { parts: ConstructorParameters<typeof NinepServer>[0] }).parts;
  const restored = new NinepServer({ folder, state, owners });
  const read = new Writer().u32(1).u64(2).u32(3).finish(Message.READ, 1);
  assertEquals(new TextDecoder().decode(restored.answer(read, 100).subarray(11)), "234");
  const list = restored.answer(new Writer().u32(2).u64(2).u32(1000).finish(Message.READDIR, 1), 1000);
  const entries = new Reader(list.subarray(11));
  entries.data(22);
  assertEquals(entries.text(), "deep");
  restored.stop();
});

Deno.test("virtio_9p: its tag, messages that are none, and a folder that isn't there", async () => {
  using share = new Share();
  const options = {
    at: AT,
    interrupt: INTID,
    legacy: false,
    packed: true,
    path: share.inside,
    tag: "work",
    readonly: true,
    owner: "map",
    uid: 0,
    gid: 0,
  };
  const kit = bench();
  await kit.attach(virtio9p, options);
  const driver = new MmioDriver(kit);
  driver.start([0], 1, 8);
  const config = [0, 1, 2, 3, 4, 5].map((at) => Number(kit.read(AT + R.config + at, 1)));
  assertEquals(config, [4, 0, ...new TextEncoder().encode("work")]);
  const version = new Writer().u32(8192).text("9P2000.L").finish(Message.VERSION, 3);
  assertEquals(driver.request(0, version, 100).written, version.length);
  for (const [out, room] of [[version.subarray(0, 6), 100], [version, 10]] as const) {
    driver.start([0], 1, 8);
    try {
      driver.request(0, out, room);
    } catch {
      // Nothing came back.
    }
    assertEquals(driver.get(R.status) & NEEDS_RESET, NEEDS_RESET);
  }
  const { check } = virtio9p.options.tag;
  assertEquals(["a", "a".repeat(31)].map((tag) => check!(tag)), [undefined, undefined]);
  for (const tag of ["", "a b", "a,b", "ä", "a".repeat(32)]) assertEquals(typeof check!(tag), "string", tag);
  let failed = "";
  try {
    await bench().attach(virtio9p, { ...options, path: `${share.inside}/none` });
  } catch (error) {
    failed = (error as Error).message;
  }
  assert(failed.includes("there is no folder"), failed);
});
