/** Memory that domains share, on page tables and behind an MPU: who sees what with which permission, what is left, and every mistake. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { checkBoard, Machine } from "../../core/mod.ts";
import type { Board, Domain } from "../../core/mod.ts";
import { domainPolicy } from "../domain_policy/mod.ts";
import { decodeFdt, fdt, findNode, textOf } from "../fdt/mod.ts";
import { DeviceTree } from "../fdt/contract.ts";
import { cpuA64 } from "../cpu_a64/mod.ts";
import { gicv3 } from "../gic/mod.ts";
import { pmsa, pmsaDomain } from "../pmsa/mod.ts";
import { schedulerNull } from "../schedulers/mod.ts";
import { vmsa } from "../vmsa/mod.ts";
import { staticShm } from "./mod.ts";

const plugins = [cpuA64, domainPolicy, fdt, gicv3, pmsa, pmsaDomain, schedulerNull, staticShm, vmsa];
const MAIL = 0x4100_0000;

interface World {
  readonly backend: "vmsa" | "pmsa";
  readonly cpu: string;
  readonly domain: string;
}
const worlds: readonly World[] = [
  { backend: "vmsa", cpu: "cpu_a64", domain: "[fdt]" },
  {
    backend: "pmsa",
    cpu: "cpu_a64, model: cortex-r82, mpu_regions: { el1: 32, el2: 32 }",
    domain: "[fdt, { use: pmsa_domain, el1: pmsa }]",
  },
];

/** `regions` begin at line 9. */
const board = ({ backend, cpu, domain }: World, regions: string, policy = "silo") =>
  `board: shm
memory: [{ at: 0x4000_0000, size: 32MiB }]
plugins:
  - { use: ${cpu} }
  - { use: ${backend} }
  - { use: domain_policy, mode: ${policy} }
  - use: static_shm
    regions:
${regions}
  - use: scheduler_null
  - use: gicv3
domains:
  - { name: one, memory: [{ at: 0x4000_0000, size: 1MiB }], plugins: ${domain.replace("fdt", "{ use: fdt }")} }
  - { name: two, memory: [{ at: 0x4020_0000, size: 1MiB }], plugins: ${domain.replace("fdt", "{ use: fdt }")} }
`;

const MAILBOX = `      - { id: mail, at: 0x4100_0000, size: 8KiB, domains: { one: { role: owner }, two: { access: read-only } } }`;

async function load(text: string): Promise<Board> {
  const { board, findings } = await checkBoard(text, "board.yaml", { plugins });
  assert(board !== undefined, findings.map(({ title }) => title).join());
  return board;
}

async function start(text: string): Promise<Machine> {
  const loaded = await load(text);
  return await Machine.create(loaded, { images: new Map(), onSerial: () => {} });
}
const domain = (machine: Machine, name: string): Domain => machine.domains.find((candidate) => candidate.name === name)!;

for (const world of worlds) {
  Deno.test(`${world.backend}: owner writes, borrower reads; references; zeroed when nobody has it`, async () => {
    const machine = await start(board(world, MAILBOX));
    const { memory } = machine;
    const one = domain(machine, "one").space.lookup(MAIL)!, two = domain(machine, "two").space.lookup(MAIL)!;
    assertEquals([one.pa, two.pa], [MAIL, MAIL]);
    assertEquals([one.mapping.write, two.mapping.write, one.mapping.execute, two.mapping.execute], [true, false, false, false]);
    // The board's, each domain's, and on page tables that of each mapping.
    const perDomain = world.backend === "vmsa" ? 2 : 1;
    assertEquals(memory.ownerOf(MAIL), { owner: "shared memory mail", references: 1 + 2 * perDomain });
    memory.view(MAIL, 4).set([1, 2, 3, 4]);
    const usage = new Map(memory.usage());
    for (let n = 0; n < 5; n++) await machine.reboot("two");
    assertEquals([memory.usage(), [...memory.view(MAIL, 4)]], [usage, [1, 2, 3, 4]]);
    machine.destroyDomain(domain(machine, "one"));
    assertEquals(memory.ownerOf(MAIL)?.references, 1 + perDomain);
    machine.destroyDomain(domain(machine, "two"));
    assertEquals([memory.ownerOf(MAIL)?.references, [...memory.view(MAIL, 4)]], [1, [0, 0, 0, 0]]);
    machine.dispose();
    assertEquals(memory.ownerOf(MAIL), undefined);
  });
}

Deno.test("vmsa: each domain at its own address, and the node that says so", async () => {
  const regions = `      - { id: mail, at: 0x4100_0000, size: 4KiB, domains: { one: { ipa: 0x3a00_0000 }, two: {} } }`;
  const text = board(worlds[0], regions);
  const loaded = await load(text);
  let blob!: Uint8Array;
  const spy = {
    name: "spy",
    doc: "",
    options: {},
    needs: [DeviceTree],
    // deno-lint-ignore no-explicit-any -- a plugin of a few lines
    attach: ({ domain, get }: any) => void (domain.name === "one" && (blob = get(DeviceTree).build([]))),
  };
  const machine = await Machine.create({ ...loaded, plugins: [...loaded.plugins, { plugin: spy, options: {}, path: [] }] }, {
    images: new Map(),
    onSerial: () => {},
  });
  assertEquals([domain(machine, "one").space.lookup(0x3a00_0000)?.pa, domain(machine, "two").space.lookup(MAIL)?.pa], [MAIL, MAIL]);
  const node = findNode(decodeFdt(blob).root, "/reserved-memory/xen-shmem@3a000000")!;
  assertEquals([textOf(node, "compatible"), textOf(node, "xen,id")], [["xen,shared-memory-v1"], ["mail"]]);
  // Nobody's writes reach the other's RAM through it.
  assertThrows(() =>
    domain(machine, "one").space.map(0x3a00_0000, MAIL, 4096, { read: true, write: true, execute: false, type: "normal-wb" })
  );
  machine.dispose();
});

