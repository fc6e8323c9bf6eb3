/** SRAM regions: what a manifest may say, how they are mapped, who has them, and what is refused. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { checkBoard, definePlugin, PAGE_SIZE } from "../../core/mod.ts";
import type { Mapping, Platform, PlatformDevice, Plugin } from "../../core/mod.ts";
import { OutOfFramesError, Ram } from "../../core/memory/ram.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { cpuA64 } from "../cpu_a64/mod.ts";
import { gicv2 } from "../gic/mod.ts";
import { schedulerNull } from "../schedulers/mod.ts";
import { vmsa } from "../vmsa/mod.ts";
import { AttributeConflictError, DeviceMemory, mmioSram, status } from "./mod.ts";
import type { MmioSramOptions } from "./mod.ts";

/** Frames of the bench's RAM that its domain doesn't have: they stand in for an SRAM. */
const SRAM = 0x4018_0000;
const IPA = 0x1000_0000;

const rw = (type: Mapping["type"]): Mapping => ({ read: true, write: true, execute: false, type });
const attach = (kit: Bench, ...regions: unknown[]) => kit.attach(mmioSram, { regions } as unknown as MmioSramOptions, { boardScope: true });
const mapped = (kit: Bench, ipa: number) => kit.domain.space.lookup(ipa);

Deno.test("the binding's defaults: Normal-NC, Device-nGnRE with no-memory-wc, never executable unless asked or code", async () => {
  const rows: [region: Record<string, unknown>, mapping: Mapping][] = [
    [{}, rw("normal-nc")],
    [{ no_memory_wc: true }, rw("device-ngnre")],
    [{ type: "normal-wb" }, rw("normal-wb")],
    [{ no_memory_wc: true, type: "device-gre" }, rw("device-gre")],
    [{ permissions: "rx" }, { read: true, write: false, execute: true, type: "normal-nc" }],
    [{ type: "normal-wt", permissions: "rwx" }, { read: true, write: true, execute: true, type: "normal-wt" }],
  ];
  for (const [region, mapping] of rows) {
    using kit = bench({ memory: { at: 0x4000_0000, size: 0x10_0000 } });
    await attach(kit, { at: SRAM, size: PAGE_SIZE, ipa: IPA, ...region });
    assertEquals(mapped(kit, IPA), { pa: SRAM, mapping }, JSON.stringify(region));
  }
});

Deno.test("code runs from a section that is for code, and from no other page", async () => {
  using kit = bench();
  const children = [{ at: 0x1000, size: 0x1000, protect_exec: true }, { at: 0x2000, size: 0x40, export: true }];
  await attach(kit, { at: SRAM, size: 0x3000, children });
  assertEquals([0, 0x1000, 0x2000].map((offset) => mapped(kit, SRAM + offset)?.mapping.execute), [false, true, false]);
});

Deno.test("frames have one owner while the domain lives, are scrubbed after it, and come back", async () => {
  const kit = bench();
  const free = kit.memory.freeFrames;
  await attach(kit, { at: SRAM, size: 0x2000 });
  assertEquals(kit.memory.ownerOf(SRAM)?.owner, "guest (sram@40180000)");
  assertThrows(() => kit.memory.allocateAt("somebody", SRAM + 0x1000, PAGE_SIZE), Error, "belongs to guest (sram@40180000)");
  kit.memory.view(SRAM, 4).set([1, 2, 3, 4]);
  kit.scope.close((owner, hook, error) => {
    throw new Error(`${owner} ${hook}`, { cause: error });
  });
  assertEquals([kit.memory.ownerOf(SRAM), mapped(kit, SRAM), kit.memory.freeFrames], [undefined, undefined, free]);
  kit.memory.allocateAt("next", SRAM, PAGE_SIZE);
  assertEquals([...kit.memory.view(SRAM, 4)], [0, 0, 0, 0]);
  kit.domain.destroy();
});

