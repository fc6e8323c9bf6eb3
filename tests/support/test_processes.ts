/**
 * Test files, each group in a process of its own, over the cores of this machine. Threads of one process would be simpler
 * (`deno test --parallel`), but guests that share V8's compiler slow each other down fivefold.
 */
import { stripVTControlCharacters } from "node:util";

const root = new URL("../../", import.meta.url).pathname;

/** Files of one process. */
export interface TestGroup {
  readonly files: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Paths of all tests, in order. */
export async function testFiles(): Promise<string[]> {
  const files: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(root + folder)) {
      const path = `${folder}${name}`;
      if (isDirectory && !name.startsWith(".") && name !== "node_modules" && name !== "build") await walk(`${path}/`);
      else if (name.endsWith("_test.ts")) files.push(path);
    }
  };
  await walk("");
  return files.sort();
}

/** The command that tests a group. */
export function testCommand({ files, env }: TestGroup, stdio: "inherit" | "piped"): Deno.Command {
  const args = ["test", "-A", "--no-check", ...files];
  return new Deno.Command(Deno.execPath(), { args, cwd: root, env, stdin: "null", stdout: stdio, stderr: stdio });
}

/** Tests them, as many at once as there are cores, or TEST_JOBS says. The last line says what passed and failed; returns an exit code. */
export async function runGroups(groups: readonly TestGroup[]): Promise<number> {
  const work = [...groups];
  let [passed, failed, ignored] = [0, 0, 0];
  const broken: string[] = [];
  const next = async (): Promise<void> => {
    for (let group = work.shift(); group !== undefined; group = work.shift()) {
      const { code, stdout, stderr } = await testCommand(group, "piped").output();
      const text = stripVTControlCharacters(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
      const summary = /^(?:ok|FAILED) \| (\d+) passed.*?\| (\d+) failed(?: \| (\d+) ignored)?/m.exec(text);
      passed += Number(summary?.[1] ?? 0);
      failed += Number(summary?.[2] ?? 0);
      ignored += Number(summary?.[3] ?? 0);
      // A file that doesn't load, or a process that dies, has no summary or a good one.
      if (code !== 0) {
        broken.push([...Object.entries(group.env ?? {}).map((pair) => pair.join("=")), "deno test -A", ...group.files].join(" "));
      }
      console.log(text.trim());
    }
  };
  const jobs = Number(Deno.env.get("TEST_JOBS") ?? navigator.hardwareConcurrency);
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, next));
  for (const command of broken) console.log(`failed: ${command}`);
  if (ignored > 0) console.log(`${ignored} ignored`);
  console.log(`${passed} passed, ${Math.max(failed, broken.length)} failed`);
  return broken.length > 0 ? 1 : 0;
}
