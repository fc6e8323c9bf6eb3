/** The adapter behaves as Cliffy's documentation says. These pass with the real package as well. */
import { assertEquals, assertRejects } from "@std/assert";
import { Command, ValidationError } from "@cliffy/command";

// deno-lint-ignore no-explicit-any -- any result of any command line
type Seen = { options?: any; args?: any[] };

function make(seen: Seen) {
  return new Command()
    .name("demo")
    .throwErrors()
    .option("-t, --time <time:string>", "Time.")
    .option("-n, --number <n:number>", "Number.")
    .option("--smp <n:integer>", "Integer.", { default: 1 })
    .option("--flag", "Flag.")
    .option("--no-color", "Negated.")
    .option("--add <text:string>", "Collected.", { collect: true })
    .option("--list <items:string[]>", "List.")
    .arguments("<board:file> [more...:string]")
    .action((options, ...args) => {
      seen.options = options;
      seen.args = args;
    });
}

async function parse(...args: string[]): Promise<Seen> {
  const seen: Seen = {};
  await make(seen).parse(args);
  return seen;
}

Deno.test("options have the types that their definitions say", async () => {
  const { options, args } = await parse(
    "b.yaml",
    "-t",
    "3s",
    "--number",
    "1.5",
    "--smp=4",
    "--flag",
    "--add",
    "a",
    "--add",
    "b",
    "--list",
    "x,y",
    "c",
    "d",
  );
  assertEquals(options, { time: "3s", number: 1.5, smp: 4, flag: true, color: true, add: ["a", "b"], list: ["x", "y"] });
  assertEquals(args, ["b.yaml", "c", "d"]);
});

Deno.test("defaults and negated options", async () => {
  assertEquals((await parse("b.yaml", "--no-color")).options, { smp: 1, color: false });
});

const wrong: [string, string[]][] = [
  ["a number that isn't", ["b", "-n", "x"]],
  ["an integer that isn't", ["b", "--smp", "1.5"]],
  ["an option without its value", ["b", "--time"]],
  ["an option twice", ["b", "-t", "1", "-t", "2"]],
  ["a missing argument", []],
];
for (const [name, args] of wrong) {
  Deno.test(`refused: ${name}`, async () => void await assertRejects(() => parse(...args), ValidationError));
}

Deno.test("refused: an unknown option", async () => {
  const command = new Command().throwErrors().option("--flag", "Flag.").arguments("<board:file>");
  await assertRejects(() => command.parse(["b", "--flagg"]), ValidationError, 'Unknown option "--flagg". Did you mean option "--flag"?');
});

Deno.test("sub-commands get their own options, and the root too many arguments", async () => {
  let called = "";
  const root = () =>
    new Command().name("demo").throwErrors()
      .command("one", new Command().option("--deep", "Deep.").action(({ deep }) => void (called = `one ${deep}`))).reset()
      .command("two <file:string>", "Second.").action((_options, file) => void (called = `two ${file}`)).reset();
  await root().parse(["one", "--deep"]);
  assertEquals(called, "one true");
  await root().parse(["two", "x"]);
  assertEquals(called, "two x");
  await assertRejects(() => root().parse(["one", "extra"]), ValidationError);
  await assertRejects(() => root().parse(["three"]), ValidationError);
});

Deno.test("environment variables give options, and the command line wins", async () => {
  const run = async (...args: string[]) => {
    let limit: unknown;
    const command = new Command().throwErrors()
      .option("--limit <time:string>", "Limit.")
      .env("DEMO_LIMIT=<time:string>", "Limit.", { prefix: "DEMO_" })
      .action((options) => void (limit = options.limit));
    await command.parse(args);
    return limit;
  };
  Deno.env.set("DEMO_LIMIT", "9s");
  try {
    assertEquals(await run(), "9s");
    assertEquals(await run("--limit", "1s"), "1s");
  } finally {
    Deno.env.delete("DEMO_LIMIT");
  }
});
