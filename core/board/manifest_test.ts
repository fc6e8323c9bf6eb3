import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { capability } from "../plugin/capability.ts";
import { CpuEngine } from "../arch/cpu_engine.ts";
import { renderFindings } from "./diagnostics.ts";
import { ManifestError } from "./errors.ts";
import { Interrupts } from "../arch/interrupts.ts";
import { checkBoard, loadBoard } from "./manifest.ts";
import type { Override } from "./manifest_overrides.ts";
import { parseOverride } from "./manifest_overrides.ts";
import { MemoryBackend } from "../memory/memory_backend.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { Plugin } from "../plugin/plugin.ts";
import { SchedulerPolicy } from "../schedule/scheduler_policy.ts";

const Foo = capability<number>("Foo");
const make = (name: string, more: Partial<Plugin>): Plugin => definePlugin({ name, doc: `${name}.`, options: {}, attach() {}, ...more });

const plugins: readonly Plugin[] = [
  make("cpu", {
    provides: [CpuEngine],
    options: { model: { kind: "choice", choices: ["cortex-a53", "cortex-a57"], doc: "CPU model.", default: "cortex-a57" } },
  }),
  make("vmsa", { provides: [MemoryBackend] }),
  make("rr", { provides: [SchedulerPolicy] }),
  make("gic", { provides: [Interrupts], resources: () => ({ windows: [{ name: "gicd", at: 0x0800_0000, size: 0x1_0000 }] }) }),
  make("gicx", { provides: [Interrupts] }),
  make("needy", { needs: [Foo] }),
  make("loader", {
    options: { kernel: { kind: "image", doc: "Kernel.", optional: true }, append: { kind: "text", doc: "Words.", default: "" } },
  }),
  make("uart", {
    needs: [Interrupts],
    options: {
      at: { kind: "address", doc: "Window.", align: 0x1000 },
      interrupt: { kind: "interrupt", doc: "Line." },
      port: { kind: "text", doc: "Port.", default: "console" },
      poll: { kind: "duration", doc: "Period.", default: "10ms" },
    },
    resources: ({ at, interrupt }) => ({
      windows: [{ name: "uart", at, size: 0x1000 }],
      interrupts: [{ name: "uart", intid: interrupt, trigger: "level" }],
    }),
  }),
];

const good = `board: good
plugins:
  - use: cpu
  - use: vmsa
  - use: rr
  - use: gic
domains:
  - name: linux
    vcpus: 2
    memory: 64MiB
    plugins:
      - use: uart
        at: 0x0900_0000
        interrupt: spi 1
      - use: loader
`;

const check = (text: string, overrides: Override[] = []) => checkBoard(text, "b.yaml", { plugins, overrides });

/** `code line:column` of each finding. */
async function codes(text: string, overrides: Override[] = []): Promise<string[]> {
  const { findings } = await check(text, overrides);
  return findings.map(({ code, spans }) => `${code} ${spans.map((span) => `${span.line}:${span.column}`).join(" ")}`);
}

Deno.test("a good manifest becomes a typed board with defaults", async () => {
  const { board, findings } = await check(good);
  assertEquals(findings, []);
  assert(board);
  assertEquals(board.name, "good");
  assertEquals(board.pcpus, 2);
  assertEquals(board.domains[0].memory, [{ at: 0x4000_0000, size: 64 << 20 }]);
  assertEquals(board.memory, [{ at: 0x4000_0000, size: 128 << 20 }]);
  assertEquals(board.domains[0].plugins[0].options, { at: 0x0900_0000, interrupt: 33, port: "console", poll: 10e6 });
  assertEquals(board.domains[0].plugins[0].path, ["domains", 0, "plugins", 0]);
});

