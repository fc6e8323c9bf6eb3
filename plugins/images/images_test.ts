import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { dpkg, missing } from "../../tests/support/toolchain.ts";
import { Apt } from "./apt.ts";
import { cacheDirectory, ImageCache, sha256 } from "./cache.ts";
import { packCpio, S_IFCHR, S_IFLNK, S_IFREG } from "./cpio.ts";
import { readFromDeb } from "./deb.ts";
import { ImageError, ImagesError } from "./error.ts";
import { compareVersions, globToRegExp, nearest } from "./names.ts";
import { parseReference } from "./reference.ts";
import { resolveImages } from "./resolve.ts";
import { readTar } from "./tar.ts";

async function inTemporary(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "plugboard-test-" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** Entries of a newc archive, read independently of the writer's bookkeeping. */
function unpackCpio(archive: Uint8Array): Map<string, { mode: number; data: string; rmajor: number; rminor: number }> {
  const entries = new Map<string, { mode: number; data: string; rmajor: number; rminor: number }>();
  for (let at = 0;;) {
    assertEquals(textOf(archive.subarray(at, at + 6)), "070701");
    const field = (index: number) => parseInt(textOf(archive.subarray(at + 6 + index * 8, at + 14 + index * 8)), 16);
    const [mode, size, rmajor, rminor, nameSize] = [field(1), field(6), field(9), field(10), field(11)];
    const name = textOf(archive.subarray(at + 110, at + 110 + nameSize - 1));
    const dataAt = (at + 110 + nameSize + 3) & ~3;
    if (name === "TRAILER!!!") return entries;
    entries.set(name, { mode, data: textOf(archive.subarray(dataAt, dataAt + size)), rmajor, rminor });
    at = (dataAt + size + 3) & ~3;
  }
}

Deno.test("an archive holds parents first, devices and links, and is the same whatever the order", () => {
  const entries = [
    { path: "dev/console", mode: S_IFCHR | 0o600, major: 5, minor: 1 },
    { path: "bin/sh", mode: S_IFLNK | 0o777, data: bytesOf("busybox") },
    { path: "init", mode: S_IFREG | 0o755, data: bytesOf("#!/bin/sh\n") },
  ];
  const archive = packCpio(entries);
  assertEquals(archive, packCpio(entries.toReversed()));
  assertEquals(archive.length % 512, 0);
  const files = unpackCpio(archive);
  assertEquals([...files.keys()], ["bin", "bin/sh", "dev", "dev/console", "init"]);
  assertEquals(files.get("bin")!.mode, 0o040755);
  assertEquals(files.get("dev/console"), { mode: 0o020600, data: "", rmajor: 5, rminor: 1 });
  assertEquals(files.get("bin/sh"), { mode: 0o120777, data: "busybox", rmajor: 0, rminor: 0 });
  assertEquals(files.get("init")!.data, "#!/bin/sh\n");
});

Deno.test("references say what they are", () => {
  assertEquals(parseReference("../Image"), { kind: "path", path: "../Image" });
  assertEquals(parseReference("https://example.org/Image"), { kind: "url", url: "https://example.org/Image" });
  assertEquals(parseReference("deb:linux-image-6.1.0-*-cloud-arm64#/boot/vmlinuz-*"), {
    kind: "deb",
    package: "linux-image-6.1.0-*-cloud-arm64",
    path: "/boot/vmlinuz-*",
  });
  assertEquals(parseReference('["a","b"]'), { kind: "list", images: [{ kind: "path", path: "a" }, { kind: "path", path: "b" }] });
});

const hash = "ab".repeat(32);
const wrong: [string, unknown, string][] = [
  ["a package without a path", "deb:busybox", "want deb:PACKAGE#/PATH"],
  ["plain http", "http://example.org/Image", "use https:"],
  ["another scheme", "ftp://example.org/Image", "unknown scheme ftp"],
  ["a short hash", { image: "a", sha256: "abc" }, "isn't 64 hexadecimal digits"],
  ["an unknown form", { picture: "a" }, "want a path, an https: URL"],
  ["an archive without files", { initramfs: {} }, "initramfs: want { files: [...] }"],
  ["a file without content", { initramfs: { files: [{ path: "/a" }] } }, "initramfs.files[0]: want { path, ... } with one of"],
  ["a file with two contents", { initramfs: { files: [{ path: "/a", text: "", link: "b" }] } }, "initramfs.files[0]: want"],
  ["a misspelt key", { initramfs: { files: [{ path: "/a", txt: "" }] } }, "unknown key txt"],
  ["a path that climbs", { initramfs: { files: [{ path: "/../a", text: "" }] } }, "isn't a plain absolute path"],
  ["a bad device", { initramfs: { files: [{ path: "/a", device: "tty" }] } }, 'want "c MAJOR MINOR"'],
  ["a bad mode", { initramfs: { files: [{ path: "/a", text: "", mode: "rwx" }] } }, "want permission bits such as 0o755"],
  ["a bad image inside", { initramfs: { files: [{ path: "/a", from: "deb:x" }] } }, "want deb:PACKAGE#/PATH"],
];
for (const [name, value, message] of wrong) {
  Deno.test(`refuses ${name}`, () => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    assertStringIncludes(assertThrows(() => parseReference(text), ImageError).message, message);
  });
}

