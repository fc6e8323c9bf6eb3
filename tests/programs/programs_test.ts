/**
 * Real programs from Debian's packages, under Debian's kernel: CPython's tests of numbers and compression, OpenSSL, gzip, xz, SQLite, perl and
 * stress-ng. What they print is what the same disk prints under QEMU, to the byte. PLUGBOARD_LONG=1 runs everything; CI runs the shorter half.
 */
import { assert, assertEquals } from "@std/assert";
import { changed, debianBoard } from "../guests/debian_images.ts";
import { runOnQemu } from "../guests/qemu_reference.ts";
import { Session } from "../guests/session.ts";
import { noFileSystems } from "../support/disk_image.ts";
import { dpkg, missing, qemuSystem } from "../support/toolchain.ts";
import { programDisk } from "./image.ts";

const isLong = Deno.env.get("PLUGBOARD_LONG") !== undefined;
/** Some of these run a minute and more. */
const LONG = [
  "cpython:test_math+test_fractions+test_zlib+test_hashlib",
  "cpython:test_decimal+test_long+test_float+test_hash+test_array+test_bytes+test_set+test_dict+test_list+test_sort+test_re+test_json+test_pickle",
  "cpython:test_lzma+test_bz2+test_zipfile+test_hmac+test_random+test_statistics+test_memoryview+test_unicode+test_format+test_generators",
  "stress.sh",
];
const PARTS = Deno.env.get("PLUGBOARD_PROGRAMS")?.split(",") ?? [
  "float_bits.py",
  "cpython:test_int+test_cmath+test_complex+test_struct+test_binascii",
  "text.pl",
  "database.sql",
  "compression.sh",
  "crypto.sh",
  ...isLong ? LONG : [],
];
const LIMIT_S = isLong ? 3600 : 600;

/** Kernel, initramfs and command line as the board has them, without the kernel's own tests. */
const board = await debianBoard("debian-disk", [[
  "root=/dev/vda rw",
  `root=/dev/vda ro init=/programs/run cryptomgr.notests PARTS=${PARTS}`,
]]);
const ignore = board.images === undefined || await noFileSystems() || missing(dpkg, qemuSystem);

/** What each part printed. */
function parts(console: string): Map<string, string> {
  const found = console.replaceAll("\r", "").split(/^=== /m).slice(1).map((part) => part.split("\n"));
  // The kernel may say something in between.
  return new Map(found.map(([name, ...lines]) => [name, lines.filter((line) => !/^\[ *\d+\.\d+\] /.test(line)).join("\n")]));
}

Deno.test({
  name: "real programs print what they print under QEMU",
  ignore,
  async fn(test) {
    const directory = await Deno.makeTempDir({ prefix: "plugboard-programs-" });
    try {
      const disk = `${directory}/disk.img`;
      assert(await programDisk(disk));
      const image = (kind: string) => [...board.images!].find(([name]) => name.includes(kind))![1];
      const append = /append: (.*)/.exec(board.manifest)![1];
      const reference = runOnQemu({
        kernel: image("vmlinuz"),
        initrd: image("initramfs"),
        append,
        disk,
        cpus: 1,
        memoryMiB: 512,
        timeoutMs: 2 * LIMIT_S * 1000,
      });
      const manifest = changed(board.manifest, [["file: debian-disk.img", `file: "${disk}"\n        readonly: true`], [
        "vcpus: 2",
        "vcpus: 1",
      ]]);
      let ours: string;
      {
        using guest = await Session.start(manifest, { images: board.images, checksTables: false, wallLimitMs: LIMIT_S * 1000 });
        assertEquals(guest.finish(LIMIT_S * 1e9).kind, "power-off");
        ours = guest.console;
      }
      const { console } = await reference;
      const [found, wanted] = [parts(ours), parts(console)];
      for (const name of PARTS) {
        await test.step(name, () => {
          assert(wanted.get(name)?.endsWith("--- ended with 0\n"), wanted.get(name) ?? console.slice(-1000));
          assertEquals(found.get(name), wanted.get(name));
          // What QEMU fails at as well would show nothing.
          assertEquals(wanted.get(name)!.match(/[1-9]\d* failed/g), null);
        });
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