Deno.test("ten different mistakes give ten findings with line and column", async () => {
  const text = `board: broken
pcpu: 2
time: wallclock
memory: [{ at: 0x4000_0000, size: 64MiB }]
plugins:
  - use: cpu
  - use: vmsaa
  - use: rr
  - use: gic
  - use: gicx
  - use: needy
domains:
  - name: linux
    vcpus: 99
    memory: 512MiB
    plugins:
      - use: uart
        interrupt: spi 1
      - { use: uart, at: 0x0900_0001, interrupt: spi 2 }
      - { use: uart, at: 0x0900_0000, interrupt: spy 3 }
`;
  assertEquals(await codes(text), [
    "M0101 2:1",
    "M0106 3:7",
    "M0201 7:10",
    "M0301 10:10 9:10",
    "M0302 11:10",
    "M0104 14:12",
    "M0407 15:13 4:9",
    "M0102 17:9",
    "M0105 19:26",
    "M0103 20:50",
  ]);
  const { board, findings } = await check(text);
  assertEquals(board, undefined);
  assertEquals(findings.map((finding) => finding.help).filter((help) => help?.startsWith("did you mean")), [
    "did you mean pcpus?",
    "did you mean vmsa?",
  ]);
});

const rows: [string, string, string, string[]][] = [
  ["two windows collide", "      - use: loader", "      - { use: uart, at: 0x0900_0000, interrupt: spi 2 }", ["M0401 15:26 13:13"]],
  ["a window in RAM", "at: 0x0900_0000", "at: 0x4010_0000", ["M0402 13:13 10:13"]],
  ["a window over a board plugin's window", "at: 0x0900_0000", "at: 0x0800_1000", ["M0401 13:13 6:10"]],
  ["ranges of RAM collide", "memory: 64MiB", "memory: [{ at: 0, size: 1MiB }, { at: 0x8_0000, size: 1MiB }]", ["M0403 10:37 10:14"]],
  ["an interrupt driven twice", "      - use: loader", "      - { use: uart, at: 0xa00_0000, interrupt: 33 }", ["M0404 15:49 14:20"]],
  ["an address above 48 bits", "at: 0x0900_0000", "at: 0x1_0000_0000_0000", ["M0406 13:13"]],
  ["a window that ends above 48 bits", "memory: 64MiB", "memory: { at: 0xffff_ffff_0000, size: 64MiB }", ["M0406 10:13"]],
  ["a capability that core needs", "  - use: rr\n", "", ["M0302 2:1"]],
  ["a board plugin in a domain", "      - use: loader", "      - use: vmsa", ["M0303 15:14"]],
  ["a plugin as text", "      - use: loader", "      - loader", ["M0103 15:9"]],
  ["a number where text belongs", "interrupt: spi 1", "interrupt: spi 1\n        port: 3", ["M0103 15:15"]],
  ["a unit that is missing", "interrupt: spi 1", "interrupt: spi 1\n        poll: 10", ["M0103 15:15"]],
  ["a key twice", "    vcpus: 2", "    vcpus: 2\n    vcpus: 3", ["M0003 10:5 9:5"]],
  ["a key of objects", "    vcpus: 2", "    __proto__: { vcpus: 2 }", ["M0006 9:5"]],
  ["no domains", "domains:", "domain:", ["M0102 1:1", "M0101 7:1"]],
  [
    "a domain name twice",
    "plugins:\n      - use: uart",
    "plugins: []\n  - name: linux\n    memory: 1MiB\n    plugins:\n      - use: uart",
    ["M0501 12:11 8:11"],
  ],
  ["a syntax error", "    vcpus: 2", "    vcpus: [2", ["M0002 10:5", "M0002 10:13"]],
];
for (const [name, from, to, want] of rows) {
  Deno.test(`finding: ${name}`, async () => {
    assertStringIncludes(good, from);
    assertEquals(await codes(good.replace(from, to)), want);
  });
}

Deno.test("anchors that multiply end at a limit, quickly", async () => {
  const bomb = `a0: &a0 [x]\n${Array.from({ length: 60 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join("\n")}\n`;
  const start = performance.now();
  assertMatch((await codes(bomb))[0], /^M0005/);
  assertMatch((await codes("[".repeat(50_000)))[0], /^M000[25]/);
  assertMatch((await codes(`board: ${"x".repeat(2 << 20)}`))[0], /^M0004/);
  assertMatch((await codes("a: &a [*a]"))[0], /^M000[25]/);
  assert(performance.now() - start < 2000);
});

