/** The rules of the house: who may import whom (type imports count), no cycles, and files that stay small. */
import { assertEquals } from "@std/assert";
import { fromFileUrl, join, normalize, relative } from "@std/path";

const root = fromFileUrl(new URL("..", import.meta.url));

/** Lines that a file may have. */
const CEILING = 400;
/** Lines that a test may have: its rows are a table. */
const TEST_CEILING = 600;
/** Median that the files of a part should keep to. */
const MEDIAN = 150;

/** Files that are tables, one row after the other: they may be longer. */
const TABLES: readonly RegExp[] = [
  /^plugins\/cpu_a64\/sysregs\/[a-z0-9_]*\.ts$/,
  /^plugins\/cpu_a64\/wasm\/opcodes\.ts$/,
];

/** What isn't as it should be yet. An entry that no longer holds fails the test, so the list only shrinks. */
const DEBTS: readonly string[] = [];

/** Folders whose files the rules are about. */
const PARTS = ["core", "plugins", "cli", "examples", "links", "tests", "bench"];

interface Rule {
  readonly name: string;
  /** Files that the rule is about. */
  readonly from: RegExp;
  /** What they may import of the project. `$1` is what the first group of `from` matched. */
  readonly to: readonly string[];
}

const test = "_test\\.ts$";
const randomNumbers = "^tests/support/random\\.ts$";
const ofCli = ["^cli/", "^core/mod\\.ts$", "^plugins/mod\\.ts$", "^plugins/[a-z0-9_]+/mod\\.ts$", "^deno\\.json$"];