Deno.test("memory beside RAM is taken by address, and never handed out", () => {
  const ram = new Ram([{ at: 0x4000_0000, size: 0x2000 }], [{ at: IPA, size: 0x4000 }]);
  assertEquals([ram.freeFrames, ram.isRam(IPA, 0x4000)], [2, true]);
  assertEquals([ram.allocate("a", 0), ram.allocate("a", 0)], [0x4000_0000, 0x4000_1000]);
  assertThrows(() => ram.allocate("a", 0), OutOfFramesError);
  ram.allocateAt("b", IPA, 0x4000);
  ram.release("b", IPA, 0x4000);
  assertThrows(() => ram.allocate("a", 0), OutOfFramesError);
  assertEquals(ram.freeFrames, 0);
});

Deno.test("content that is kept stays in frames that nobody else can have", async () => {
  using kit = bench();
  await attach(kit, { at: SRAM, size: 0x1000, keep: true });
  kit.memory.view(SRAM, 1)[0] = 7;
  kit.scope.close(() => {});
  assertThrows(() => kit.memory.allocateAt("somebody", SRAM, PAGE_SIZE), Error, "belongs to guest");
  const use = { plugin: mmioSram, options: { regions: [{ at: SRAM, size: 0x1000, keep: true }], nodes: false }, path: ["bench"] };
  await kit.host.attachOne(use, kit.scope);
  assertEquals([mapped(kit, SRAM)?.pa, kit.memory.view(SRAM, 1)[0]], [SRAM, 7]);
});

/** A board's text; `regions` as YAML flow. */
const board = (regions: string, domains = "a, b") =>
  `board: test
memory: [{ at: 0x4000_0000, size: 64MiB }]
plugins:
  - use: cpu_a64
  - use: vmsa
  - use: scheduler_null
  - use: gicv2
  - use: mmio_sram
    regions:
${regions.split("\n").map((line) => `      - ${line}`).join("\n")}
domains:
${domains.split(", ").map((name) => `  - { name: ${name}, memory: [{ at: 0x4000_0000, size: 4MiB }] }`).join("\n")}
`;

const plugins: Plugin[] = [cpuA64, vmsa, schedulerNull, gicv2, mmioSram];

async function findings(text: string, platform?: Platform): Promise<string[]> {
  const found = await checkBoard(text, "board.yaml", { plugins, readPlatform: () => Promise.resolve(platform!) });
  return found.findings.map(({ title, spans }) => `${spans[0]?.line}: ${title}`);
}

