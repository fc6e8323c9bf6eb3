/** The tutorial, done: its commands run in their order, and show what the page says that they show. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { stripVTControlCharacters } from "node:util";
import { debianBoard } from "../guests/debian_images.ts";

const root = fromFileUrl(new URL("../../", import.meta.url));
const page = await Deno.readTextFile(`${root}docs/tutorial.md`);

interface Block {
  readonly kind: string;
  /** What stands behind the kind: `exit=2`. */
  readonly info: string;
  readonly text: string;
}

const blocks: Block[] = [...page.matchAll(/^```(\w+) ?(.*)\n([\s\S]*?)^```$/gm)].map(([, kind, info, text]) => ({ kind, info, text }));

/** What a command printed must have these lines, in this order; a line stands for any that begins with it, `...` for any number of lines. */
function compare(printed: string, wanted: string): void {
  const lines = stripVTControlCharacters(printed).split("\n").map((line) => line.trim());
  let from = 0;
  for (const line of wanted.trimEnd().split("\n").map((line) => line.trim())) {
    if (line === "...") continue;
    const at = lines.findIndex((candidate, index) => index >= from && candidate.startsWith(line));
    assert(at >= 0, `${JSON.stringify(line)} isn't in what was printed:\n${printed}`);
    from = at + 1;
  }
}

const hasDebian = (await debianBoard("debian")).images !== undefined;

Deno.test("tutorial: its commands do what the page says", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // A folder that looks like the checkout, in which the commands may write.
    for (const name of ["boards", "examples", "core", "plugins", "links", "mod.ts", "deno.json"]) {
      await Deno.symlink(root + name, `${folder}/${name}`);
    }
    const program = (name: string, command: string) =>
      Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${command} "$@"\n`, { mode: 0o755 });
    await Deno.mkdir(`${folder}/bin`);
    await program("plugboard", `exec '${Deno.execPath()}' run -A --no-check '${root}mod.ts'`);
    // Types are checked by the test of `plugin new`.
    await program("deno", `verb=$1; shift; exec '${Deno.execPath()}' "$verb" --no-check`);
    let ran = 0;
    let printed = "";
    for (const { kind, info, text } of blocks) {
      const file = info.match(/^file=(\S+)$/)?.[1];
      if (file !== undefined) await Deno.writeTextFile(`${folder}/${file}`, text);
      if (kind === "text") compare(printed, text);
      if (kind !== "sh" || info === "setup") continue;
      printed = "";
      if (info === "debian" && !hasDebian) {
        // So that what the page shows needn't be left out.
        printed = blocks[blocks.findIndex((block) => block.text === text) + 1].text;
        continue;
      }
      const { code, stdout, stderr } = await new Deno.Command("sh", {
        args: ["-ec", text],
        cwd: folder,
        stdin: "null",
        env: { PATH: `${folder}/bin:${Deno.env.get("PATH")}`, NO_COLOR: "1" },
      }).output();
      // A terminal shows errors where they come; here they may come first or last.
      printed = new TextDecoder().decode(stderr) + "\n" + new TextDecoder().decode(stdout) + "\n" + new TextDecoder().decode(stderr);
      assertEquals(code, Number(info.match(/^exit=(\d+)$/)?.[1] ?? 0), `${text}\n${printed}`);
      ran++;
    }
    assert(ran > 10, "the page has commands");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
