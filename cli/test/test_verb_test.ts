/** `test`: which boards run where, what their codes become, and what CI systems read of them. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DOMParser } from "@xmldom/xmldom";
import type { Element } from "@xmldom/xmldom";
import { plugboard } from "../in_process.ts";
import { junitXml } from "./junit.ts";
import type { Tested } from "./case.ts";
import { boardFiles } from "../board/files.ts";
import { parseShard, shardOf } from "./plan.ts";
import { exitCodeOfAll, tail, testedLines } from "./report.ts";

const tested = (code: number, more: Partial<Tested> = {}): Tested => ({
  file: `boards/b${code}.yaml`,
  code,
  outcome: "it ended",
  wallMs: 1500,
  console: "",
  messages: "",
  ...more,
});

const codes: [number[], number][] = [
  [[], 0],
  [[0, 0], 0],
  [[0, 1], 1],
  [[0, 7], 7],
  [[7, 0, 9], 1],
  [[1, 4], 4],
  [[1, 4, 3], 3],
  [[3, 2, 1], 2],
  [[130, 2], 130],
];
for (const [each, all] of codes) {
  Deno.test(`test: boards that end with ${each.join(", ") || "nothing"} make ${all}`, () =>
    assertEquals(exitCodeOfAll(each.map((code) => tested(code))), all));
}

Deno.test("test: shards have every board once, also when there are more shards than boards", () => {
  const boards = ["a", "b", "c", "d", "e"];
  for (const count of [1, 2, 3, 5, 8]) {
    const parts = Array.from({ length: count }, (_, index) => shardOf(boards, parseShard(`${index + 1}/${count}`)));
    assertEquals(parts.flat().sort(), boards, `${count} shards`);
  }
  for (const text of ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3"]) assertThrows(() => parseShard(text), Error, "want i/n");
});

Deno.test("test: a folder stands for its boards, and no board is there twice", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of ["b.yaml", "a.yml", "readme.md"]) await Deno.writeTextFile(`${folder}/${name}`, "");
    assertEquals(await boardFiles([`${folder}/b.yaml`, folder, "x.yaml"]), [`${folder}/b.yaml`, `${folder}/a.yml`, "x.yaml"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** The elements that readers of JUnit XML know, and what may stand in each. */
const grammar: Readonly<Record<string, { readonly attributes: readonly string[]; readonly children: readonly string[] }>> = {
  testsuites: { attributes: ["name", "tests", "failures", "errors", "time"], children: ["testsuite"] },
  testsuite: {
    attributes: ["name", "tests", "failures", "errors", "skipped", "time", "timestamp"],
    children: ["testcase"],
  },
  testcase: { attributes: ["name", "classname", "file", "time"], children: ["failure", "error", "system-out"] },
  failure: { attributes: ["message", "type"], children: [] },
  error: { attributes: ["message", "type"], children: [] },
  "system-out": { attributes: [], children: [] },
};

function parse(xml: string): Element {
  const problems: string[] = [];
  const document = new DOMParser({ onError: (_level, message) => void problems.push(message) }).parseFromString(xml, "text/xml");
  assertEquals(problems, []);
  const walk = (element: Element) => {
    const rule = grammar[element.tagName];
    for (const { name } of [...element.attributes]) assertEquals(rule.attributes.includes(name), true, `${element.tagName} ${name}`);
    for (const child of [...element.childNodes]) {
      if (child.nodeType !== 1) continue;
      assertEquals(rule.children.includes((child as Element).tagName), true, `${element.tagName} > ${(child as Element).tagName}`);
      walk(child as Element);
    }
  };
  walk(document.documentElement!);
  return document.documentElement!;
}

Deno.test("test: JUnit XML is read by a parser, whatever guests print", () => {
  const nasty = `]]></failure><!-- & "quotes" \x1b[31mred\x1b[0m \x00\x08\ud800 \ufffe ä 🐧\r\n\ttab`;
  const results = [0, 1, 2, 3, 4, 7, 70].map((code) =>
    tested(code, { outcome: nasty, console: nasty, messages: nasty, file: `${nasty}/x.yaml` })
  );
  const suites = parse(junitXml(results, new Date(0)));
  const suite = suites.getElementsByTagName("testsuite")[0];
  const counts = ["tests", "failures", "errors", "skipped", "time", "timestamp"].map((name) => suite.getAttribute(name));
  assertEquals(counts, ["7", "2", "4", "0", "10.500", "1970-01-01T00:00:00"]);
  const failures = [...suite.getElementsByTagName("failure")].map((element) => element.getAttribute("type"));
  assertEquals(failures, ["ExpectationFailed", "GuestExitCode"]);
  const errors = [...suite.getElementsByTagName("error")].map((element) => element.getAttribute("type"));
  assertEquals(errors, ["ManifestOrUsage", "GuestFault", "TimeoutOrNoProgress", "InternalError"]);
  const [text] = suite.getElementsByTagName("system-out");
  assertEquals(text.textContent, `]]></failure><!-- & "quotes" red \\x00\\x08\\xd800 \\xfffe ä 🐧\n\ttab`);
});