Deno.test("mistakes of regions are found by check, with their line and the node's name", async () => {
  const rows: [regions: string, ...findings: string[]][] = [
    ["{ at: 0x1000_0000, size: 8KiB, domain: a }"],
    ["{ at: 0x1000_0000, size: 8KiB }", "10: sram@10000000: whose is it? There are 2 domains"],
    ["{ at: 0x1000_0000, size: 8KiB, domain: c }", "10: sram@10000000: there is no domain c"],
    ["{ at: 0x1000_0000, size: 0, domain: a }", "10: size of a region is 0; want at least 0x1000"],
    ["{ at: 0x1000_0000, size: 6KiB, domain: a }", '10: size of a region is "6KiB"; want a multiple of 0x1000'],
    ["{ at: 0x1000_0000, domain: a }", "10: a region needs size, or node"],
    ["{ at: 0x1000_0000, size: 4KiB, domain: a, typ: normal-wb }", "10: a region has no option typ"],
    [
      "{ at: 0x1000_0000, size: 4KiB, domain: a, permissions: xr }",
      '10: permissions of a region is "xr"; want r, rw, rx or rwx',
    ],
    ["7", "10: a region isn't a mapping"],
    ["{ node: /sram, domain: a }", "10: the board has no platform that could have nodes"],
    [
      "{ at: 0x1000_0000, size: 4KiB, domain: a, children: [{ at: 0xfc0, size: 0x80 }] }",
      "10: sram@10000000: sram-section@fc0 reaches from 0x1000_0fc0 to 0x1000_103f, outside the SRAM",
    ],
    [
      "{ at: 0x1000_0000, size: 4KiB, domain: a, children: [{ at: 0x80, size: 0x80 }, { at: 0, size: 0x81 }] }",
      "10: sram@10000000: sram-section@80 overlaps sram-section@0",
    ],
    [
      "{ at: 0x1000_0000, size: 4KiB, domain: a, children: [{ at: 0, size: 0 }] }",
      "10: sram@10000000: sram-section@0 has no bytes",
    ],
    [
      "{ at: 0x1000_0000, size: 4KiB, domain: a, children: [{ at: 0, size: 0x800, protect_exec: true }] }",
      "10: sram@10000000: sram-section@0 is for code, and isn't made of whole pages",
    ],
    [
      "{ at: 0x1000_0000, size: 4KiB, domain: a }\n{ at: 0x1000_0000, size: 4KiB, domain: b }",
      "11: sram@10000000: a and b have the same physical pages",
    ],
    [
      "{ at: 0x1000_0000, size: 4KiB, domain: a, shared: true }\n{ at: 0x1000_0000, size: 4KiB, domain: b, shared: true, type: normal-wb }",
      "11: sram@10000000: a maps the same physical pages as normal-nc, b as normal-wb: aliases of one page must agree",
    ],
    ["{ at: 0x1000_0000, size: 4KiB, domain: a, shared: true }\n{ at: 0x1000_0000, size: 4KiB, domain: b, shared: true }"],
    [
      "{ at: 0x1000_0000, size: 4KiB, domain: a, type: device-ngnre, permissions: rwx }",
      "10: sram@10000000: code in Device memory is CONSTRAINED UNPREDICTABLE: a CPU may refuse to fetch it",
    ],
  ];
  for (const [regions, ...expected] of rows) assertEquals(await findings(board(regions)), expected, regions);
});

Deno.test("an SRAM can't lie in RAM, nor in frames of the interrupt controller as memory", async () => {
  const inRam = await findings(board("{ at: 0x4000_0000, size: 4KiB, ipa: 0x1000_0000, domain: a }"));
  assert(inRam.some((title) => title.includes("mmio_sram (sram@40000000) overlaps the board's RAM")), inRam.join("\n"));
  const inGic = await findings(board("{ at: 0x0804_0000, size: 4KiB, ipa: 0x1000_0000, domain: a }"));
  assert(inGic.includes("10: sram@8040000: the interrupt controller has frames at 0x0804_0000; they can't be normal-nc"), inGic.join("\n"));
});

const NOTHING = new Uint8Array(0);
const device = (path: string, more: Partial<PlatformDevice>): PlatformDevice => ({
  path,
  role: "sram",
  compatible: ["acme,tcm", "mmio-sram"],
  windows: [{ at: IPA, size: 0x4000 }],
  detail: "",
  properties: { ranges: NOTHING },
  children: [],
  ...more,
});
const section = (at: number, size: number, more: Partial<PlatformDevice> = {}) =>
  device(`/soc/tcm/s@${at.toString(16)}`, { compatible: [], windows: [{ at, size }], ...more });
const platform = (...devices: PlatformDevice[]): Platform => ({
  model: "test",
  cpus: 1,
  memory: [],
  reserved: [],
  devices,
  problems: [],
  report: [],
});

Deno.test("nodes of a platform: what its blob has wrong is named", async () => {
  const rows: [node: PlatformDevice, ...findings: string[]][] = [
    [device("/soc/tcm", {})],
    [device("/soc/tcm", { properties: {}, children: [section(IPA, 0x100)] }), "10: tcm: it has sections, and its ranges is missing"],
    [
      device("/soc/tcm", { windows: [{ at: IPA, size: 0x400 }] }),
      "10: tcm: 0x1000_0000 with 0x400 bytes isn't made of whole pages of 4 KiB: stage 2 can't map it alone",
    ],
    [device("/soc/tcm", { windows: [{ at: IPA, size: 0 }] }), "10: tcm: its size is zero"],
    [device("/soc/tcm", { windows: [] }), "10: tcm: its reg has 0 ranges that the CPU reaches; want one"],
    [
      device("/soc/tcm", { children: [section(IPA + 0x3000, 0x1001)] }),
      "10: tcm: s@10003000 reaches from 0x1000_3000 to 0x1000_4000, outside the SRAM",
    ],
    [device("/soc/other", {}), "10: the platform has no SRAM /soc/tcm"],
  ];
  for (const [node, ...expected] of rows) {
    const text = board("{ node: /soc/tcm, domain: a }").replace("memory:", "platform: { dtb: x }\nmemory:").replace(
      "memory: [{ at: 0x4000_0000, size: 64MiB }]\n",
      "",
    );
    assertEquals(await findings(text, platform(node)), expected, JSON.stringify(node));
  }
});

