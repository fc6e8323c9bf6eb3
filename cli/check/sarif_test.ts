/** SARIF logs, against what the standard says of every log, written down here a second time. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { checkBoard } from "../../core/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { rules } from "./rules.ts";
import { sarifLog } from "./sarif.ts";

// deno-lint-ignore no-explicit-any -- a log as a stranger reads it: JSON
type Json = any;

/** OASIS SARIF 2.1.0: the properties that the standard requires, and no others than those it knows for the objects that we write. */
function assertSarif(log: Json): void {
  const only = (value: Json, required: string[], optional: string[] = []) => {
    for (const name of required) assert(name in value, `no ${name} in ${JSON.stringify(value)}`);
    for (const name of Object.keys(value)) assert([...required, ...optional].includes(name), `${name} isn't of SARIF 2.1.0`);
  };
  const text = (message: Json) => {
    only(message, ["text"]);
    assert(typeof message.text === "string" && message.text !== "");
  };
  const place = ({ id, ...rest }: Json, lines: readonly string[]) => {
    assert(id === undefined || Number.isInteger(id) && id >= 0);
    only(rest, ["physicalLocation"], ["logicalLocations", "message"]);
    only(rest.physicalLocation, ["artifactLocation"], ["region"]);
    only(rest.physicalLocation.artifactLocation, ["uri"]);
    const { uri } = rest.physicalLocation.artifactLocation;
    assertMatch(uri, /^(file:\/\/\/)?[A-Za-z0-9._~%!'()*/-]+$/);
    assert(!uri.split("/").includes(".."), uri);
    if (rest.message) text(rest.message);
    for (const logical of rest.logicalLocations ?? []) only(logical, ["fullyQualifiedName", "kind"]);
    const { region } = rest.physicalLocation;
    if (!region) return;
    only(region, ["startLine", "startColumn", "endColumn", "snippet"]);
    text(region.snippet);
    assert(region.startLine >= 1 && region.startColumn >= 1 && region.endColumn > region.startColumn, JSON.stringify(region));
    assertEquals(region.snippet.text, lines[region.startLine - 1]);
  };
  only(log, ["version", "runs"], ["$schema"]);
  assertEquals(log.version, "2.1.0");
  for (const run of log.runs) {
    only(run, ["tool", "results"], ["invocations", "columnKind"]);
    only(run.tool, ["driver"]);
    only(run.tool.driver, ["name"], ["semanticVersion", "rules"]);
    assertMatch(run.tool.driver.semanticVersion, /^\d+\.\d+\.\d+/);
    assert(["utf16CodeUnits", "unicodeCodePoints"].includes(run.columnKind));
    for (const invocation of run.invocations) only(invocation, ["executionSuccessful"], ["exitCode"]);
    const ids = run.tool.driver.rules.map((rule: Json) => {
      only(rule, ["id"], ["shortDescription"]);
      text(rule.shortDescription);
      return rule.id;
    });
    assertEquals(new Set(ids).size, ids.length);
    for (const found of run.results) {
      only(found, ["message", "ruleId", "ruleIndex", "level", "locations"], ["relatedLocations"]);
      text(found.message);
      assertEquals(ids[found.ruleIndex], found.ruleId);
      assert(["none", "note", "warning", "error"].includes(found.level));
      assertEquals(found.locations.length, 1);
      for (const at of [...found.locations, ...found.relatedLocations ?? []]) place(at, manifest.split("\n"));
      const numbers = (found.relatedLocations ?? []).map(({ id }: Json) => id);
      assertEquals(new Set(numbers).size, numbers.length);
    }
  }
}

const manifest = `board: café
memory: 256MiB
plugins:
  - { use: cpu_a64 }
  - { use: vmsa }
  - { use: scheduler_fair }
  - { use: gicv3, distributor: 0x0800_0000, redistributors: 0x080a_0000 }
  - { use: generic_timer }
  - { use: psci, conduit: hvc }
domains:
  - name: one
    memory: [{ at: 0x4000_0000, size: 64MiB }]
    plugins:
      - { use: pl011, at: 0x0900_0000, interrupt: spi 1, port: console }
      - { use: pl011, at: 0x0900_0000, interrupt: spi 1, port: second }
      - { use: pl0111 }
`;
const directory = "/home/someone";

async function logOf(text: string, file = "boards/my board.yaml"): Promise<Json> {
  const overrides = [{ flag: "--set", path: "seed", value: "-1" }];
  const { findings } = await checkBoard(text, file, { plugins, overrides });
  assert(findings.length > 0);
  return JSON.parse(JSON.stringify(sarifLog([{ file, findings }], { version: "1.2.3", exitCode: 2, directory })));
}

Deno.test("sarif: a log with collisions, a slip of the pen and a value of the command line is valid", async () => {
  const log = await logOf(manifest);
  assertSarif(log);
  const [{ results, invocations }] = log.runs;
  assertEquals(invocations, [{ executionSuccessful: true, exitCode: 2 }]);
  const byRule = (id: string) => results.filter(({ ruleId }: Json) => ruleId === id);
  const [overlap] = byRule("M0401");
  assertEquals(overlap.locations[0].physicalLocation.artifactLocation.uri, "boards/my%20board.yaml");
  assertEquals(overlap.locations[0].physicalLocation.region.startLine, 15);
  assertEquals(overlap.relatedLocations.map(({ physicalLocation }: Json) => physicalLocation.region.startLine), [14]);
  const [interrupt] = byRule("M0404");
  assertEquals(interrupt.locations[0].physicalLocation.region.snippet.text.slice(...spanOf(interrupt)), "spi 1");
  assertStringIncludes(byRule("M0201")[0].message.text, "did you mean pl011?");
  const [seed] = byRule("M0104");
  assertEquals(seed.locations[0].logicalLocations, [{ fullyQualifiedName: "--set seed=-1", kind: "parameter" }]);
  assertEquals(seed.locations[0].physicalLocation.region, undefined);
});

function spanOf(found: Json): [number, number] {
  const { startColumn, endColumn } = found.locations[0].physicalLocation.region;
  return [startColumn - 1, endColumn - 1];
}

Deno.test("sarif: a manifest outside the working directory has a URL", async () => {
  for (const file of ["../boards/x.yaml", "/home/boards/x.yaml"]) {
    const log = await logOf(manifest, file);
    assertSarif(log);
    assertEquals(log.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri, "file:///home/boards/x.yaml");
  }
  const log = await logOf(manifest, "/home/someone/x.yaml");
  assertEquals(log.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri, "x.yaml");
});

Deno.test("sarif: a finding without a place is about the file", () => {
  const finding = { severity: "error", code: "M0001", title: "there is no file x.yaml", places: [], spans: [] } as const;
  const log = JSON.parse(JSON.stringify(sarifLog([{ file: "x.yaml", findings: [finding] }], { version: "1.2.3", exitCode: 2, directory })));
  assertSarif(log);
  assertEquals(log.runs[0].results[0].locations, [{ physicalLocation: { artifactLocation: { uri: "x.yaml" } } }]);
});

Deno.test("sarif: no findings are a valid log too", () => {
  const log = JSON.parse(JSON.stringify(sarifLog([{ file: "x.yaml", findings: [] }], { version: "1.2.3", exitCode: 0, directory })));
  assertSarif(log);
  assertEquals(log.runs[0].results, []);
});

Deno.test("sarif: every code of the source is in the catalogue, and no other", async () => {
  const codes = new Set<string>();
  const root = fromFileUrl(new URL("../..", import.meta.url));
  const visit = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) await visit(path);
      else if (/(?<!_test)\.ts$/.test(name) && path !== `${root}cli/check/rules.ts`) {
        for (const [code] of (await Deno.readTextFile(path)).matchAll(/\bM0[0-9]{3}\b/g)) codes.add(code);
      }
    }
  };
  for (const part of ["core", "plugins", "cli"]) await visit(root + part);
  // Examples in docstrings name codes that exist as well.
  assertEquals([...codes].sort(), Object.keys(rules).sort());
});