/** The first rule that fits a file holds. */
const rules: readonly Rule[] = [
  { name: "tests see everything", from: /^tests\/|^bench\//, to: [".*"] },
  { name: "tests of core see core, and random numbers", from: new RegExp(`^core/.*${test}`), to: ["^core/", randomNumbers] },
  { name: "core sees core", from: /^core\//, to: ["^core/"] },
  {
    name: "the list of plugins sees each plugin's door",
    from: /^plugins\/mod\.ts$/,
    to: ["^core/mod\\.ts$", "^plugins/[a-z0-9_]+/mod\\.ts$"],
  },
  { name: "the list of contracts sees contracts", from: /^plugins\/contracts\.ts$/, to: ["^plugins/[a-z0-9_]+/contract\\.ts$"] },
  {
    name: "tests of a plugin see what it sees, other plugins' doors, the hardware and the test kit",
    from: new RegExp(`^plugins/([a-z0-9_]+)/(?:.*${test}|(?:.*/)?tests/)`),
    to: ["^core/", "^plugins/$1/", "^plugins/[a-z0-9_/]+/(contract|mod)\\.ts$", "^plugins/cpu_a64/engine/", "^tests/support/"],
  },
  { name: "wasm/ knows no Arm", from: /^plugins\/cpu_a64\/wasm\//, to: ["^plugins/cpu_a64/wasm/"] },
  {
    name: "the DSL joins the emitter and the names of features",
    from: /^plugins\/cpu_a64\/isa\/dsl[a-z0-9_]*\.ts$/,
    to: ["^plugins/cpu_a64/(isa|wasm)/", "^plugins/cpu_a64/sysregs/features\\.ts$"],
  },
  { name: "isa/ sees its DSL alone", from: /^plugins\/cpu_a64\/isa\//, to: ["^plugins/cpu_a64/isa/"] },
  {
    name: "a plugin sees core's door, its own folder and other plugins' contracts",
    from: /^plugins\/([a-z0-9_]+)\//,
    to: ["^core/mod\\.ts$", "^plugins/$1/", "^plugins/[a-z0-9_]+/contract\\.ts$"],
  },
  {
    name: "tests of the command line see what it sees, and random numbers",
    from: new RegExp(`^cli/.*${test}`),
    to: [...ofCli, randomNumbers],
  },
  { name: "the command line sees doors", from: /^cli\//, to: ofCli },
  {
    name: "the façade sees doors",
    from: /^mod\.ts$/,
    to: ["^core/mod\\.ts$", "^plugins/(mod|contracts)\\.ts$", "^plugins/[a-z0-9_]+/mod\\.ts$", "^cli/mod\\.ts$"],
  },
  {
    name: "an example's test has core's test kit besides",
    from: /^examples\/.*_test\.ts$/,
    to: ["^mod\\.ts$", "^core/testing\\.ts$", "^examples/"],
  },
  { name: "examples see the façade, as a stranger would", from: /^examples\//, to: ["^mod\\.ts$", "^examples/"] },
  { name: "a link sees itself", from: /^links\/([a-z]+)\//, to: ["^links/$1/"] },
];

/** Source without comments, so that examples in them don't count. */
function code(source: string): string {
  return source.replace(/\/\*[^]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

/** Every module that a source names: imports and exports, type imports, dynamic imports. */
function imports(source: string): string[] {
  const found: string[] = [];
  for (const match of code(source).matchAll(/(?<!["\w])(?:from|import)\s*\(?\s*"([^"\n]+)"/g)) found.push(match[1]);
  return found;
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(join(root, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory && entry.name !== "build") yield* sources(path);
    else if (entry.isFile && entry.name.endsWith(".ts")) yield path;
  }
}

/** Path of each file, its text, and the files of the project that it names. */
async function readGraph(): Promise<Map<string, { text: string; to: string[]; outside: string[] }>> {
  const graph = new Map<string, { text: string; to: string[]; outside: string[] }>();
  const files = ["mod.ts"];
  for (const part of PARTS) for await (const file of sources(part)) files.push(file);
  for (const file of files.sort()) {
    const text = await Deno.readTextFile(join(root, file));
    const all = imports(text);
    const to = all.filter((name) => name.startsWith(".")).map((name) => relative(root, normalize(join(root, file, "..", name))));
    graph.set(file, { text, to, outside: all.filter((name) => !name.startsWith(".")) });
  }
  return graph;
}

const graph = await readGraph();

Deno.test("imports: everyone keeps to the doors", () => {
  const wrong: string[] = [];
  for (const [file, { to }] of graph) {
    const rule = rules.find(({ from }) => from.test(file));
    if (!rule) {
      wrong.push(`${file}: no rule says what it may import`);
      continue;
    }
    const owner = rule.from.exec(file)?.[1] ?? "";
    const allowed = rule.to.map((pattern) => new RegExp(pattern.replace("$1", owner)));
    for (const target of to) if (!allowed.some((pattern) => pattern.test(target))) wrong.push(`${file} imports ${target}: ${rule.name}`);
  }
  assertEquals(wrong, []);
});

Deno.test("imports: what comes from outside is named in deno.json", async () => {
  const { imports: named } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const wrong: string[] = [];
  for (const [file, { outside }] of graph) {
    if (file.startsWith("links/")) continue;
    const known = (name: string) =>
      name.startsWith("node:") || Object.keys(named).some((key) => name === key || name.startsWith(`${key}/`));
    for (const name of outside) if (!known(name)) wrong.push(`${file} imports ${name}`);
  }
  assertEquals(wrong, []);
});

Deno.test("imports: no cycles", () => {
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (file: string, trail: readonly string[]) => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
      return;
    }
    state.set(file, "open");
    for (const target of graph.get(file)?.to ?? []) visit(target, [...trail, file]);
    state.set(file, "done");
  };
  for (const file of graph.keys()) visit(file, []);
  assertEquals(cycles, DEBTS.filter((debt) => debt.includes(" -> ")));
});

Deno.test("files stay small", () => {
  const long: string[] = [];
  const lengths = new Map<string, number[]>();
  for (const [file, { text }] of graph) {
    const lines = text.split("\n").length - 1;
    const ceiling = /_test\.ts$|^tests\//.test(file) ? TEST_CEILING : CEILING;
    if (lines > ceiling && !TABLES.some((table) => table.test(file))) long.push(`${file} is too long`);
    if (!/_test\.ts$|^tests\/|^links\//.test(file)) {
      const part = file.split("/")[0];
      lengths.set(part, [...lengths.get(part) ?? [], lines]);
    }
  }
  for (const [part, all] of lengths) {
    const median = all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
    if (median > MEDIAN) long.push(`${part}: the median file has ${median} lines`);
  }
  assertEquals(long, DEBTS.filter((debt) => !debt.includes(" -> ")));
});

Deno.test("names: files are snake_case", () => {
  const wrong = [...graph.keys()].filter((file) => !file.split("/").every((part) => /^[a-z0-9_]+(\.d)?(\.ts)?$/.test(part)));
  assertEquals(wrong, []);
});

Deno.test("plugins take neither time nor chance nor the network from the host", () => {
  // plugins/images fetches before the machine is built; it isn't part of one. plugins/ioreq/worker watches real threads, which may hang.
  // host_time.ts measures for the profile, and no guest sees any of it.
  const hidden = /\b(Date\.now|new Date\b|Math\.random|setTimeout|setInterval|performance\.now|await fetch)\s*\(/;
  const wrong = [...graph].filter(([file]) =>
    /^plugins\/(?!images\/|ioreq\/worker\/|cpu_a64\/engine\/host_time\.ts)/.test(file) && !/_test\.ts$/.test(file)
  )
    .filter(([, { text }]) => hidden.test(code(text))).map(([file]) => file);
  assertEquals(wrong, []);
});
