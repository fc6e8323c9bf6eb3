/** A folder of the host: what it does, and that nothing leads out of it. */
import { assertEquals, assertThrows } from "@std/assert";
import { FolderError } from "./folder.ts";
import type { Folder, FolderPath } from "./folder.ts";
import { openHostFolder } from "./host_folder.ts";

interface Place {
  readonly folder: Folder;
  /** The shared one, on the host. */
  readonly inside: string;
  /** A folder beside it, which nobody may reach. */
  readonly outside: string;
  [Symbol.dispose](): void;
}

/** A folder with `file`, `sub/deep` and links, and a secret beside it. */
function place(write = true): Place {
  const top = Deno.makeTempDirSync({ prefix: "plugboard-folder" });
  const [inside, outside] = [`${top}/inside`, `${top}/outside`];
  for (const directory of [inside, outside, `${inside}/sub`]) Deno.mkdirSync(directory);
  Deno.writeTextFileSync(`${outside}/secret`, "secret");
  Deno.writeTextFileSync(`${inside}/file`, "0123456789");
  Deno.writeTextFileSync(`${inside}/sub/deep`, "deep");
  Deno.symlinkSync("../../outside", `${inside}/way_out`);
  Deno.symlinkSync(`${outside}/secret`, `${inside}/secret`);
  Deno.symlinkSync("sub", `${inside}/way_in`);
  const folder = openHostFolder(inside, { write });
  return {
    folder,
    inside,
    outside,
    [Symbol.dispose]() {
      folder.close();
      Deno.removeSync(top, { recursive: true });
    },
  };
}

const text = (folder: Folder, path: FolderPath) => {
  const file = folder.open(path, { read: true, write: false });
  try {
    const bytes = new Uint8Array(100);
    return new TextDecoder().decode(bytes.subarray(0, file.read(0, bytes)));
  } finally {
    file.close();
  }
};

function refuses(code: string, action: () => unknown): void {
  assertEquals(assertThrows(action, FolderError).message, code);
}

Deno.test("a folder: files, directories, links and attributes", () => {
  using it = place();
  const { folder, inside } = it;
  assertEquals(folder.list([]), ["file", "secret", "sub", "way_in", "way_out"]);
  assertEquals([folder.stat([]).kind, folder.stat(["file"]).kind, folder.stat(["way_in"]).kind], ["directory", "file", "symlink"]);
  assertEquals([folder.readLink(["way_out"]), text(folder, ["sub", "deep"])], ["../../outside", "deep"]);
  folder.makeDirectory(["new"], 0o777);
  assertEquals(folder.stat(["new"]).mode & 0o7777, 0o777, "the guest's umask counts, not the host's");
  const file = folder.open(["new", "a"], { read: true, write: true, create: { mode: 0o6755, exclusive: true } });
  assertEquals(file.stat().mode & 0o7777, 0o755, "no set-ID bits reach the host");
  file.write(3, Uint8Array.of(1, 2, 3));
  file.change({ sizeBytes: 5, mode: 0o4600, accessedMs: 1000, modifiedMs: 2000 });
  folder.rename(["new", "a"], ["b"]);
  folder.addName(["c"], ["b"]);
  folder.remove(["b"], "other");
  const { mode, sizeBytes, accessedMs, modifiedMs, links } = folder.stat(["c"]);
  assertEquals([mode & 0o7777, sizeBytes, accessedMs, modifiedMs, links], [0o600, 5, 1000, 2000, 1]);
  folder.remove(["c"], "other");
  const bytes = new Uint8Array(9);
  assertEquals([file.read(0, bytes), bytes], [5, Uint8Array.of(0, 0, 0, 1, 2, 0, 0, 0, 0)], "an open file stays without a name");
  file.sync();
  file.close();
  folder.makeLink(["new", "link"], "/etc/passwd");
  assertEquals(Deno.readLinkSync(`${inside}/new/link`), "/etc/passwd");
  refuses("ENOTEMPTY", () => folder.remove(["new"], "directory"));
  folder.change(["new", "link"], { modifiedMs: 5000 });
  assertEquals(folder.stat(["new", "link"]).modifiedMs, 5000);
  folder.remove(["new", "link"], "other");
  folder.remove(["new"], "directory");
  assertEquals(folder.space().blockBytes > 0, true);
});

Deno.test("a folder: names and links that lead out, and special files", async () => {
  using it = place();
  const { folder, inside, outside } = it;
  const read = { read: true, write: false };
  for (const name of ["", ".", "..", "../../outside", "a/b", "/etc/passwd", "a\0b"]) {
    for (const path of [[name], [name, "secret"], ["sub", name]]) refuses("EINVAL", () => folder.stat(path));
    refuses("EINVAL", () => folder.rename(["file"], [name]));
    refuses("EINVAL", () => folder.addName([name], ["file"]));
  }
  refuses("ELOOP", () => folder.open(["secret"], read));
  refuses("ELOOP", () => folder.open(["secret"], { read: true, write: true, truncate: true, create: { mode: 0o600, exclusive: false } }));
  for (const path of [["way_out", "secret"], ["way_in", "deep"], ["file", "x"]]) {
    refuses("ENOTDIR", () => folder.stat(path));
    refuses("ENOTDIR", () => folder.open(path, read));
    refuses("ENOTDIR", () => folder.remove(path, "other"));
    refuses("ENOTDIR", () => folder.makeDirectory(path, 0o700));
  }
  refuses("ENOTDIR", () => folder.list(["way_out"]));
  refuses("EOPNOTSUPP", () => folder.change(["secret"], { mode: 0o777 }));
  refuses("EOPNOTSUPP", () => folder.change(["secret"], { sizeBytes: 0 }));
  folder.addName(["again"], ["secret"]);
  assertEquals(folder.stat(["again"]).kind, "symlink", "a link's new name is a link's");
  await new Deno.Command("mkfifo", { args: [`${inside}/pipe`] }).output();
  refuses("EACCES", () => folder.open(["pipe"], read));
  refuses("EACCES", () => folder.open(["pipe"], { read: false, write: true }));
  refuses("EPERM", () => folder.change(["pipe"], { mode: 0o777 }));
  refuses("EISDIR", () => folder.open(["sub"], read));
  refuses("EBUSY", () => folder.remove([], "directory"));
  assertEquals(Deno.readTextFileSync(`${outside}/secret`), "secret");
});