Deno.test("a third party decides about nodes by their compatible; sections inherit unless matched; the manifest goes over it", async () => {
  const tcm = definePlugin<Record<never, never>, undefined>({
    name: "tcm",
    doc: "",
    options: {},
    needs: [DeviceMemory],
    setup({ get }) {
      get(DeviceMemory).register("acme,tcm", (_node, inherited) => ({ ...inherited, type: "normal-wb", execute: true }));
      get(DeviceMemory).register("acme,mailbox", (_node, inherited) => ({ ...inherited, type: "device-ngnrne", execute: false }));
      assertThrows(() => get(DeviceMemory).register("acme,tcm", () => undefined), Error, "already");
    },
  });
  const children = [{ at: 0x1000, size: 0x1000 }, { at: 0x2000, size: 0x1000, compatible: "acme,mailbox" }];
  for (const [permissions, execute] of [[undefined, true], ["rw", false]] as const) {
    using kit = bench();
    const options = { regions: [{ at: SRAM, size: 0x3000, compatible: "acme,tcm", permissions, children }], nodes: false };
    await kit.host.setupOne({ plugin: mmioSram, options, path: ["bench"] });
    await kit.attach(tcm, {}, { boardScope: true });
    await kit.host.attachOne({ plugin: mmioSram, options, path: ["bench"] }, kit.scope);
    const found = [0, 0x1000, 0x2000].map((offset) => mapped(kit, SRAM + offset)!.mapping);
    assertEquals(found.map(({ type }) => type), ["normal-wb", "normal-wb", "device-ngnrne"]);
    assertEquals(found.map((mapping) => mapping.execute), [execute, execute, false]);
  }
});

Deno.test("a section with a mapping of its own is made of whole pages", async () => {
  using kit = bench();
  const options = { regions: [{ at: SRAM, size: 0x1000, children: [{ at: 0, size: 0x40, compatible: "acme,box" }] }], nodes: false };
  await kit.host.setupOne({ plugin: mmioSram, options, path: ["bench"] });
  kit.get(DeviceMemory).register("acme,box", (_node, inherited) => ({ ...inherited, type: "device-ngnre" }));
  await assertRejects(
    () => kit.host.attachOne({ plugin: mmioSram, options, path: ["bench"] }, kit.scope),
    Error,
    "isn't made of whole pages",
  );
});

Deno.test("one page isn't Normal here and Device there: domains, EL2, and the functions", async () => {
  using kit = bench();
  await attach(kit, { at: SRAM, size: 0x2000 });
  const memory = kit.get(DeviceMemory);
  assertThrows(() => memory.claim(SRAM + 0x1000, 0x1000, "normal-wb", "EL2"), AttributeConflictError, "aliases of one page must agree");
  assertThrows(() => memory.claim(SRAM, 0x1000, "device-ngnre", "EL2"), AttributeConflictError);
  memory.claim(SRAM, 0x1000, "normal-nc", "EL2");
  memory.release(SRAM, 0x1000, "EL2");
  memory.permit(kit.domain, SRAM, 0x2000);
  const request = { firstGfn: 0x2_0000, firstMfn: SRAM / PAGE_SIZE, count: 1, add: true } as const;
  assertEquals(memory.memoryMapping(kit.domain, { ...request, type: "normal-wb" }), status.EBUSY);
  assertEquals(memory.memoryMapping(kit.domain, { ...request, type: "normal-nc" }), status.ok);
});

