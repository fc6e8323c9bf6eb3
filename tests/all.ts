/**
 * Every test, over the cores of this machine: each guest's file in a process of its own, the others a dozen together.
 * Threads of one process would be simpler (`deno test --parallel`), but guests that share V8's compiler slow each other down fivefold.
 *
 *     deno task test            all of them; TEST_JOBS says how many processes, else as many as there are cores
 *     deno task test FILE...    these, as `deno test` would
 */
import { stripVTControlCharacters } from "node:util";

const root = new URL("../", import.meta.url).pathname;
const TOGETHER = 12;

/** Paths of all tests, guests first: they take longest. */
async function testFiles(): Promise<{ guests: string[]; others: string[] }> {
  const guests: string[] = [];
  const others: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(root + folder)) {
      const path = `${folder}${name}`;
      if (isDirectory && !name.startsWith(".") && name !== "node_modules" && name !== "build") await walk(`${path}/`);
      else if (name.endsWith("_test.ts")) (path.startsWith("tests/guests/") ? guests : others).push(path);
    }
  };
  await walk("");
  return { guests: guests.sort(), others: others.sort() };
}

const command = (files: readonly string[], stdio: "inherit" | "piped") =>
  new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", ...files],
    cwd: root,
    stdin: "null",
    stdout: stdio,
    stderr: stdio,
  });

if (Deno.args.length > 0) Deno.exit((await command(Deno.args, "inherit").output()).code);

const { guests, others } = await testFiles();
const work: string[][] = guests.map((file) => [file]);
// By turns, so that neighbours that all take long don't come together.
const groups = Math.ceil(others.length / TOGETHER);
for (let n = 0; n < groups; n++) work.push(others.filter((_, index) => index % groups === n));

let [passed, failed, ignored] = [0, 0, 0];
const broken: string[] = [];
const next = async (): Promise<void> => {
  for (let files = work.shift(); files !== undefined; files = work.shift()) {
    const { code, stdout, stderr } = await command(files, "piped").output();
    const text = stripVTControlCharacters(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
    const summary = /^(?:ok|FAILED) \| (\d+) passed.*?\| (\d+) failed(?: \| (\d+) ignored)?/m.exec(text);
    passed += Number(summary?.[1] ?? 0);
    failed += Number(summary?.[2] ?? 0);
    ignored += Number(summary?.[3] ?? 0);
    // A file that doesn't load, or a process that dies, has no summary or a good one.
    if (code !== 0) broken.push(files.join(" "));
    console.log(text.trim());
  }
};
const jobs = Number(Deno.env.get("TEST_JOBS") ?? navigator.hardwareConcurrency);
await Promise.all(Array.from({ length: Math.max(1, jobs) }, next));

for (const files of broken) console.log(`failed: ${files}`);
if (ignored > 0) console.log(`${ignored} ignored`);
console.log(`${passed} passed, ${Math.max(failed, broken.length)} failed`);
Deno.exit(broken.length > 0 ? 1 : 0);