Deno.test("a folder: what is exchanged for a link while it is in use leads nowhere", () => {
  using it = place();
  const { folder, inside, outside } = it;
  Deno.renameSync(`${inside}/sub`, `${inside}/moved`);
  Deno.symlinkSync("../../outside", `${inside}/sub`);
  refuses("ENOTDIR", () => folder.open(["sub", "secret"], { read: true, write: false }));
  // The folder itself: it stays the one that was opened.
  Deno.renameSync(inside, `${inside}2`);
  Deno.symlinkSync(outside, inside);
  refuses("ENOENT", () => folder.open(["secret2"], { read: true, write: false }));
  assertEquals(folder.list([]), ["file", "moved", "secret", "sub", "way_in", "way_out"]);
});

Deno.test("a folder: somebody exchanges a directory for a link all the time; nobody is ever outside", async () => {
  using it = place();
  const { folder, inside, outside } = it;
  Deno.chmodSync(`${outside}/secret`, 0o600);
  Deno.mkdirSync(`${inside}/other`);
  Deno.writeTextFileSync(`${inside}/other/secret`, "inside");
  // In a thread of its own, so that it comes between any two system calls.
  const swapper = `
    Deno.symlinkSync("../../outside", ${JSON.stringify(`${inside}/link`)});
    const at = (name) => ${JSON.stringify(inside)} + "/" + name;
    const swap = (name) => { Deno.renameSync(at("swapped"), at("gone")); Deno.renameSync(at(name), at("swapped")); };
    Deno.renameSync(at("other"), at("swapped"));
    onmessage = () => {
      clearInterval(timer);
      postMessage("stopped");
    };
    postMessage("ready");
    const timer = setInterval(() => {
      for (const until = performance.now() + 20; performance.now() < until;) {
        swap("link"); Deno.renameSync(at("gone"), at("other"));
        swap("other"); Deno.renameSync(at("gone"), at("link"));
      }
    });
  `;
  const worker = new Worker(URL.createObjectURL(new Blob([swapper], { type: "text/javascript" })), { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  const outcomes = new Map<string, number>();
  const attempt = (action: () => string) => {
    let outcome: string;
    try {
      outcome = action();
    } catch (error) {
      outcome = (error as FolderError).code;
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  };
  // Until both were met often: on a busy machine the other thread may wait long for its turn.
  const seen = (outcome: string) => outcomes.get(outcome) ?? 0;
  const began = performance.now();
  for (let ms = 0; ms < 600 || (seen("inside") <= 10 || seen("ENOTDIR") <= 10) && ms < 20_000; ms = performance.now() - began) {
    for (let n = 0; n < 20; n++) attempt(() => text(folder, ["swapped", "secret"]));
    attempt(
      () => (folder.open(["swapped", "new"], { read: false, write: true, create: { mode: 0o600, exclusive: false } }).close(), "made"),
    );
    attempt(() => (folder.remove(["swapped", "new"], "other"), "removed"));
    attempt(() => (folder.change(["swapped", "secret"], { mode: 0o644 }), "changed"));
    attempt(() => (folder.list(["swapped"]).includes("deep"), "listed"));
  }
  // Terminated, it would go on for a while.
  worker.postMessage("stop");
  await new Promise((resolve) => worker.onmessage = resolve);
  worker.terminate();
  assertEquals([
    outcomes.has("secret"),
    [...outcomes.keys()].filter((outcome) => /^E/.test(outcome) && !/^(ENOENT|ENOTDIR)$/.test(outcome)),
  ], [
    false,
    [],
  ]);
  assertEquals([seen("inside") > 10, seen("ENOTDIR") > 10], [true, true], JSON.stringify([...outcomes]));
  assertEquals([[...Deno.readDirSync(outside)].map(({ name }) => name), Deno.statSync(`${outside}/secret`).mode! & 0o777], [
    ["secret"],
    0o600,
  ]);
});

Deno.test("a folder: read-only is read-only; one that isn't there says so", () => {
  using it = place(false);
  const { folder, inside } = it;
  const changes: (() => unknown)[] = [
    () => folder.open(["file"], { read: false, write: true }),
    () => folder.open(["file"], { read: true, write: false, truncate: true }),
    () => folder.open(["new"], { read: true, write: false, create: { mode: 0o600, exclusive: false } }),
    () => folder.makeDirectory(["new"], 0o700),
    () => folder.makeLink(["new"], "x"),
    () => folder.addName(["new"], ["file"]),
    () => folder.rename(["file"], ["new"]),
    () => folder.remove(["file"], "other"),
    () => folder.remove(["sub"], "directory"),
    () => folder.change(["file"], { mode: 0 }),
    () => folder.change([], { mode: 0 }),
  ];
  for (const change of changes) refuses("EROFS", change);
  assertEquals(text(folder, ["file"]), "0123456789");
  assertThrows(() => openHostFolder(`${inside}/none`, { write: false }), Error, "there is no folder");
  assertThrows(() => openHostFolder(`${inside}/file`, { write: false }), Error, "is not a folder");
});
