/** What `check` says of networks that aren't there, and of options that can't be. */
import { assertEquals } from "@std/assert";
import { checkBoard } from "../core/mod.ts";
import { plugins } from "../plugins/mod.ts";

const board = (boardPlugins: string, domainPlugins: string) =>
  `board: network
pcpus: 1
memory:
  - { at: 0x4000_0000, size: 128MiB }
plugins:
  - use: cpu_a64
  - use: vmsa
  - use: scheduler_null
  - use: gicv3
${boardPlugins}domains:
  - name: guest
    vcpus: 1
    memory: [{ at: 0x4000_0000, size: 64MiB }]
    plugins:
${domainPlugins}`;

const lan = "  - { use: network_switch, segments: [lan, dmz] }\n";
const cases: [string, string, string, string[]][] = [
  ["its own network", "", "      - use: user_network\n      - use: virtio_net\n", []],
  ["a segment", lan, "      - { use: virtio_net, switch: dmz }\n", []],
  ["no network", lan, "      - use: virtio_net\n", ["the device has no network"]],
  ["no switch", "", "      - { use: virtio_net, switch: lan }\n", ["the board has no switch"]],
  ["no such segment", lan, "      - { use: virtio_net, switch: lam }\n", ['the switch has no segment "lam"; there is lan, dmz']],
];
for (const [name, boardPlugins, domainPlugins, wanted] of cases) {
  Deno.test(`check: a network device with ${name}`, async () => {
    const { findings } = await checkBoard(board(boardPlugins, domainPlugins), "board.yaml", { plugins });
    assertEquals(findings.map(({ title }) => title), wanted);
  });
}

const options: [string, boolean][] = [
  ["network: 192.168.7.0/24", true],
  ["network: 192.168.7.1/24", false],
  ["network: 10.0.0.0/30", false],
  ["network: nowhere", false],
  ["name_server: 192.0.2.53", true],
  ["name_server: dns.example", false],
  ['forward: ["tcp:127.0.0.1:2222-:22", "udp::0-10.0.2.20:53"]', true],
  ['forward: ["tcp:localhost:2222-:22"]', false],
  ['forward: ["sctp::1-:2"]', false],
  ['forward: ["tcp::70000-:2"]', false],
  ['forward: ["tcp::1-:0"]', false],
  ["mtu: 100", false],
];
for (const [option, good] of options) {
  Deno.test(`check: user_network with ${option} is ${good ? "fine" : "refused"}`, async () => {
    const { findings } = await checkBoard(board("", `      - { use: user_network, ${option} }\n      - use: virtio_net\n`), "board.yaml", {
      plugins,
    });
    assertEquals(findings.length === 0, good, findings.map(({ title }) => title).join());
  });
}

for (
  const [mac, good] of [["52:54:00:12:34:56", true], ["53:54:00:12:34:56", false], ["00:00:00:00:00:00", false], ["52:54:00:12:34", false]]
) {
  Deno.test(`check: a device with the address ${mac} is ${good ? "fine" : "refused"}`, async () => {
    const { findings } = await checkBoard(
      board("", `      - use: user_network\n      - { use: virtio_net, mac: "${mac}" }\n`),
      "board.yaml",
      { plugins },
    );
    assertEquals(findings.length === 0, good);
  });
}
