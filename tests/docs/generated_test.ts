/** Pages that follow from declarations are as the declarations are now; links of all pages lead somewhere. */
import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { pages } from "../../docs/generate.ts";

const root = fromFileUrl(new URL("../../", import.meta.url));

Deno.test("docs: the generated pages are up to date", async () => {
  for (const [path, text] of Object.entries(await pages())) {
    const there = await Deno.readTextFile(root + path).catch(() => "");
    assert(there === text, `${path} isn't what the declarations say: run \`deno task docs\` and commit it`);
  }
});

Deno.test("docs: links within the repository lead to files", async () => {
  const broken: string[] = [];
  const files = ["README.md"];
  for await (const { name } of Deno.readDir(`${root}docs`)) if (name.endsWith(".md")) files.push(`docs/${name}`);
  for (const file of files) {
    const text = (await Deno.readTextFile(root + file)).replace(/^```[\s\S]*?^```$/gm, "");
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const exists = await Deno.stat(join(root, dirname(file), target)).then(() => true, () => false);
      if (!exists) broken.push(`${file}: ${target}`);
    }
  }
  assertEquals(broken, []);
});
