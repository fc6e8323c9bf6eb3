/** Linux on what it shares with the host: folders by 9P, sockets, and memory. What each side writes, the other reads. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { sha256 } from "../support/disk_image.ts";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";
import { nameOf, withDevices } from "./virtio_board.ts";

const GENERIC = "deb:linux-image-6.1.0-??-arm64#";
/** Of the bus and of sockets, in the order in which they need each other, and of the balloon; the board has those of 9P. */
const modules = [
  ...["virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"].map((name) => `drivers/virtio/${name}`),
  ...["vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport"].map((name) => `net/vmw_vsock/${name}`),
];
const balloon = "drivers/virtio/virtio_balloon";

const busybox = `              - { path: /bin/busybox, from: "deb:busybox-static#/bin/busybox" }\n`;
const moduleFiles = [...modules, balloon].map((module) =>
  `              - { path: /root/${nameOf(module)}.ko, from: "${GENERIC}/lib/modules/*/kernel/${module}.ko" }\n`
).join("");
const devices = [
  "virtio_9p, path: /share, readonly: false, tag: work",
  "virtio_balloon, size: 64MiB",
].map((options, n) => `      - { at: ${0x0a00_0200 + 0x200 * n}, interrupt: spi ${17 + n}, use: ${options} }\n`).join("") +
  `      - { use: virtio_vsock_pci, connect: "/share/{port}.sock", listen: /share/guest.sock }\n`;

const board = await debianBoard("debian-share", [
  ["path: ../examples", "path: /share"],
  [busybox, busybox + moduleFiles],
  ["  - use: generic_timer\n", "  - use: its\n  - use: generic_timer\n"],
  withDevices("      - use: pci\n" + devices),
]);

const program = new URL("../../examples/guests/programs/vsock", import.meta.url).pathname;
/** Bytes of the largest file, and of what goes through a socket. */
const [LARGEST, STREAMED] = Deno.env.get("PLUGBOARD_LONG") ? [2 ** 26, 2 ** 24] : [2 ** 22, 2 ** 20];
/** Files of one directory. */
const MANY = Deno.env.get("PLUGBOARD_LONG") ? 10_000 : 150;
const MOUNT = "mount -t 9p -o trans=virtio,version=9p2000.L";

/** Bytes that repeat nowhere near. */
function content(size: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let n = 0; n < words.length; n++) words[n] = Math.imul(n + size, 0x9e37_79b1) ^ n >>> 3;
  return new Uint8Array(words.buffer, 0, size);
}

/** Runs the guest, and the host's sockets besides, until something is so. */
async function runUntil(guest: Session, isSo: () => boolean, what: string): Promise<void> {
  const began = performance.now();
  while (!isSo()) {
    assert(performance.now() - began < 300_000, `${what} doesn't come:\n${guest.console.slice(-1000)}`);
    guest.stopped = guest.machine.runFor(1_000_000, 20);
    await new Promise((resolve) => setTimeout(resolve, guest.machine.waiting ? 1 : 0));
  }
}

/** Runs the guest until its console shows a text. */
async function meanwhile(guest: Session, text: string): Promise<void> {
  const from = guest.console.length;
  await runUntil(guest, () => guest.console.includes(text, from), JSON.stringify(text));
  guest.until(text);
}

/** Runs the guest until the host's end of a connection is done: the last bytes may still be in the device when the guest's program has ended. */
async function besides<T>(guest: Session, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = () => void (isOver = true);
  work.then(over, over);
  await runUntil(guest, () => isOver, "the end of the host's side");
  return await work;
}

const readAll = async (stream: Deno.Conn) => new Uint8Array(await new Response(stream.readable).arrayBuffer());