Deno.test("memory mapping with an attribute: all or nothing, with Xen's numbers for what is wrong", async () => {
  using kit = bench();
  await attach(kit);
  const memory = kit.get(DeviceMemory);
  const pa = 0x900_0000;
  memory.permit(kit.domain, pa, 0x2000);
  memory.permit(kit.domain, pa + 0x2000, 0x1000);
  const first = { firstGfn: 0x1_0000, firstMfn: pa / PAGE_SIZE, count: 3, add: true, type: "device-gre" } as const;
  const rows: [Partial<Parameters<typeof memory.memoryMapping>[1]>, number][] = [
    [{ count: 0 }, status.EINVAL],
    [{ count: -1 }, status.EINVAL],
    [{ count: 0.5 }, status.EINVAL],
    [{ firstGfn: 2 ** 36 - 2 }, status.EINVAL],
    [{ firstMfn: 2 ** 36 - 2 }, status.EINVAL],
    [{ firstGfn: NaN }, status.EINVAL],
    [{ firstMfn: 0x8fff }, status.EPERM],
    [{ count: 4 }, status.EPERM],
    [{ add: false }, status.EINVAL],
    [{}, status.ok],
    [{}, status.EBUSY],
    [{ type: "normal-nc", firstGfn: 0x3_0000 }, status.EBUSY],
    [{ add: false, count: 2 }, status.EINVAL],
    [{ add: false, firstGfn: 0x1_0001, count: 2 }, status.EINVAL],
    [{ add: false }, status.ok],
    [{ add: false }, status.EINVAL],
    [{ type: "normal-nc", firstGfn: 0x3_0000 }, status.ok],
  ];
  for (const [change, expected] of rows) {
    const before = kit.domain.space.lookup(0x1000_0000);
    assertEquals(memory.memoryMapping(kit.domain, { ...first, ...change }), expected, JSON.stringify(change));
    if (expected !== status.ok) assertEquals(kit.domain.space.lookup(0x1000_0000), before);
  }
  assertEquals(mapped(kit, 0x3000_2000), { pa: pa + 0x2000, mapping: rw("normal-nc") });
});

Deno.test("a device's frame for a domain: the reserved field says the attribute", async () => {
  using kit = bench();
  await attach(kit);
  const memory = kit.get(DeviceMemory);
  memory.permit(kit.domain, 0x900_0000, 0x10_0000);
  for (const [attribute, type] of [[0, "device-ngnre"], [3, "device-gre"], [6, "normal-wb"]] as const) {
    assertEquals(memory.mapDeviceMmio(kit.domain, 0x9000 + attribute, 0x1_0000 + attribute, attribute), status.ok);
    assertEquals(mapped(kit, 0x1000_0000 + attribute * PAGE_SIZE), { pa: 0x900_0000 + attribute * PAGE_SIZE, mapping: rw(type) });
  }
  for (const attribute of [7, -1, 0.5]) assertEquals(memory.mapDeviceMmio(kit.domain, 0x9010, 0x1_0010, attribute), status.EOPNOTSUPP);
  assertEquals(memory.mapDeviceMmio(kit.domain, 0x8000, 0x1_0010, 0), status.EPERM);
});

Deno.test("an interrupt controller's frames are never relaxed", async () => {
  const gic = device("/gic", { role: "interrupt controller", windows: [{ at: 0x800_0000, size: 0x1_0000 }] });
  using kit = bench({ board: { platform: platform(gic) } });
  await attach(kit);
  const memory = kit.get(DeviceMemory);
  memory.permit(kit.domain, 0x800_0000, 0x1_0000);
  const results = Array.from(
    { length: 7 },
    (_, attribute) => memory.mapDeviceMmio(kit.domain, 0x8000 + attribute, 0x1_0000 + attribute, attribute),
  );
  const { ok, EPERM } = status;
  assertEquals(results, [ok, ok, EPERM, EPERM, EPERM, EPERM, EPERM]);
});