Deno.test("whatever the text is, the check answers with findings and doesn't throw", async () => {
  for (
    const text of [
      "",
      "---\n---\n",
      "[]",
      "3",
      "null",
      "board",
      "domains: 3",
      "domains: [3]",
      "plugins: {}\ndomains: {}",
      "\u0000",
      "a: !!binary x",
      "? [a]\n: b",
      "%YAML 9.9\n---\na: 1",
      "domains: [{plugins: [{use: 3}, {use: []}, {}]}]",
      "memory: [[]]",
    ]
  ) {
    const { findings, board } = await check(text);
    assert(findings.length > 0, JSON.stringify(text));
    assertEquals(board, undefined);
    assertMatch(renderFindings(findings), /[1-9]\d* errors?, 0 warnings; nothing was started$/);
  }
});

Deno.test("overrides change values, by index and by name", async () => {
  const set = (text: string) => parseOverride("--set", text);
  const { board, findings } = await check(good, [
    set("domains.0.vcpus=4"),
    set("domains.linux.plugins.uart.at=0xa00_0000"),
    set("domains.linux.plugins.loader.append=1"),
    { flag: "--kernel", option: "kernel", value: "Image" },
    { flag: "-m", memory: "1GiB" },
  ]);
  assertEquals(findings, []);
  assertEquals(board?.domains[0].vcpus, 4);
  assertEquals(board?.domains[0].memory[0].size, 2 ** 30);
  assertEquals(board?.domains[0].plugins[0].options.at, 0x0a00_0000);
  assertEquals(board?.domains[0].plugins[1].options, { kernel: "Image", append: "1" });
});

Deno.test("a finding about an override says so", async () => {
  const { findings } = await check(good, [
    parseOverride("--set", "domains.linux.vcpus=lots"),
    parseOverride("--set", "domains.limux.vcpus=1"),
  ]);
  const text = renderFindings(findings);
  assertStringIncludes(text, "--set domains.linux.vcpus=lots");
  assertStringIncludes(text, "did you mean linux?");
  assertEquals(findings.map((finding) => finding.code).sort(), ["M0103", "M0601"]);
});

Deno.test("rendering: both lines, both carets, and no control characters", async () => {
  const { findings } = await check(
    good.replace("board: good", 'board: good\n"\\e[2Jx": 1').replace(
      "      - use: loader",
      "      - use: uart\n        at: 0x0900_0000\n        interrupt: spi 2",
    ),
  );
  const text = renderFindings(findings);
  assertStringIncludes(
    text,
    `error[M0401]: uart overlaps another uart in domain linux
  --> b.yaml:17:13
 17 |         at: 0x0900_0000
    |             ^^^^^^^^^^^ uart: 0x0900_0000 to 0x0900_0fff
 14 |         at: 0x0900_0000
    |             ----------- uart: 0x0900_0000 to 0x0900_0fff
`,
  );
  assertEquals(text.includes("\x1b"), false);
});

Deno.test("third-party plugins are imported relative to the manifest", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const source =
      `export const blink = { name: "blink", doc: "Blinks.", options: { rate: { kind: "integer", doc: "Hz." } }, attach() {} };`;
    await Deno.writeTextFile(`${directory}/blink.ts`, source);
    await Deno.writeTextFile(`${directory}/two.ts`, `${source}\nexport const other = { ...blink, name: "other" };`);
    await Deno.writeTextFile(`${directory}/none.ts`, "export const x = 1;");
    const file = `${directory}/board.yaml`;
    await Deno.writeTextFile(file, good.replace("- use: loader", "- { use: ./blink.ts, rate: 5 }"));
    const board = await loadBoard(file, { plugins });
    assertEquals(board.domains[0].plugins[1].plugin.name, "blink");
    assertEquals(board.domains[0].plugins[1].options, { rate: 5 });
    const bad = good.replace(
      "- use: loader",
      "- { use: ./two.ts }\n      - { use: ./none.ts }\n      - { use: ./missing.ts }\n      - { use: ./blink.ts }",
    );
    await Deno.writeTextFile(file, bad);
    const error = await assertRejects(() => loadBoard(file, { plugins }), ManifestError);
    assertEquals(error.findings.map((finding) => finding.code), ["M0205", "M0205", "M0204", "M0102"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a manifest that isn't there", async () => {
  const error = await assertRejects(() => loadBoard("/nonexistent/b.yaml", { plugins }), ManifestError);
  assertEquals(error.findings[0].code, "M0001");
});
