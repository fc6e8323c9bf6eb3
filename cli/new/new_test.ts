/** `plugin new`: what it writes type-checks, passes its own test, and is used by a board. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { checkBoard } from "../../core/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { plugboard } from "../in_process.ts";
import { importsFrom } from "./mod.ts";
import { pluginFiles } from "./template.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function deno(...args: string[]): Promise<{ ok: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: root, env: { NO_COLOR: "1" }, stdin: "null" })
    .output();
  return { ok: success, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("plugin new: two files, whose test passes and which a board uses", () =>
  inFolder(async (folder) => {
    const { code, stdout } = await plugboard("plugin", "new", "my_counter", "--to", `${folder}/plugins`);
    const [file, test] = [`${folder}/plugins/my_counter.ts`, `${folder}/plugins/my_counter_test.ts`];
    assertEquals([code, stdout], [0, `wrote  ${file}\nwrote  ${test}\ntest   deno test -A --config ${root}deno.json ${test}`]);
    const tested = await deno(...stdout.split("test   deno ")[1].split(" "));
    assert(tested.ok, tested.text);
    assertStringIncludes(tested.text, "2 passed");
    const formatted = await deno("fmt", "--check", "--config", `${root}deno.json`, file, test);
    assert(formatted.ok, formatted.text);
    const tour = await Deno.readTextFile(`${root}boards/tour.yaml`);
    const use = "      - { use: ./plugins/my_counter.ts, at: 0x0a00_0000, interrupt: spi 8 }\n";
    const checked = await checkBoard(tour.replace("      - use: fdt\n", `${use}      - use: fdt\n`), `${folder}/board.yaml`, { plugins });
    assertEquals(checked.findings, []);
    assert(checked.board!.domains[0].plugins.some(({ plugin }) => plugin.name === "my_counter"));
  }));

Deno.test("plugin new: what is there stays, and no half is written", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/mine_test.ts`, "// mine\n");
    const { code, stderr } = await plugboard("plugin", "new", "mine", "--to", folder);
    assertEquals(code, 2);
    assertStringIncludes(stderr, "mine_test.ts wasn't written: a file of that name is there");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["mine_test.ts"]);
    assertEquals(await Deno.readTextFile(`${folder}/mine_test.ts`), "// mine\n");
  }));

for (const name of ["../evil", "Upper", "7up", "a b", ""]) {
  Deno.test(`plugin new: ${JSON.stringify(name)} is no name`, async () => {
    const { code, stderr } = await plugboard("plugin", "new", name);
    assertEquals(code, 2);
    assertStringIncludes(stderr, "want lower case letters, digits and _");
  });
}

Deno.test("plugin new: names of the language do", () => {
  for (const name of ["new", "class", "registers", "a__b_"]) {
    const files = pluginFiles(name, { library: "./mod.ts", testing: "./testing.ts" });
    assertEquals(Object.keys(files), [`${name}.ts`, `${name}_test.ts`]);
    assertStringIncludes(files[`${name}.ts`], `  name: "${name}",`);
  }
});

Deno.test("plugin new: a checkout is imported by path, a package by name", () => {
  assertEquals(importsFrom("/home/x/boards", "file:///home/x/plugboard/cli/new/mod.ts"), {
    library: "../plugboard/mod.ts",
    testing: "../plugboard/core/testing.ts",
    config: "/home/x/plugboard/deno.json",
  });
  assertEquals(importsFrom("/home/x/mine", "file:///home/x/cli/new/mod.ts"), { library: "../mod.ts", testing: "../core/testing.ts" });
  const { library, testing } = importsFrom("/home/x", "https://jsr.io/@plugboard/hypervisor/0.1.0/cli/new/mod.ts");
  assert(/^jsr:@plugboard\/hypervisor@\^\d+\.\d+\.\d+$/.test(library));
  assertEquals(testing, `${library}/testing`);
});
