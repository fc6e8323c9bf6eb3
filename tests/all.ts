/**
 * Every test: each guest's file in a process of its own, the others a dozen together.
 *
 *     deno task test            all of them; TEST_JOBS says how many processes, else as many as there are cores
 *     deno task test FILE...    these, as `deno test` would
 */
import { runGroups, testCommand, testFiles, type TestGroup } from "./support/test_processes.ts";

const TOGETHER = 12;

if (Deno.args.length > 0) Deno.exit((await testCommand({ files: Deno.args }, "inherit").output()).code);

const files = await testFiles();
const isGuest = (path: string) => path.startsWith("tests/guests/");
// Guests first: they take longest.
const [guests, others] = [files.filter(isGuest), files.filter((path) => !isGuest(path))];
const groups: TestGroup[] = guests.map((file) => ({ files: [file] }));
// By turns, so that neighbours that all take long don't come together.
const count = Math.ceil(others.length / TOGETHER);
for (let n = 0; n < count; n++) groups.push({ files: others.filter((_, index) => index % count === n) });
Deno.exit(await runGroups(groups));
