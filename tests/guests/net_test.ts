/** Linux's virtio-net on a user-mode network and on a switch: DHCP, ping, names, HTTP both ways, forwarded ports. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createSocket } from "node:dgram";
import { sha256 } from "../support/disk_image.ts";
import { debianBoard } from "./debian_images.ts";
import { Online } from "./online.ts";
import { replaySockets } from "../../mod.ts";
import type { RecordedSocketEvent } from "../../mod.ts";
import { Session } from "./session.ts";
import type { SessionOptions } from "./session.ts";

const board = await debianBoard("debian-net");
const ignore = board.images === undefined;

/** A name server of the test's own: knows one name. */
function nameServer(): Promise<{ port: number; close(): void; asked: string[] }> {
  const asked: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (message, { address, port }) => {
    const labels = [];
    let at = 12;
    for (; message[at] !== 0; at += 1 + message[at]) labels.push(new TextDecoder().decode(message.subarray(at + 1, at + 1 + message[at])));
    const name = labels.join(".").toLowerCase();
    const known = name === "known.example" && message[at + 2] === 1;
    asked.push(name);
    const question = message.subarray(12, at + 5);
    const head = [message[0], message[1], 0x81, known || name === "known.example" ? 0x80 : 0x83, 0, 1, 0, known ? 1 : 0, 0, 0, 0, 0];
    const answer = known ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77] : [];
    socket.send(Uint8Array.of(...head, ...question, ...answer), port, address);
  });
  return new Promise((resolve) =>
    socket.bind(0, "127.0.0.1", () => resolve({ port: socket.address().port, close: () => socket.close(), asked }))
  );
}

/** An address of this host that isn't loopback, where it has one. */
function hostAddress(): string {
  const [own] = Deno.networkInterfaces().filter(({ family, address }) => family === "IPv4" && !address.startsWith("127."));
  return own?.address ?? "169.254.1.1";
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

const DOWNLOAD = crypto.getRandomValues(new Uint8Array(65_536));
const MIB = 2;

/** Takes what comes, and when it has ended answers with its checksum. */
function sinkServer() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const take = async (connection: Deno.Conn) => {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    const chunk = new Uint8Array(65_536);
    for (let count = await connection.read(chunk); count !== null; count = await connection.read(chunk)) chunks.push(chunk.slice(0, count));
    await connection.write(new TextEncoder().encode(await sha256(await new Blob(chunks).bytes())));
    connection.close();
  };
  const serving = (async () => {
    for await (const connection of listener) await take(connection);
  })();
  return {
    port: listener.addr.port,
    async close() {
      listener.close();
      await serving.catch(() => {});
    },
  };
}

/** Serves a file of some MiB. */
function httpServer() {
  const whole = new Uint8Array(MIB * 2 ** 20);
  for (let at = 0; at < whole.length; at += DOWNLOAD.length) whole.set(DOWNLOAD, at);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(whole));
  return { port: server.addr.port, whole, close: () => server.shutdown() };
}