Deno.test("globs stay within one path part, versions compare as numbers, near names share words", () => {
  assert(globToRegExp("/boot/vmlinuz-*").test("/boot/vmlinuz-6.1.0-9-arm64"));
  assert(!globToRegExp("/boot/*").test("/boot/grub/grub.cfg"));
  assert(!globToRegExp("a.b").test("axb"));
  assertEquals(["k-6.1.0-9", "k-6.1.0-10", "k-5.9"].toSorted(compareVersions), ["k-5.9", "k-6.1.0-9", "k-6.1.0-10"]);
  assertEquals(nearest("busybox-stattic", ["busybox-static", "busybox", "zsh-static"], 2), ["busybox", "busybox-static"]);
});

Deno.test("paths are relative to the manifest; lists are joined at multiples of 4; an archive takes files", () =>
  inTemporary(async (directory) => {
    await Deno.writeTextFile(`${directory}/one`, "12345");
    const inline = { initramfs: { files: [{ path: "/etc/one", from: "one", mode: "0600" }, { path: "/init", text: "hi", mode: 0o755 }] } };
    const references = ["one", '["one","one"]', JSON.stringify(inline), JSON.stringify({ image: "one", sha256: sha256("12345") })];
    const images = await resolveImages(references, directory, () => {}, new ImageCache(`${directory}/cache`));
    assertEquals(textOf(images.get("one")), "12345");
    assertEquals(textOf(images.get('["one","one"]')), "12345\0\0\0" + "12345\0\0\0");
    assertEquals(unpackCpio(images.get(references[2])!).get("etc/one"), { mode: 0o100600, data: "12345", rmajor: 0, rminor: 0 });
    assertEquals(textOf(images.get(references[3])), "12345");
  }));

Deno.test("all that can't be had is reported at once, each with its reference", () =>
  inTemporary(async (directory) => {
    await Deno.writeTextFile(`${directory}/one`, "12345");
    const pinned = JSON.stringify({ image: "one", sha256: hash });
    const error = await assertRejects(
      () => resolveImages(["one", "two", pinned], directory, () => {}, new ImageCache(directory)),
      ImagesError,
    );
    assertEquals(error.failures.map(({ reference }) => reference).toSorted(), ["two", pinned].toSorted());
    assertStringIncludes(error.message, `no file ${directory}/two`);
    assertStringIncludes(error.message, `the manifest wants ${hash}`);
  }));

