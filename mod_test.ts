/** The façade, as a stranger uses it. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { boot, definePlugin, ManifestError } from "./mod.ts";
import type { Plugin } from "./mod.ts";

/** `movz x0, #0x8400_0008 >> 16, lsl 16; movk x0, #8; hvc #0`: PSCI SYSTEM_OFF. */
const POWER_OFF = Uint8Array.of(0x00, 0x80, 0xb0, 0xd2, 0x00, 0x01, 0x80, 0xf2, 0x02, 0x00, 0x00, 0xd4);

const manifest = `board: tiny
plugins: [{ use: cpu_a64 }, { use: vmsa }, { use: scheduler_null }, { use: psci }]
domains:
  - name: guest
    memory: 16MiB
    plugins:
      - use: fdt
      - { use: linux_boot, kernel: guest.bin, format: raw }
      - { use: greeter, text: hello }
`;

const greeter: Plugin<{ text: string }, undefined> = definePlugin<{ text: string }, undefined>({
  name: "greeter",
  doc: "Traces a text at boot.",
  options: { text: { kind: "text", doc: "The text." } },
  attach: (context) => context.onBoot(() => context.trace("greeting", () => context.options.text)),
});

Deno.test("boot: a manifest as text, a plugin and an image of one's own; the guest powers off", async () => {
  const traced: string[] = [];
  const images = new Map([["guest.bin", POWER_OFF]]);
  const machine = await boot(manifest, { plugins: [greeter], images, onTrace: (kind, detail) => traced.push(`${kind}: ${detail}`) });
  try {
    assertEquals(machine.runFor(1e9, 5000), { kind: "power-off", domain: "guest", code: undefined });
    assertEquals(machine.stats.instructions, 3);
    assertEquals(traced.filter((line) => line.startsWith("greeting")), ["greeting: guest/greeter: hello"]);
  } finally {
    machine.dispose();
  }
});

Deno.test("boot: a manifest with mistakes starts nothing", async () => {
  const error = await assertRejects(() => boot(manifest, { set: { "domains.guest.vcpus": "0" } }), ManifestError);
  assertEquals(error.findings.map(({ code }) => code).sort(), ["M0104", "M0201"]);
  assertStringIncludes(error.message, "board.yaml: M0201: there is no plugin greeter");
  assert(error.findings.every(({ spans }) => spans.length > 0));
});
