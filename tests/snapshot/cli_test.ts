/** Snapshots and recordings from the command line. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { runCli } from "../support/program.ts";

const tour = fromFileUrl(new URL("../../boards/tour.yaml", import.meta.url));

Deno.test("run --save and --from, --warm, --record and replay: the tour in parts is the tour", async () => {
  const directory = await Deno.makeTempDir();
  const run = (...args: string[]) => runCli(args, { NO_COLOR: "1", PLUGBOARD_CACHE: directory });
  try {
    const recording = `${directory}/tour.rec`, snapshot = `${directory}/tour.snap`;
    const whole = await run("run", tour, "--record", recording);
    assertEquals(whole.code, 0, whole.stderr);
    const count = /([\d,. ]+ instructions)/.exec(whole.stderr)?.[1];

    const half = await run("run", tour, "--timeout", "1ms", "--save", snapshot);
    assertEquals(half.code, 4, half.stderr);
    assertStringIncludes(half.stderr, `saved  ${snapshot}`);
    const rest = await run("run", tour, `--from=${snapshot}`);
    assertEquals([rest.code, half.stdout + rest.stdout], [0, whole.stdout]);
    assertEquals(/([\d,. ]+ instructions)/.exec(rest.stderr)?.[1], count);
    const other = await run("run", tour, `--from=${snapshot}`, "--seed", "9");
    assertEquals(other.code, 2);
    assertStringIncludes(other.stderr, "the snapshot is of another board");

    const line = whole.stdout.trim().split("\n")[1].trim();
    const cold = await run("run", tour, "--warm", line);
    assertEquals([cold.code, cold.stdout], [0, whole.stdout]);
    const warm = await run("run", tour, "--warm", line);
    assertEquals(warm.code, 0);
    assertStringIncludes(warm.stderr, "warm   from ");
    assert(whole.stdout.endsWith(warm.stdout) && warm.stdout.length < whole.stdout.length);

    const again = await run("replay", recording);
    assertEquals([again.code, again.stdout], [0, whole.stdout], again.stderr);
    const text = await Deno.readTextFile(recording);
    await Deno.writeTextFile(recording, text.replace(/("instructions":)(\d)/, "$1$29"));
    const wrong = await run("replay", recording, "-q");
    assertEquals(wrong.code, 1);
    assertMatch(wrong.stderr, /^error: the replay ended after \d+ instructions, the recording after \d+\n$/);
    await Deno.writeTextFile(recording, "nonsense\n");
    const none = await run("replay", recording);
    assertEquals([none.code, none.stderr.includes(`${recording}:1: `)], [2, true]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
