/** What `check` finds beyond single options: each with the two places that it is about. */
import { assertEquals } from "@std/assert";
import { plugboard } from "./in_process.ts";

interface Found {
  readonly severity: string;
  readonly code: string;
  readonly title: string;
  readonly spans: readonly { readonly line: number; readonly text: string }[];
}

const root = new URL("../", import.meta.url).pathname;

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
