/** Guests that do what no guest should. Each ends with a report that says where, and the exit code that says what. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostilePrograms, POWER_OFF } from "../support/hostile_programs.ts";
import { runProgram } from "../support/program.ts";

for (const { name, program, args, code, says } of hostilePrograms) {
  Deno.test(`a guest that ${name}`, async () => {
    const outcome = await runProgram(program, args);
    for (const text of says) assertStringIncludes(outcome.stderr, text);
    assertEquals(outcome.code, code, outcome.stderr);
    assert(!outcome.stderr.includes("at file://"), "no stack trace: nothing of ours failed");
  });
}

Deno.test("expectations decide the exit code", async () => {
  // movz x1, #0x900, lsl #16; movz w0, #'A'; strb w0, [x1]
  const say = [0xd2a1_2001, 0x5280_0820, 0x3900_0020];
  assertEquals((await runProgram([...say, ...POWER_OFF], ["--expect", "A"])).code, 0);
  assertEquals((await runProgram([...say, ...POWER_OFF], ["--expect", "B"])).code, 1);
  assertEquals((await runProgram([...say, ...POWER_OFF], ["--fail", "A"])).code, 1);
  assertEquals((await runProgram([...say, ...POWER_OFF])).stdout, "A");
});