Deno.test("a policy that denies what the manifest declares keeps the board from starting", async () => {
  const text = board(worlds[0], MAILBOX).replace("mode: silo", 'rules: [{ from: "*", to: one, deny: [shared_memory] }]');
  await assertRejects(() => start(text), Error, "the board's policy doesn't let two share mail with one");
});

Deno.test("check finds every mistake, with both lines where two things collide", async () => {
  const rows: readonly [world: number, regions: string, wanted: string][] = [
    [0, "{ id: mail, at: 0x4100_0000, size: 4KiB, domains: { three: {} } }", "9: there is no domain three to share with"],
    [0, "{ id: mail, at: 0x4100_0000, size: 4KiB, domains: {} }", "9: nobody has mail: domains says who, by name"],
    [0, "{ id: mail, at: 0x4100_0000, size: 0, domains: { one: {} } }", "9: size of a region isn't what it must be"],
    [0, "{ id: mail, at: 0x4100_0800, size: 4KiB, domains: { one: {} } }", "9: at of a region isn't what it must be"],
    [0, "{ id: mail, at: 0x4100_0000, size: 5KiB, domains: { one: {} } }", "9: size of a region isn't what it must be"],
    [0, "{ id: sixteen_letters_, at: 0x4100_0000, size: 4KiB, domains: { one: {} } }", "9: id of a region isn't what it must be"],
    [0, "{ id: mail, size: 4KiB, domains: { one: {} } }", "9: a region needs at"],
    [0, "{ id: mail, at: 0x4100_0000, size: 4KiB, domain: one, domains: { one: {} } }", "9: a region has no domain"],
    [0, "{ id: mail, at: 0x4100_0000, size: 4KiB, domains: { one: { role: lender } } }", "9: role of one's part isn't what it must be"],
    [0, "{ id: mail, at: 0x4100_0000, size: 4KiB, domains: { one: { acess: rw } } }", "9: one's part has no acess"],
    [0, "{ id: mail, at: 0x4100_0000, size: 4KiB, domains: [one] }", "9: nobody has mail: domains says who, by name"],
    [0, "7", "9: a region says id, at, size, domains by name"],
    [0, "{ id: mail, at: 0x4200_0000, size: 4KiB, domains: { one: {} } }", "9,2: mail, 0x4200_0000 to 0x4200_0fff, isn't RAM of the board"],
    [0, "{ id: mail, at: 0x41ff_f000, size: 8KiB, domains: { one: {} } }", "9,2: mail, 0x41ff_f000 to 0x4200_0fff, isn't RAM of the board"],
    [
      0,
      "{ id: mail, at: 0x4100_0000, size: 4KiB, domains: { one: { role: owner }, two: { role: owner } } }",
      "9,9: mail has one owner: one or two",
    ],
    [
      0,
      "{ id: mail, at: 0x4100_0000, size: 8KiB, domains: { one: {} } }\n      - { id: mail, at: 0x4101_0000, size: 4KiB, domains: { one: {} } }",
      "10,9: two regions are called mail",
    ],
    [
      0,
      "{ id: mail, at: 0x4100_0000, size: 8KiB, domains: { one: {} } }\n      - { id: post, at: 0x4100_1000, size: 4KiB, domains: { two: {} } }",
      "10,9: post, 0x4100_1000 to 0x4100_1fff, overlaps mail, 0x4100_0000 to 0x4100_1fff",
    ],
    [
      1,
      "{ id: mail, at: 0x4100_0000, size: 4KiB, domains: { one: { ipa: 0x3a00_0000 } } }",
      "9,9: mail can't be at 0x3a00_0000: an MPU translates nothing",
    ],
    [
      1,
      "{ id: mail, at: 0x4020_0000, size: 4KiB, domains: { one: {} } }",
      "9,14: mail lies in the RAM of two, 0x4020_0000 to 0x402f_ffff, which is its alone",
    ],
  ];
  for (const [world, regions, wanted] of rows) {
    const { findings } = await checkBoard(board(worlds[world], `      - ${regions}`), "board.yaml", { plugins });
    const lines = findings.map(({ title, spans }) => `${spans.map(({ line }) => line).join(",")}: ${title}`);
    assert(lines.includes(wanted), `${regions}\n${lines.join("\n")}`);
  }
  // A guest's own RAM is there already: the board's check of windows says so.
  const clash = "      - { id: mail, at: 0x4100_0000, size: 4KiB, domains: { one: { ipa: 0x4000_0000 } } }";
  const { findings } = await checkBoard(board(worlds[0], clash), "board.yaml", { plugins });
  assert(findings.some(({ title }) => /overlap/.test(title)), findings.map(({ title }) => title).join());
});