Deno.test("test: a failure shows its reason and the console's last lines only", () => {
  const console = Array.from({ length: 40 }, (_, n) => `line ${n}\r`).join("\n");
  assertEquals([tail(console).length, tail(console)[0], tail("\n\n")], [25, "line 15", []]);
  const lines = testedLines(tested(1, { console, messages: 'expected and not seen: "x"\n' })).join("\n");
  assertStringIncludes(lines, "FAILED  boards/b1.yaml  1.5 s\n        exit 1: it ended\n        expected and not seen");
  assertStringIncludes(lines, "        | line 39");
});

Deno.test("test: boards run beside each other, each says the truth, and the file is what CI reads", async () => {
  const junit = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    const boards = ["boards/tour.yaml", "boards/sram-probe.yaml", "examples/guests/hostile/board.yaml", "boards/nowhere.yaml"];
    const { code, stdout } = await plugboard("test", ...boards, "--jobs", "2", "--json", "--junit", junit);
    const { ok, boards: results } = JSON.parse(stdout);
    assertEquals([code, ok], [2, false]);
    assertEquals(results.map((result: Tested) => [result.file, result.code]), boards.map((file, index) => [file, [0, 0, 3, 2][index]]));
    assertEquals(results[0].result.outcome, "tour powered off");
    assertStringIncludes(results[2].messages, "the exception vector at 0x200 faults on itself");
    assertStringIncludes(results[3].outcome, "there is no file boards/nowhere.yaml");
    const suites = parse(await Deno.readTextFile(junit));
    assertEquals([...suites.getElementsByTagName("error")].length, 2);
  } finally {
    await Deno.remove(junit);
  }
});

Deno.test("test: expectations, shards and time limits, each with its code", async () => {
  const passed = await plugboard("test", "boards/tour.yaml", "--expect", "/CPUs +4$/", "--expect", "Tour complete");
  assertEquals([passed.code, passed.stdout.split("\n").at(-1)], [0, "1 passed, 0 failed"]);
  const failed = await plugboard("test", "boards/tour.yaml", "--expect", "never printed");
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stdout, 'expected and not seen: "never printed"');
  const late = await plugboard("test", "boards/tour.yaml", "boards/sram-probe.yaml", "--timeout", "1us", "--shard", "1/2");
  assertEquals(late.code, 4);
  assertStringIncludes(late.stdout, "0 passed, 1 failed of shard 1/2, which has 1 of 2 boards");
});

Deno.test("test: a board says itself what is expected of it; the command line goes over it; mistakes in it are found", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const tour = (await Deno.readTextFile("boards/tour.yaml")).replace("../examples", `${Deno.cwd()}/examples`);
    const write = (name: string, test: string) => Deno.writeTextFile(`${folder}/${name}.yaml`, `${tour}test: ${test}\n`);
    await write("good", "{ steps: [{ expect: '/^CPU 3/' }, { expect: Tour complete }], fail: ['/Oops|BUG/'], timeout: 1s }");
    await write("bad", "{ steps: [{ expect: Tour cancelled }] }");
    await write("late", "{ timeout: 5ms }");
    await write("wrong", "{ steps: [{ expect: '/(/' }] }");
    const { code, stdout } = await plugboard("test", folder, "--json");
    const codes = JSON.parse(stdout).boards.map(({ file, code }: Tested) => [file.replace(/.*\//, ""), code]);
    assertEquals([code, codes], [2, [["bad.yaml", 1], ["good.yaml", 0], ["late.yaml", 4], ["wrong.yaml", 2]]]);
    const over = await plugboard("test", `${folder}/bad.yaml`, "--expect", "Tour complete");
    assertEquals(over.code, 0, over.stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
