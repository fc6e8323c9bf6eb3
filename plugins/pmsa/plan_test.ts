/** What `check` finds and prints, from manifests. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { checkBoard } from "../../core/mod.ts";
import type { Mapping } from "../../core/mod.ts";
import { definePlugin } from "../../core/mod.ts";
import { cpuA64 } from "../cpu_a64/mod.ts";
import { schedulerNull } from "../schedulers/mod.ts";
import { pmsa, pmsaDomain } from "./mod.ts";

const device: Mapping = { read: true, write: true, execute: false, type: "device-ngnre" };

/** Something that is mapped into its domain. */
const passed = definePlugin<{ at: number }, unknown>({
  name: "passed",
  doc: "A device that the guest reaches.",
  options: { at: { kind: "address", doc: "Where." } },
  resources: ({ at }) => ({ windows: [{ name: "", at, size: 0x1000, mapping: device }] }),
});

function manifest(domains: string, { memory = "[{ at: 0x4000_0000, size: 64MiB }]", regions = "", options = "" } = {}): string {
  return `board: test
pcpus: 1
memory: ${memory}
plugins:
  - use: cpu_a64
    model: cortex-r82${regions && `\n    mpu_regions: { el1: 16, el2: ${regions} }`}
  - use: scheduler_null
  - use: pmsa${options}
domains:
${domains}`;
}

async function check(text: string) {
  const { board, findings } = await checkBoard(text, "test.yaml", { plugins: [cpuA64, schedulerNull, pmsa, pmsaDomain, passed] });
  const report = board?.plugins.flatMap(({ plugin, options }) => plugin.resources?.(options, { board }).report ?? []) ?? [];
  return {
    findings: findings.map(({ title, spans }) => ({ title, lines: spans.map(({ line }) => line) })),
    help: findings[0]?.help,
    report,
  };
}

const one = "  - { name: a, memory: [{ at: 0x4000_0000, size: 16MiB }] }\n";

Deno.test("the table: every region, whose it is, and what was merged into it", async () => {
  const { findings, report } = await check(manifest(
    `  - name: a
    memory: [{ at: 0x4000_0000, size: 1MiB }, { at: 0x4010_0000, size: 1MiB }]
    plugins: [{ use: passed, at: 0x0900_0000 }, { use: passed, at: 0x0900_1000 }, { use: passed, at: 0x0a00_0000 }]
`,
    { options: "\n    devices: [{ name: uart, at: 0x0c00_0000, size: 4KiB }]", regions: "24" },
  ));
  assertEquals(findings, []);
  assertEquals(report, [
    "pmsa   8 of 24 MPU regions: hypervisor 5 (6 while booting), a 3 beside it",
    "       #0  0x43f8_0000..0x43fb_ffff  r-x normal-wb     hypervisor  text",
    "       #1  0x43fc_0000..0x43fd_0fff  r-- normal-wb     hypervisor  rodata + ro_after_init (merged)",
    "       #2  0x43fd_1000..0x43fd_ffff  rw- normal-wb     hypervisor  data",
    "       #3  0x43ff_0000..0x43ff_ffff  rw- normal-wb     hypervisor  bss",
    "       #4  0x0c00_0000..0x0c00_0fff  rw- device-ngnre  hypervisor  uart",
    "       #5  0x0900_0000..0x0900_1fff  rw- device-ngnre  a           passed + passed (merged)",
    "       #6  0x0a00_0000..0x0a00_0fff  rw- device-ngnre  a           passed",
    "       #7  0x4000_0000..0x401f_ffff  rwx normal-wb     a           RAM + RAM (merged)",
  ]);
});

Deno.test("over budget: how many, whose, and what could merge", async () => {
  const banks = [0, 2, 4].map((n) => `{ at: 0x4${n}0_0000, size: 1MiB }`).join(", ").replaceAll("0x4", "0x40");
  const text = manifest(`  - { name: rtos, memory: [${banks}] }\n`, { options: "\n    regions: 6" });
  const { findings, help } = await check(text);
  assertEquals(findings, [{
    title: "the board needs 7 MPU regions and the CPU has 6: the hypervisor takes 4, domain rtos 3",
    lines: [8, 5],
  }]);
  assertStringIncludes(help!, "these 3 of rtos could merge, if they lay side by side: RAM at 0x4000_0000..0x400f_ffff");
  assertEquals((await check(text.replace("regions: 6", "regions: 7"))).findings, []);
  const booting = await check(manifest(one, { options: "\n    regions: 4" }));
  assertStringIncludes(booting.findings[0].title, "needs 5 MPU regions and the CPU has 4");
});

Deno.test("domains are mapped directly: what an MPU can't do is found with its lines", async () => {
  const cases: [string, string, string, number[]][] = [
    ["RAM that the board hasn't", "  - { name: a, memory: [{ at: 0x8000_0000, size: 1MiB }] }\n", "isn't RAM of the board", [10, 3]],
    ["half outside", "  - { name: a, memory: [{ at: 0x43f0_0000, size: 2MiB }] }\n", "isn't RAM of the board", [10, 3]],
    ["two in one place", `${one}  - { name: b, memory: [{ at: 0x40f0_0000, size: 2MiB }] }\n`, "domains b and a have the same RAM", [
      11,
      10,
    ]],
    ["over the image", "  - { name: a, memory: [{ at: 0x43f0_0000, size: 1MiB }] }\n", "overlaps the hypervisor's image", [8, 10]],
  ];
  for (const [what, domains, title, lines] of cases) {
    const { findings } = await check(manifest(domains));
    const found = findings.find((finding) => finding.title.includes(title));
    assert(found, `${what}: ${JSON.stringify(findings)}`);
    assertEquals(found.lines.toSorted(), lines.toSorted(), what);
  }
  const outside = await check(manifest(one, { options: "\n    image_at: 0x1000" }));
  assertStringIncludes(outside.findings[0].title, "isn't whole pages of the board's RAM");
});

Deno.test("lists of sections and devices: what is wrong is said", async () => {
  for (
    const [options, wanted] of [
      ["devices: [{ name: u, at: 0x1000_0000, size: 65 }]", "a multiple of 0x40"],
      ["devices: [{ name: u, at: 0x1000_0000, size: 64, typ: x }]", "without typ"],
      ["devices: [{ name: u, at: 0x1000_0000, size: 64, type: x }]", "one of device-ngnrne"],
      ["devices: [{ name: u, at: 0xffff_ffff_ffc0, size: 128 }]", "above 48 bits"],
      ["devices: 7", "a list of { name, at, size, type }"],
      ["sections: []", "at least one section"],
      ["sections: [{ name: t, size: 4097, boot: rx, run: rx }]", "a multiple of 0x1000"],
      ["sections: [{ name: t, size: 4KiB, boot: rwx, run: rx }]", "one of rx, ro, rw"],
      ["sections: [{ name: t, size: 4KiB, boot: rx, run: rx }, { name: t, size: 4KiB, boot: ro, run: ro }]", "each name once"],
    ]
  ) assertStringIncludes((await check(manifest(one, { options: `\n    ${options}` }))).findings[0]?.title ?? "", wanted);
});
