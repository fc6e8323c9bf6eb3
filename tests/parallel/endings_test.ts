/** A run in parallel ends as one in turn does: the same exit codes, the same reports. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostilePrograms } from "../support/hostile_programs.ts";
import { runProgram } from "../support/program.ts";

for (const { name, program, args = [], code, says } of hostilePrograms) {
  Deno.test(`in parallel, a guest that ${name}`, async () => {
    const outcome = await runProgram(program, ["--parallel", ...args]);
    for (const text of says) assertStringIncludes(outcome.stderr, text);
    assertEquals(outcome.code, code, outcome.stderr);
    assert(!outcome.stderr.includes("at file://"), outcome.stderr);
  });
}