Deno.test("the cache follows PLUGBOARD_CACHE, XDG_CACHE_HOME, HOME", () => {
  const env = (values: Record<string, string>) => (name: string) => values[name];
  assertEquals(cacheDirectory(env({ PLUGBOARD_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" })), "/a");
  assertEquals(cacheDirectory(env({ XDG_CACHE_HOME: "/b", HOME: "/c" })), "/b/plugboard");
  assertEquals(cacheDirectory(env({ HOME: "/c" })), "/c/.cache/plugboard");
});

Deno.test("a cached content that was changed isn't used", () =>
  inTemporary(async (root) => {
    const cache = new ImageCache(root);
    for (const size of [100, 3 * 2 ** 20]) {
      const name = `image of ${size}`;
      const content = await cache.write(name, new Uint8Array(size).fill(1), "test");
      assertEquals((await cache.read(name))?.length, size);
      await new Promise((resolve) => setTimeout(resolve, 20)); // file times have a grain
      await Deno.writeFile(`${root}/sha256/${content}`, new Uint8Array(size).fill(2));
      assertEquals(await cache.read(name), undefined);
      await cache.write(name, new Uint8Array(size).fill(1), "test");
      assertEquals((await cache.read(name))?.[0], 1);
    }
  }));

Deno.test("many writers at once leave one whole content and no drafts", () =>
  inTemporary(async (root) => {
    const cache = new ImageCache(root);
    const bytes = new Uint8Array(2 ** 20).fill(7);
    await Promise.all(Array.from({ length: 8 }, () => cache.write("x", bytes, "test")));
    assertEquals(await cache.read("x"), bytes);
    assertEquals([...Deno.readDirSync(`${root}/sha256`)].length, 1);
    assertEquals([...Deno.readDirSync(`${root}/references`)].length, 1);
  }));

Deno.test({
  name: "a file of a Debian package, through links, globs and the merged /usr",
  ignore: missing(dpkg),
  fn: () =>
    inTemporary(async (directory) => {
      const long = `usr/share/${"very-long-name-".repeat(9)}/file`;
      await Deno.mkdir(`${directory}/tree/DEBIAN`, { recursive: true });
      await Deno.mkdir(`${directory}/tree/usr/bin`, { recursive: true });
      await Deno.mkdir(`${directory}/tree/${long.replace(/\/file$/, "")}`, { recursive: true });
      await Deno.writeTextFile(
        `${directory}/tree/DEBIAN/control`,
        "Package: thing\nVersion: 1\nArchitecture: all\nMaintainer: us <a@example.org>\nDescription: x\n",
      );
      await Deno.writeTextFile(`${directory}/tree/usr/bin/tool-1.2`, "tool");
      await Deno.writeTextFile(`${directory}/tree/${long}`, "long");
      await Deno.symlink("tool-1.2", `${directory}/tree/usr/bin/tool`);
      const deb = `${directory}/thing_1_all.deb`;
      const built = await new Deno.Command("dpkg-deb", { args: ["-b", `${directory}/tree`, deb], stdout: "null", stderr: "null" }).output();
      assert(built.success);
      assertEquals(textOf((await readFromDeb(deb, "/usr/bin/tool-1.2")).bytes), "tool");
      assertEquals(textOf((await readFromDeb(deb, "/bin/tool-*")).bytes), "tool");
      assertEquals((await readFromDeb(deb, "/bin/tool")).path, "/usr/bin/tool-1.2");
      assertEquals(textOf((await readFromDeb(deb, `/${long}`)).bytes), "long");
      const missing = await assertRejects(() => readFromDeb(deb, "/usr/sbin/tool"), ImageError);
      assertStringIncludes(missing.message, "package thing has no file /usr/sbin/tool; near: /usr/bin/tool");
      const many = await assertRejects(() => readFromDeb(deb, "/usr/bin/*"), ImageError);
      assertStringIncludes(many.message, "matches 2 files");
    }),
});

Deno.test("a cut tar stream is an error", async () => {
  const header = new Uint8Array(1024);
  header.set(bytesOf("file"));
  header.set(bytesOf("00000010000\0"), 124);
  const stream = new Blob([header]).stream();
  await assertRejects(() => readTar(stream, () => true, () => {}), Error, "ends in the middle");
});

/** A directory with stand-ins for apt's programs. */
async function fakeApt(directory: string, script: string): Promise<Record<string, string>> {
  for (const program of ["apt-get", "apt-cache", "apt-config"]) {
    await Deno.writeTextFile(`${directory}/${program}`, `#!/bin/sh\nprogram=${program}\n${script}\n`, { mode: 0o755 });
  }
  return { PATH: `${directory}:/usr/bin:/bin` };
}

const aptFailures: [string, string, string][] = [
  [
    "a package that nobody has",
    'case "$program $1" in "apt-cache pkgnames") printf "busybox-static\\nbusybox\\nzsh\\n";; "apt-get download") echo "E: Unable to locate package $3" >&2; exit 100;; esac',
    "no package busybox-sttic for arm64 in this machine's apt sources; near: busybox",
  ],
  [
    "no network",
    'case "$program $1" in "apt-get update") echo "W: Failed to fetch x  Temporary failure resolving y" >&2;; esac',
    "can't reach the package sources: is this machine offline?",
  ],
  [
    "sources without our architecture",
    'case "$program $1" in "apt-get download") echo "E: Unable to locate package $3" >&2; exit 100;; esac',
    "the apt sources of this machine offer nothing for arm64",
  ],
  [
    "a download that fails",
    'case "$program $1" in "apt-get download") echo "E: Failed to fetch x  404  Not Found" >&2; exit 100;; esac',
    "can't be downloaded",
  ],
];
for (const [name, script, message] of aptFailures) {
  Deno.test({
    name: `apt: ${name}`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      inTemporary(async (directory) => {
        const env = await fakeApt(directory, script);
        const apt = new Apt(`${directory}/apt`, () => {}, "arm64", env);
        await Deno.mkdir(`${directory}/out`);
        const error = await assertRejects(() => apt.download("busybox-sttic", `${directory}/out`), ImageError);
        assertStringIncludes(error.message, message);
      }),
  });
}

Deno.test("apt: a machine without it is told what to do", () =>
  inTemporary(async (directory) => {
    const apt = new Apt(`${directory}/apt`, () => {}, "arm64", { PATH: directory });
    const error = await assertRejects(() => apt.download("busybox-static", directory), ImageError);
    assertStringIncludes(error.message, "has no apt-config, which deb: references need; give a path or an https: URL instead");
  }));