Deno.test({
  name: "Linux mounts folders of the host over 9P, and connects to its sockets (over PCI)",
  ignore: board.images === undefined,
  async fn(test) {
    const top = await Deno.makeTempDir({ prefix: "plugboard-share" });
    const folder = `${top}/inside`;
    await Deno.mkdir(folder);
    await Deno.writeTextFile(`${top}/secret`, "the host's own\n");
    await Deno.writeTextFile(`${folder}/hello`, "hello from the host\n");
    try {
      using guest = await Session.start(board.manifest.replace(/path: \/share\b/g, `path: "${folder}"`).replaceAll("/share/", `${top}/`), {
        images: board.images,

        wallLimitMs: Deno.env.get("PLUGBOARD_LONG") ? 3_600_000 : 600_000,
      });
      const run = (line: string) => guest.command(line, { limitNs: 100e9 });
      /** Answers on one line each, without the kernel's messages. */
      const answers = (line: string) => run(line).split("\n").filter((text) => text !== "" && !text.startsWith("["));
      guest.until("\n# ");
      run("stty columns 300");
      assertMatch(guest.console, /Plugboard: 1 names of the host's folder/);
      for (const module of modules) assertEquals(answers(`insmod /root/${nameOf(module)}.ko 2>&1`), []);
      run("mkdir /work");

      await test.step("read-only", () => {
        assertEquals(answers("cat /host/hello"), ["hello from the host"]);
        for (
          const line of ["touch /host/new", "rm /host/hello", "mkdir /host/new", "chmod 0 /host/hello", "mv /host/hello /host/x"]
        ) {
          assertMatch(run(`${line} 2>&1`), /Read-only file system/, line);
        }
        assertMatch(run("echo x 2>&1 >> /host/hello"), /Read-only|can't create/);
        assertEquals(Deno.readTextFileSync(`${folder}/hello`), "hello from the host\n");
      });

      await test.step("files of both sides have the same sums", async () => {
        assertEquals(answers(`${MOUNT} work /work && ls -1a /work`), [".", "..", "hello"]);
        run("cd /work; mkdir there");
        const sums: string[] = [];
        for (const size of [0, 1, 4095, 4096, 131_073, LARGEST]) {
          await Deno.writeFile(`${folder}/f${size}`, content(size));
          sums.push(`${await sha256(content(size))}  f${size}`);
        }
        assertEquals(answers("sha256sum f*").toSorted(), sums.toSorted());
        run("cp f* there; sync");
        for await (const { name } of Deno.readDir(`${folder}/there`)) {
          assertEquals(
            await sha256(await Deno.readFile(`${folder}/there/${name}`)),
            sums.find((sum) => sum.endsWith(` ${name}`))!.slice(0, 64),
            name,
          );
        }
        assertEquals(answers("ls there | wc -l"), ["6"]);
        run("rm -r there f*");
        assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["hello"]);
      });

      await test.step("names, attributes, links", async () => {
        assertEquals(answers("echo one > a; mv a b; echo two >> b; cat b; stat -c %s b; truncate -s 5 b; cat b; echo"), [
          "one",
          "two",
          "8",
          "one",
          "t",
        ]);
        assertEquals(answers("exec 5< b; rm b; ls b 2>/dev/null; head -n 1 <&5; exec 5<&-"), ["one"]);
        assertEquals(
          answers("umask 0; touch c; chmod 640 c; stat -c '%a %u %g %h' c; ln c d; stat -c %h d; mkdir -m 775 e; stat -c %a e"),
          [
            "640 0 0 1",
            "2",
            "775",
          ],
        );
        assertEquals(Deno.statSync(`${folder}/c`).mode! & 0o7777, 0o640);
        assertEquals(answers("touch -d '2001-02-03 04:05:06' c; stat -c %Y c"), ["981173106"]);
        assertMatch(run("chown 1000 c 2>&1"), /not permitted/);
        assertMatch(run("mkfifo pipe 2>&1"), /not permitted/);
        assertMatch(run("setfattr -n user.a -v b c 2>&1; mknod n b 8 0 2>&1"), /not permitted|not found/);
        assertEquals(answers("ln -s hello l; readlink l; cat l; mkdir -p x/y/z; mv x/y w; ls -R w; rmdir w/z w x e; rm c d l"), [
          "hello",
          "hello from the host",
          "w:",
          "z",
          "w/z:",
        ]);
        assertMatch(run("mkdir m; touch m/n; rmdir m 2>&1"), /not empty/);
        run("rm -r m");
        // Links of the host that lead out are links, and the guest looks for them in its own tree.
        await Deno.symlink("../secret", `${folder}/out`);
        await Deno.symlink(`${top}/secret`, `${folder}/far`);
        assertMatch(run("cat out far 2>&1"), /can't open 'out'.*\n.*can't open 'far'/);
        assertMatch(run("echo x > out; ls -l out"), /-> \.\.\/secret$/);
        assertEquals([Deno.readTextFileSync(`${top}/secret`), Deno.readLinkSync(`${folder}/out`)], ["the host's own\n", "../secret"]);
        run("rm -f out far /secret");
        assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["hello"]);
      });

      await test.step("many files in one directory", () => {
        Deno.mkdirSync(`${folder}/many`);
        for (let n = 0; n < MANY; n++) Deno.writeTextFileSync(`${folder}/many/file-${n}`, "");
        assertEquals(answers("ls many | sort -u | grep -c file"), [String(MANY)]);
        assertEquals(answers("rm -r many; ls many 2>&1 | grep -c such"), ["1"]);
      });

      await test.step("programs run from the share, and map it", async () => {
        await Deno.copyFile(program, `${folder}/vsock`);
        assertEquals(answers("cp /bin/busybox .; ./busybox echo runs; ./vsock; echo $?"), ["runs", "64"]);
        // A share is mounted once at a time.
        run(`umount /host; mkdir /mapped; ${MOUNT},cache=mmap host /mapped`);
        assertEquals(answers("/mapped/busybox sha256sum < /mapped/busybox"), answers("sha256sum < /bin/busybox"));
        run("rm busybox; umount /mapped");
      });

      await test.step("a socket of the host, both ways, closed by halves", async () => {
        const there = content(STREAMED);
        const back = content(STREAMED + 1);
        await Deno.writeFile(`${folder}/there`, there);
        using listener = Deno.listen({ transport: "unix", path: `${top}/5000.sock` });
        const served = (async () => {
          const stream = await listener.accept();
          // The answer begins when all has come: the guest's half is closed then.
          const bytes = new Uint8Array(STREAMED + 1);
          let at = 0;
          for (let count: number | null = 0; count !== null; at += count ?? 0) count = await stream.read(bytes.subarray(at));
          for (let done = 0; done < back.length;) done += await stream.write(back.subarray(done));
          stream.close();
          return [at, await sha256(bytes.slice(0, at))];
        })();
        guest.type("./vsock connect 5000 < there > back; echo ended $?; sha256sum < back\n");
        await meanwhile(guest, "ended 0");
        await meanwhile(guest, "\n# ");
        assertEquals(await besides(guest, served), [STREAMED, await sha256(there)]);
        assertEquals(await sha256(await Deno.readFile(`${folder}/back`)), await sha256(back));
        guest.type("./vsock connect 5001 < there; echo refused $?\n");
        await meanwhile(guest, "refused 104");
        guest.until("\n# ");
      });

      await test.step("a socket of the guest", async () => {
        guest.type("./vsock listen 77 < there > back; echo ended $?\n");
        guest.until("\n");
        const spoken = (async () => {
          // Until the guest listens, it refuses.
          for (;;) {
            const stream = await Deno.connect({ transport: "unix", path: `${top}/guest.sock` });
            await stream.write(new TextEncoder().encode("CONNECT 77\nhello, guest"));
            await stream.closeWrite().catch(() => {});
            const bytes = await readAll(stream).catch(() => new Uint8Array());
            if (bytes.length > 0) return bytes;
          }
        })();
        await meanwhile(guest, "ended 0");
        const bytes = await besides(guest, spoken);
        const line = bytes.indexOf(10) + 1;
        assertMatch(new TextDecoder().decode(bytes.subarray(0, line)), /^OK \d+\n$/);
        assertEquals(await sha256(bytes.slice(line)), await sha256(content(STREAMED)));
        assertEquals(await Deno.readTextFile(`${folder}/back`), "hello, guest");
        guest.until("\n# ");
      });
      await test.step("memory that the balloon takes is the board's, until the driver goes", async () => {
        const { memory } = guest.machine;
        const free = memory.freeFrames;
        const given = 2 ** 26 / 4096;
        assertEquals(answers("insmod /root/virtio_balloon.ko; sleep 1; grep -c . /proc/meminfo > /dev/null"), []);
        assert(
          Math.abs(memory.freeFrames - free - given) < 200,
          `${memory.freeFrames - free} frames came back, ${given} with tables apart`,
        );
        // Others may use it meanwhile; the guest has enough of its own.
        const others = Array.from({ length: 1000 }, () => memory.allocate("other", 0));
        assertEquals(answers("sha256sum < there"), [`${await sha256(content(STREAMED))}  -`]);
        for (const frame of others) memory.release("other", frame);
        assertEquals(answers("rmmod virtio_balloon"), []);
        assert(Math.abs(memory.freeFrames - free) < 200, `${memory.freeFrames - free} frames are missing`);
        assertEquals(answers("dd if=/dev/zero of=/root/all bs=1M count=100 2>/dev/null; rm /root/all; sha256sum < there"), [
          `${await sha256(content(STREAMED))}  -`,
        ]);
      });
      const kinds = [...guest.machine.stats.traced.keys()].filter((kind) => /virtio|failure/.test(kind));
      assertEquals(kinds, []);
    } finally {
      await Deno.remove(top, { recursive: true });
    }
  },
});