/** The board with another network, or another device. */
function changed(network: string, device: string): string {
  return board.manifest.replace(/ +- { use: user_network.*\n/, network).replace(/ +- { use: virtio_net.*\n/, device);
}

const device = (options: string) => `      - { use: virtio_net, at: 0x0a00_0000, interrupt: spi 16${options} }\n`;
/** How it is connected. The first one is always tried. */
const ways: readonly (readonly [name: string, device: string])[] = [
  ["packed rings", device("")],
  ["time as the host's", device("")],
  ["two pairs of queues, and a reboot", device(", queues: 2")],
  ["legacy", device(", legacy: true")],
  ["no offloads, split rings", device(", offloads: false, packed: false")],
  ["PCI", "      - use: pci\n      - use: virtio_net_pci\n"],
];

/** Both pairs of queues are used; after a reboot the network is there again, and so is the forwarded port. */
async function again(online: Online, page: (path: string) => Promise<Uint8Array>): Promise<void> {
  const { guest } = online;
  assertEquals(await online.command("ls -d /sys/class/net/eth0/queues/rx-* | wc -l"), "2");
  const interrupts = await online.command("cat /proc/interrupts | grep -c virtio");
  assert(Number(interrupts) >= 1);
  guest.type("reboot -f\n");
  await online.while(() => guest.stopped === undefined, "the reboot", 10_000).catch(() => {});
  await guest.machine.reboot("linux");
  guest.stopped = undefined;
  const from = guest.console.length;
  await online.while(() => !guest.console.slice(from).includes("\n# "), "the prompt after the reboot");
  await online.command("stty columns 300; dmesg -n 1");
  assertEquals(new TextDecoder().decode(await page("index.html")), "from the guest\n");
}

for (const [n, [way, onto]] of ways.entries()) {
  Deno.test({
    name: `Linux on a user-mode network: DHCP, ping, names, HTTP both ways, a forwarded port (${way})`,
    ignore: ignore || n > 0 && Deno.env.get("PLUGBOARD_LONG") === undefined,
    async fn() {
      const names = await nameServer();
      const http = httpServer();
      const sink = sinkServer();
      const forwarded = freePort();
      try {
        const network =
          `      - { use: user_network, host_access: true, name_server: "127.0.0.1:${names.port}", forward: ["tcp::${forwarded}-:80"] }\n`;
        const plain = changed(network, onto);
        const vcpus = way.startsWith("two") ? 2 : 1;
        const timed = way.startsWith("time") ? plain.replace("pcpus: 1", "time: host\npcpus: 1") : plain;
        const manifest = way === "PCI" ? timed.replace("  - use: generic_timer\n", "  - use: its\n  - use: generic_timer\n") : timed;
        using guest = await Session.start(manifest, {
          images: board.images,
          checksTables: false,
          set: { pcpus: String(vcpus), "domains.0.vcpus": String(vcpus) },
        });
        guest.until("\n# ");
        assertMatch(guest.console, /lease of 10\.0\.2\.15 obtained.* from 10\.0\.2\.2/);
        guest.command("stty columns 300; dmesg -n 1");
        const online = new Online(guest);

        assertMatch(await online.command("ping -c 3 10.0.2.2"), /3 packets transmitted, 3 packets received, 0% packet loss/);
        assertMatch(await online.command("ping -c 1 -W 1 192.0.2.1; ping -c 1 -W 1 10.0.2.3"), /100% packet loss[^]* 0% packet loss/);

        assertMatch(await online.command("nslookup known.example"), /Address: 192\.0\.2\.77/);
        assertMatch(await online.command("nslookup unknown.example"), /NXDOMAIN/);
        assertEquals([...new Set(names.asked)].sort(), ["known.example", "unknown.example"]);

        const url = `http://10.0.2.2:${http.port}/`;
        const sum = await online.command(`wget -q -O - ${url} | sha256sum`);
        assertEquals(sum.split(" ")[0], await sha256(http.whole), "the download");
        const sent = await online.command(`wget -q -O /root/file ${url}; nc 10.0.2.2 ${sink.port} < /root/file; echo`);
        assertEquals(sent, await sha256(http.whole), "the upload");

        // Nobody listens there; the host's other addresses aren't for guests.
        assertMatch(await online.command(`wget -q -O - http://10.0.2.2:${freePort()}/`), /refused/);
        for (const address of ["169.254.169.254", "224.0.0.1", "10.0.2.3", hostAddress()]) {
          assertMatch(await online.command(`nc -w 5 ${address} ${http.port} < /dev/null`), /can't connect|refused|unreach/i, address);
        }

        await online.command("cp /root/file /root/www/");
        const page = (path: string) => online.during(fetch(`http://127.0.0.1:${forwarded}/${path}`).then((answer) => answer.bytes()), path);
        assertEquals(new TextDecoder().decode(await page("index.html")), "from the guest\n");
        assertEquals(await sha256(await page("file")), await sha256(http.whole));
        const many = Array.from({ length: 8 }, () => fetch(`http://127.0.0.1:${forwarded}/index.html`).then((answer) => answer.text()));
        assertEquals(await online.during(Promise.all(many), "eight at a time"), new Array(8).fill("from the guest\n"));

        if (way.startsWith("two")) await again(online, page);
        assertEquals(await online.command("dmesg | grep -iE 'virtio_net|BUG|WARN' | grep -v 'virtio_net virtio0 eth0: renamed'"), "");
        assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /virtio d|failure/.test(kind)), []);
        assert(guest.machine.nowNs < 600e9);
      } finally {
        names.close();
        await sink.close();
        await http.close();
      }
    },
  });
}

Deno.test({
  name: "a run with the world in it repeats from its recording, to the instruction",
  ignore: ignore || Deno.env.get("PLUGBOARD_LONG") === undefined,
  async fn() {
    const http = httpServer();
    const manifest = changed("      - { use: user_network, host_access: true }\n", device(""))
      .replace("append: console=ttyAMA0", `append: console=ttyAMA0 download=http://10.0.2.2:${http.port}/`)
      .replace(/^( +)online\n/m, '$1online\n$1wget -q -O - "$download" | sha256sum\n$1poweroff -f\n');
    const recorded: RecordedSocketEvent[] = [];
    const run = async (options: SessionOptions) => {
      using guest = await Session.start(manifest, { images: board.images, checksTables: false, ...options });
      await new Online(guest).while(() => guest.stopped === undefined, "the end", 120_000).catch(() => {});
      return {
        console: guest.console,
        stopped: guest.stopped?.kind,
        instructions: guest.machine.stats.instructions,
        atNs: guest.machine.nowNs,
      };
    };
    const first = await run({ onSocketEvent: (event) => recorded.push(event) });
    await http.close();
    assertStringIncludes(first.console, await sha256(http.whole));
    assertEquals(first.stopped, "power-off");
    assertEquals(await run({ sockets: replaySockets(recorded) }), first);
  },
});

/** The board with two domains on one switch, and a gateway of their own on it. */
function pair(): string {
  const [head, domain] = changed("", "VIRTIO_NET\n").split("domains:\n");
  const named = (name: string, mac: number) =>
    domain
      .replace("name: linux", `name: ${name}`)
      .replace("size: 512MiB", "size: 256MiB")
      .replace("port: console", `port: ${name}`)
      .replace("VIRTIO_NET\n", device(`, mac: "52:54:00:00:00:0${mac}", switch: lan, mtu: 9000`));
  return head.replace("pcpus: 1", "pcpus: 2") + `  - use: network_switch\n  - { use: network_gateway, network: 10.1.0.0/16 }\n` +
    `domains:\n${named("one", 1)}${named("two", 2)}`;
}

Deno.test({
  name: "two Linux guests on a switch: leases from its gateway, ping, TCP both ways with segments of 64 KiB",
  ignore,
  async fn() {
    using guest = await Session.start(pair(), { images: board.images, checksTables: false });
    const prompts = () => [...guest.ports.values()].filter((text) => text.includes("\n# ")).length === 2;
    const type = (port: string, line: string, limitNs = 20e9) => {
      const from = guest.ports.get(port)!.length;
      guest.type(`${line}\n`, port);
      const said = () => guest.ports.get(port)!.slice(from);
      const endNs = guest.machine.nowNs + limitNs;
      while (!said().slice(said().indexOf("\n")).includes("\n# ")) {
        assert(guest.machine.nowNs < endNs, said().slice(-2000));
        guest.machine.runFor(1e6, Infinity);
      }
      return said().slice(said().indexOf("\n") + 1).replaceAll("\r", "").replace(/\n# [^]*$/, "").trim();
    };
    while (!prompts() && guest.machine.nowNs < 20e9) guest.machine.runFor(1e6, Infinity);
    const leases = [...guest.console.matchAll(/lease of (10\.1\.0\.1[56]) obtained/g)].map(([, address]) => address);
    assertEquals(leases.toSorted(), ["10.1.0.15", "10.1.0.16"]);
    for (const port of ["one", "two"]) type(port, "stty columns 300; dmesg -n 1");
    const [one, two] = ["one", "two"].map((port) => /10\.1\.0\.\d+/.exec(type(port, "ip addr show eth0"))![0]);
    assertMatch(type("one", `ping -c 2 ${two}; ping -c 1 10.1.0.2`), /2 packets received, 0% [^]* 1 packets received, 0%/);
    assertMatch(type("two", `ping -s 8900 -c 2 ${one}`), /2 packets received, 0%/);

    type("two", "dd if=/dev/urandom of=/root/file bs=64k count=16 2>/dev/null; ln -s ../file www/");
    const sum = type("two", "sha256sum < /root/file");
    assertEquals(type("one", `wget -q -O - http://${two}/file | sha256sum`), sum);
    type("one", "(nc -l -p 9 | sha256sum > /root/sum) &");
    type("two", `nc ${one} 9 < /root/file`);
    assertEquals(type("one", "cat /root/sum").split("\n")[0], sum);
    // Far fewer frames than of 1500 bytes, or of 9000: they went over whole.
    const packets = Number(/RX packets:(\d+)/.exec(type("one", "ifconfig eth0"))?.[1]);
    assert(packets < 2 * 2 ** 20 / 9000 * 2, `${packets} packets for two MiB`);
    assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /virtio d|failure|switch/.test(kind)), []);
  },
});
