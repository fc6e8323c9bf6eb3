/** The command line from outside: what it prints and the code it ends with. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { plugins } from "../plugins/mod.ts";

const entry = fromFileUrl(new URL("../mod.ts", import.meta.url));

async function plugboard(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", entry, ...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function withBoard(text: string, body: (file: string) => Promise<void>): Promise<void> {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, text);
    await body(file);
  } finally {
    await Deno.remove(file);
  }
}

const usage: [string, string[], string][] = [
  ["an unknown verb", ["devicez"], 'Unknown command "devicez". Did you mean command "devices"?'],
  ["an unknown option", ["run", "x.yaml", "--timeut", "3s"], 'Unknown option "--timeut". Did you mean option "--timeout"?'],
  ["a missing board", ["check"], "Missing argument(s): board"],
  ["a number that isn't", ["x.yaml", "--smp", "two"], 'Option "--smp" must be of type "integer", but got "two".'],
  ["a time without a unit", ["x.yaml", "--timeout", "3"], "want a time with its unit"],
  ["an override without a value", ["check", "x.yaml", "--set", "seed"], "want PATH=VALUE"],
  ["a board that isn't there", ["nowhere.yaml"], "error[M0001]: there is no file nowhere.yaml"],
];
for (const [name, args, message] of usage) {
  Deno.test(`usage: ${name} ends with 2`, async () => {
    const { code, stdout, stderr } = await plugboard(...args);
    assertStringIncludes(stderr, message);
    assertEquals({ code, stdout }, { code: 2, stdout: "" });
  });
}

Deno.test("check: findings on standard error, or as JSON on standard output; ends with 2", () =>
  withBoard("board: x\nplugins: [{ use: nonesuch }]\n", async (file) => {
    const plain = await plugboard("check", file);
    assertEquals(plain.code, 2);
    assertStringIncludes(plain.stderr, `error[M0201]: there is no plugin nonesuch\n  --> ${file}:2:18\n`);
    assertStringIncludes(plain.stderr, "nothing was started");
    const json = await plugboard("check", "--json", file, "--set", "seed=-1");
    const { ok, findings } = JSON.parse(json.stdout);
    assertEquals([json.code, ok], [2, false]);
    assert(
      findings.some((finding: { code: string; spans: { text: string }[] }) =>
        finding.code === "M0104" && finding.spans[0].text === "--set seed=-1"
      ),
    );
  }));

Deno.test("devices: every plugin with every option", async () => {
  const { code, stdout } = await plugboard("devices");
  assertEquals(code, 0);
  for (const { name, options } of plugins) {
    const entry = stdout.split("\n\n").find((block) => block.startsWith(`${name}: `));
    assert(entry, name);
    for (const option of Object.keys(options)) assertStringIncludes(entry, `  ${option} `);
  }
});

Deno.test("schema: JSON that knows every plugin", async () => {
  const { code, stdout } = await plugboard("schema");
  assertEquals(code, 0);
  const schema = JSON.parse(stdout);
  for (const { name } of plugins) assert(schema.$defs[`plugin.${name}`], name);
});

Deno.test("help and version end with 0", async () => {
  const help = await plugboard("--help");
  assertEquals(help.code, 0);
  for (const verb of ["run", "check", "dtb", "devices", "schema"]) assertStringIncludes(help.stdout, `  ${verb} `);
  const version = await plugboard("--version");
  assertEquals([version.code, /^plugboard \d+\.\d+\.\d+\n$/.test(version.stdout)], [0, true]);
});
