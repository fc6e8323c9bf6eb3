/** What `check` finds beyond single options: each with the two places that it is about. */
import { assertEquals } from "@std/assert";
import { plugboard } from "../in_process.ts";

interface Found {
  readonly severity: string;
  readonly code: string;
  readonly title: string;
  readonly spans: readonly { readonly line: number; readonly text: string }[];
}

const root = new URL("../../", import.meta.url).pathname;

/** A board that is fine, with more lines for its guest. */
function board(guest: string, { format = "raw", backend = "  - use: vmsa", memory = "64MiB", vcpus = 1 } = {}): string {
  return `board: b
plugins:
  - use: cpu_a64
${backend}
  - use: scheduler_null
  - use: gicv3
  - use: generic_timer
  - use: psci
domains:
  - name: guest
    vcpus: ${vcpus}
    memory: ${memory}
    plugins:
      - use: fdt
      - use: linux_boot
        kernel: tour.bin
        format: ${format}
${guest}
`;
}

/** The findings, each as code, title, and the source lines that it shows. */
async function check(manifest: string, files: Readonly<Record<string, Uint8Array>> = {}): Promise<{ code: number; found: Found[] }> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/board.yaml`, manifest);
    await Deno.copyFile(`${root}examples/guests/tour/tour.bin`, `${folder}/tour.bin`);
    for (const [name, bytes] of Object.entries(files)) await Deno.writeFile(`${folder}/${name}`, bytes);
    const { code, stdout } = await plugboard("check", "--json", `${folder}/board.yaml`);
    return { code, found: JSON.parse(stdout).findings };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const shown = ({ severity, code, title, spans }: Found) => [severity, code, title, ...spans.map(({ text }) => text.trim())];

Deno.test("check: a good board has none", async () => {
  assertEquals(await check(board("      - use: pl011")), { code: 0, found: [] });
});

Deno.test("check: a device beyond the guest's addresses is out of reach; the place that ends them is shown too", async () => {
  const { code, found } = await check(
    board("      - use: pl011\n        at: 0x10_0000_0000", { backend: "  - use: vmsa\n    ipa_bits: 36" }),
  );
  assertEquals([code, found.map(shown)], [2, [[
    "error",
    "M0408",
    "pl011 (registers) is out of reach: it ends at 0x0010_0000_1000, and the addresses of domain guest end at 0x0010_0000_0000",
    "at: 0x10_0000_0000",
    "ipa_bits: 36",
  ]]]);
});

Deno.test("check: options that change nothing are warned of, with what keeps them from it", async () => {
  const { code, found } = await check(
    board("        load: 0x4010_0000\n        initrd_at: 0x4100_0000\n      - use: pl011", { format: "auto" }),
  );
  assertEquals([code, found.map(shown)], [0, [
    [
      "warning",
      "M0108",
      "load of linux_boot has no effect: it has one only where format is raw",
      "load: 0x4010_0000",
      "format: auto",
    ],
    [
      "warning",
      "M0108",
      "initrd_at of linux_boot has no effect: it has one only where initrd is given",
      "initrd_at: 0x4100_0000",
      "- use: linux_boot",
    ],
  ]]);
});

/** The blob of the tree that a board's guest gets. */
async function treeOf(manifest: string): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/board.yaml`, manifest);
    await Deno.copyFile(`${root}examples/guests/tour/tour.bin`, `${folder}/tour.bin`);
    const { code, stderr } = await plugboard("dtb", `${folder}/board.yaml`, "-o", `${folder}/dtb`);
    assertEquals(code, 0, stderr);
    return await Deno.readFile(`${folder}/dtb`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("check: a guest's own device tree that says what the board has is fine", async () => {
  const dtb = await treeOf(board("      - use: pl011"));
  assertEquals(await check(board("        dtb: own.dtb\n      - use: pl011"), { "own.dtb": dtb }), { code: 0, found: [] });
});

Deno.test("check: a guest's own device tree that says something else: RAM, CPUs, devices that aren't there, devices that it doesn't know", async () => {
  const dtb = await treeOf(board("      - use: pl011\n      - use: pl031", { memory: "128MiB", vcpus: 2 }));
  const { code, found } = await check(board("        dtb: own.dtb\n      - use: pl011\n      - use: pl061"), { "own.dtb": dtb });
  const tree = "dtb: own.dtb";
  assertEquals([code, found.map(shown)], [
    0,
    [
      ["the device tree has RAM at 0x4000_0000 to 0x47ff_ffff, not all of which is the RAM of domain guest", tree, "memory: 64MiB"],
      ["the device tree has 2 CPUs, domain guest has 1", tree, "vcpus: 1"],
      ["the device tree has /pl031@9010000 at 0x0901_0000 to 0x0901_0fff, where domain guest has nothing", tree, "plugins:"],
      ["the device tree doesn't have pl061, which is at 0x0903_0000 to 0x0903_0fff: the guest won't find it", tree, "- use: pl061"],
    ].map((texts) => ["warning", "M0704", ...texts]),
  ]);
});

Deno.test("check: images that go to one place, kernels that are none, and blobs that are none", async () => {
  const twice = await check(board("      - use: pl011\n      - use: load\n        image: tour.bin\n        at: 0x4008_1000"));
  assertEquals([twice.code, twice.found.map(shown)], [2, [[
    "error",
    "M0703",
    "an image of load and the kernel of linux_boot of domain guest go to one place",
    "at: 0x4008_1000",
    "kernel: tour.bin",
  ]]]);
  const none = await check(board("      - use: pl011", { format: "elf" }));
  assertEquals([none.code, none.found.map(({ code }) => code), none.found[0].spans[0].text.trim()], [2, ["M0702"], "kernel: tour.bin"]);
  const blob = await check(board("        dtb: tour.bin\n      - use: pl011"));
  assertEquals([blob.code, blob.found.map(({ code }) => code), blob.found[0].spans[0].text.trim()], [2, ["M0702"], "dtb: tour.bin"]);
});

Deno.test("check: more MPU regions than the CPU has, with both places", async () => {
  const devices = Array.from({ length: 12 }, (_, n) => ({ name: `d${n}`, at: 0xb000_0000 + n * 0x10_0000, size: 0x1000 }));
  const settings = [
    "--set",
    `plugins.pmsa.devices=${JSON.stringify(devices)}`,
    "--set",
    "plugins.cpu_a64.mpu_regions={ el1: 16, el2: 16 }",
  ];
  const { code, stdout } = await plugboard("check", "--json", "boards/fvp-baser.yaml", ...settings);
  const found: Found[] = JSON.parse(stdout).findings;
  assertEquals([code, found.length, found[0]?.spans.length], [2, 1, 2], stdout);
  assertEquals(found[0].spans[0].text.trim(), "- use: pmsa");
  assertEquals(found[0].spans[1].text, "--set plugins.cpu_a64.mpu_regions={ el1: 16, el2: 16 }");
});

Deno.test("check: two devices that open the same serial port, whichever domains they are in", async () => {
  const second = "      - use: pl011\n        at: 0x0901_0000\n        interrupt: spi 7";
  const one = await check(board(`      - use: pl011\n${second}`));
  assertEquals([one.code, one.found.map(shown)], [2, [[
    "error",
    "M0411",
    "pl011 of domain guest and pl011 of domain guest open the same serial port, console",
    "- use: pl011",
    "- use: pl011",
  ]]]);
  assertEquals((await check(board(`      - use: pl011\n${second}\n        port: other`))).code, 0);
  const domain = "  - name: two\n    memory: 8MiB\n    plugins:\n      - use: virtio_console\n        ports: [own, console]\n";
  const { code, found } = await check(board("      - use: pl011") + domain);
  assertEquals([code, found.map(({ title, spans }) => [title, spans[0].text.trim()])], [2, [[
    "virtio_console of domain two and pl011 of domain guest open the same serial port, console",
    "ports: [own, console]",
  ]]]);
});

Deno.test("check: a list written as a mapping is one mistake, and hides what its entries would be", async () => {
  const { code, found } = await check("board: b\nplugins:\n  cpu_a64: {}\ndomains:\n  - name: guest\n    memory: 64MiB\n");
  assertEquals([code, found.map(({ code, title }) => [code, title])], [2, [["M0103", "plugins is a mapping; want a list"]]]);
});

Deno.test("check: images that aren't there are told with the other mistakes, in the order of the file", async () => {
  const { code, found } = await check(
    board("        initrd: none.gz\n      - use: pl011\n        at: 0x801").replace("vcpus: 1", "vcpus: 0"),
  );
  assertEquals([code, found.map((one) => one.code)], [2, ["M0104", "M0701", "M0105"]]);
});
