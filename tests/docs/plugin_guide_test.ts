/** The plugin guide's example is a test that passes. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";

const root = fromFileUrl(new URL("../../", import.meta.url));

Deno.test("plugin guide: its test passes", async () => {
  const page = await Deno.readTextFile(`${root}docs/plugin_guide.md`);
  const [, code] = page.match(/^```ts\n([\s\S]*?)^```$/m)!;
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/guide_test.ts`;
    await Deno.writeTextFile(file, code.replace('"../', `"${root}`).replace('"./', `"${root}examples/`));
    const args = ["test", "-A", "--no-check", "--config", `${root}deno.json`, file];
    const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" }, stdin: "null" })
      .output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals(exit, 0, text);
    assertStringIncludes(text, "the LEDs show what is written ... ok");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
