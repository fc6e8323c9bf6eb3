/** Linux's virtio-net on a user-mode network and on a switch: DHCP, ping, names, HTTP both ways, forwarded ports. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createSocket } from "node:dgram";
import { debianBoard } from "./debian_images.ts";
import { Online } from "./online.ts";
import { Session } from "./session.ts";

const CLOUD = "deb:linux-image-6.1.0-*-cloud-arm64#";
/** In the order in which they need each other. */
const modules = [
  "drivers/virtio/virtio_ring",
  "drivers/virtio/virtio",
  "drivers/virtio/virtio_mmio",
  "drivers/virtio/virtio_pci_legacy_dev",
  "drivers/virtio/virtio_pci_modern_dev",
  "drivers/virtio/virtio_pci",
  "net/core/failover",
  "drivers/net/net_failover",
  "drivers/net/virtio_net",
];
const nameOf = (module: string) => module.split("/").at(-1);
const busybox = `              - { path: /bin/busybox, from: "deb:busybox-static#/bin/busybox" }\n`;
/** Sets up what DHCP says. */
const script = `              - path: /etc/lease
                mode: 0o755
                text: |
                  #!/bin/sh
                  [ "$1" = bound ] || exit 0
                  ip addr add $ip/$mask dev $interface
                  ip route add default via $router
                  echo nameserver $dns > /etc/resolv.conf
              - path: /bin/online
                mode: 0o755
                text: |
                  #!/bin/sh
                  dmesg -n 1
                  for m in ${modules.map(nameOf).join(" ")}; do insmod /lib/modules/$m.ko; done
                  ip link set lo up
                  ip link set eth0 up
                  [ -n "$1" ] && exec ip addr add $1 dev eth0
                  udhcpc -i eth0 -n -q -f -s /etc/lease 2>&1
`;
const files = modules.map((module) =>
  `              - { path: /lib/modules/${nameOf(module)}.ko, from: "${CLOUD}/lib/modules/*/kernel/${module}.ko" }\n`
).join("");

const board = await debianBoard("debian-cloud", [
  [busybox, busybox + files + script],
  ["vcpus: 2", "vcpus: 1"],
  ["pcpus: 2", "pcpus: 1"],
]);
const ignore = board.images === undefined;

const sha256 = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();

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

const devices = (network: string, transport: string) =>
  network +
  (transport === "pci" ? "      - use: virtio_net_pci\n" : `      - { use: virtio_net, at: 0x0a00_0000, interrupt: spi 16${transport} }\n`);

for (
  const [name, transport, whole] of [["mmio", "", true], ["legacy", ", legacy: true", false], [
    "no offloads",
    ", offloads: false, packed: false",
    false,
  ]] as const
) {
  Deno.test({
    name: `Linux on a user-mode network: DHCP, ping, names, HTTP both ways, a forwarded port (${name})`,
    ignore: ignore || !whole && Deno.env.get("PLUGBOARD_LONG") === undefined,
    async fn() {
      const names = await nameServer();
      const http = httpServer();
      const sink = sinkServer();
      const forwarded = freePort();
      try {
        const network =
          `      - { use: user_network, host_access: true, name_server: "127.0.0.1:${names.port}", forward: ["tcp::${forwarded}-:80"] }\n`;
        const manifest = board.manifest.replace("      - use: fdt\n", `${devices(network, transport)}      - use: fdt\n`);
        using guest = await Session.start(manifest, { images: board.images, checksTables: false });
        guest.until("\n# ");
        guest.command("stty columns 300");
        const online = new Online(guest);
        assertMatch(await online.command("online"), /lease of 10\.0\.2\.15 obtained.* from 10\.0\.2\.2/);

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

        await online.command(
          "mkdir -p /root/www; echo from the guest > /root/www/index.html; cp /root/file /root/www/; httpd -p 80 -h /root/www",
        );
        const page = (path: string) => online.during(fetch(`http://127.0.0.1:${forwarded}/${path}`).then((answer) => answer.bytes()), path);
        assertEquals(new TextDecoder().decode(await page("index.html")), "from the guest\n");
        assertEquals(await sha256(await page("file")), await sha256(http.whole));
        const many = Array.from({ length: 8 }, () => fetch(`http://127.0.0.1:${forwarded}/index.html`).then((answer) => answer.text()));
        assertEquals(await online.during(Promise.all(many), "eight at a time"), new Array(8).fill("from the guest\n"));

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
