/** The verb `check`: what it prints in each form, and how it ends. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { plugboard } from "../in_process.ts";

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
