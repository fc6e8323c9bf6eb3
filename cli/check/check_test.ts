/** The verb `check`: what it prints in each form, and how it ends. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { Finding } from "../../core/mod.ts";
import { plugboard } from "../in_process.ts";
import { annotations } from "./annotations.ts";

const tour = fromFileUrl(new URL("../../boards/tour.yaml", import.meta.url));

Deno.test("check --json: a board without mistakes", async () => {
  const { code, stdout, stderr } = await plugboard("check", "--json", tour);
  assertEquals([code, stderr, JSON.parse(stdout)], [0, "", { file: tour, ok: true, findings: [] }]);
});

Deno.test("check --json: a collision has two places with line and column", async () => {
  const { code, stdout } = await plugboard("check", "--json", tour, "--set", "domains.tour.plugins.pl011.at=0x0800_0000");
  const { ok, findings } = JSON.parse(stdout);
  assertEquals([code, ok, findings.length], [2, false, 1]);
  const [{ severity, spans }] = findings;
  assertEquals([severity, spans.length], ["error", 2]);
  assertEquals(spans[0].text, "--set domains.tour.plugins.pl011.at=0x0800_0000");
  assertStringIncludes(spans[1].text, "distributor: 0x0800_0000");
  assert(spans[1].line > 1 && spans[1].column > 1);
});

Deno.test("check --sarif: the log on standard output, and the same exit codes", async () => {
  const fine = await plugboard("check", "--sarif", tour);
  assertEquals([fine.code, fine.stderr, JSON.parse(fine.stdout).runs[0].results], [0, "", []]);
  const wrong = await plugboard("check", "--sarif", tour, "--set", "seed=-1");
  const [{ results, invocations }] = JSON.parse(wrong.stdout).runs;
  assertEquals([wrong.code, invocations[0].exitCode, results[0].ruleId], [2, 2, "M0104"]);
});

Deno.test("check: one form at a time", async () => {
  const { code, stdout } = await plugboard("check", "--sarif", "--json", tour);
  assertEquals([code, stdout], [2, ""]);
});

Deno.test("check: several boards, and folders of them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.yaml`, "board: a\nseed: -1\n");
    await Deno.writeTextFile(`${folder}/b.yaml`, "board: b\n");
    const text = await plugboard("check", folder, tour);
    assertEquals(text.code, 2);
    assertStringIncludes(text.stdout, `check  ok\n1 of 3 boards are fine; not ${folder}/a.yaml, ${folder}/b.yaml`);
    const json = await plugboard("check", "--json", folder, tour);
    const results: { file: string; ok: boolean }[] = JSON.parse(json.stdout);
    assertEquals([json.code, results.map(({ ok }) => ok)], [2, [false, false, true]]);
    const sarif = await plugboard("check", "--sarif", folder, tour);
    const [{ results: found }] = JSON.parse(sarif.stdout).runs;
    const files = found.map((one: { locations: { physicalLocation: { artifactLocation: { uri: string } } }[] }) =>
      one.locations[0].physicalLocation.artifactLocation.uri.split("/").at(-1)
    );
    assertEquals([...new Set(files)], ["a.yaml", "b.yaml"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("check: findings as GitHub Actions reads them", () => {
  const finding: Finding = {
    severity: "error",
    code: "M0401",
    title: "100 % wrong",
    help: "do\nthat",
    places: [],
    spans: [
      { file: "command line", line: 0, column: 1, length: 3, text: "--set x" },
      { file: "a,b:c.yaml", line: 7, column: 3, length: 4, text: "  abcd" },
    ],
  };
  assertEquals(annotations([finding], "a,b:c.yaml"), [
    "::error file=a%2Cb%3Ac.yaml,line=7,col=3,endColumn=7,title=M0401::100 %25 wrong%0Ahelp: do%0Athat",
  ]);
  assertEquals(annotations([{ ...finding, help: undefined, spans: [] }], "x.yaml"), ["::error file=x.yaml,title=M0401::100 %25 wrong"]);
});
