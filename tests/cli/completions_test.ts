/** Completions, tried in the shells that are installed; bash is where the tests run. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { plugins } from "../../plugins/mod.ts";
import { completedVerbs } from "../../cli/completions/mod.ts";
import { shells } from "../../cli/completions/scripts.ts";
import type { CompletedVerb } from "../../cli/completions/scripts.ts";
import { plugboard } from "../../cli/in_process.ts";
import { verbs } from "../../cli/verbs.ts";
import { missing } from "../support/toolchain.ts";
import type { Tool } from "../support/toolchain.ts";

const tool = (name: string): Tool => ({ command: name, package: name });

const declared = await completedVerbs(verbs);

async function run(program: string, ...args: string[]): Promise<{ ok: boolean; out: string; err: string }> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { ok: success, out: text(stdout), err: text(stderr) };
}

/** What bash offers for the last word. */
async function offered(script: string, ...words: string[]): Promise<string[]> {
  const quoted = ["plugboard", ...words].map((word) => `'${word}'`).join(" ");
  const program = `${script}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _plugboard; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { out, err } = await run("bash", "-c", program);
  assertEquals(err, "");
  return out.split("\n").filter(Boolean);
}

Deno.test("completions: every verb says what can follow it", () => {
  assertEquals(declared.map(({ name }) => name), verbs.map(({ name }) => name));
  const check = declared.find(({ name }) => name === "check")!;
  assertEquals(check.values, [{ name: "boards", file: true, choices: undefined, repeats: true }]);
  const option = (flag: string) => check.options.find(({ flags }) => flags.includes(flag));
  assertEquals(option("--json")?.value, undefined);
  assertEquals(option("-m")?.flags, ["-m", "--memory"]);
  assertEquals([option("--kernel")?.value?.file, option("--set")?.repeats], [true, true]);
});

Deno.test({ name: "completions: bash offers verbs, options and names, and files by itself", ignore: missing(tool("bash")) }, async () => {
  const script = shells.bash("plugboard", declared);
  assertEquals(await offered(script, "ma"), ["map"]);
  assertEquals((await offered(script, "")).sort(), [...verbs.map(({ name }) => name), "--help", "--version"].sort());
  assertEquals(await offered(script, "check", "--sa"), ["--sarif"]);
  assertEquals(await offered(script, "map", "board.yaml", "--sv"), ["--svg"]);
  assertEquals(await offered(script, "board.yaml", "--wall"), ["--wall-timeout"]);
  assertEquals(await offered(script, "check", "bo"), []);
  assertEquals(await offered(script, "check", "--set", "--j"), []);
  assertEquals(await offered(script, "devices", "pl01"), ["pl011"]);
  assertEquals(await offered(script, "completions", ""), ["bash", "zsh", "fish"]);
  for (const { name, options } of declared) {
    assertEquals(await offered(script, name, "--"), [
      "--help",
      ...options.flatMap(({ flags }) => flags.filter((flag) => flag.startsWith("--"))),
    ]);
  }
});

const awkward: CompletedVerb = {
  name: "say",
  description: "It's [odd]: a \\ and a $(false).\nMore.",
  options: [{ flags: ["-w", "--what"], description: "Don't: [x] $HOME `id`.", value: { name: "a:b", file: false }, repeats: false }],
  values: [{ name: "file", file: true }],
};

for (const [shell, args] of [["bash", ["-n"]], ["zsh", ["-n"]], ["fish", ["--no-execute"]]] as const) {
  Deno.test({ name: `completions: ${shell} takes the script, whatever a description says`, ignore: missing(tool(shell)) }, async () => {
    const file = await Deno.makeTempFile();
    try {
      for (const list of [declared, [awkward]]) {
        await Deno.writeTextFile(file, shells[shell]("plugboard", list));
        assertEquals(await run(shell, ...args, file), { ok: true, out: "", err: "" });
      }
    } finally {
      await Deno.remove(file);
    }
  });
}

Deno.test("completions: zsh and fish name every verb and option, and what they're for", () => {
  const zsh = shells.zsh("plugboard", declared);
  const fish = shells.fish("plugboard", declared);
  assert(zsh.startsWith("#compdef plugboard\n"));
  for (const { name, options } of declared) {
    assertStringIncludes(zsh, `    ${name}) _arguments `);
    assertStringIncludes(fish, `complete -c plugboard -n __fish_use_subcommand -a ${name} -d '`);
    for (const { flags } of options) {
      for (const flag of flags) assertStringIncludes(zsh, `${flag}[`);
      const long = flags.find((flag) => flag.startsWith("--"))!.slice(2);
      assertStringIncludes(
        fish,
        `__fish_seen_subcommand_from ${name === "run" ? verbs.map((verb) => verb.name).join(" ") : name}' ${
          flags.length > 1 ? `-s ${flags[0].slice(1)} ` : ""
        }-l ${long} -d '`,
      );
    }
  }
  for (const script of [zsh, fish]) assertStringIncludes(script, plugins.map(({ name }) => name).join(" "));
  const odd = shells.zsh("plugboard", [awkward]);
  assertStringIncludes(odd, "'(--what)-w[Don'\\''t\\: \\[x\\] $HOME `id`]:a\\:b: '");
  assertStringIncludes(shells.fish("plugboard", [awkward]), "-s w -l what -d 'Don\\'t: [x] $HOME `id`' -x");
});

Deno.test("completions: a shell that isn't known ends with 2", async () => {
  const { code, stderr } = await plugboard("completions", "toString");
  assertEquals(code, 2);
  assertStringIncludes(stderr, "there is bash, zsh, fish");
});
