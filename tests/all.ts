/**
 * Every test: each guest's file in a process of its own, the others a dozen together.
 *
 *     deno task test            all of them; TEST_JOBS says how many processes, else as many as there are cores
 *     deno task test FILE...    these, as `deno test` would
 */
import { runGroups, testCommand, type TestGroup } from "./support/test_processes.ts";

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

if (Deno.args.length > 0) Deno.exit((await testCommand({ files: Deno.args }, "inherit").output()).code);

const { guests, others } = await testFiles();
const groups: TestGroup[] = guests.map((file) => ({ files: [file] }));
// By turns, so that neighbours that all take long don't come together.
const count = Math.ceil(others.length / TOGETHER);
for (let n = 0; n < count; n++) groups.push({ files: others.filter((_, index) => index % count === n) });
Deno.exit(await runGroups(groups));
