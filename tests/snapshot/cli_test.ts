/** Snapshots and recordings from the command line. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { converse, plugboard } from "../cli/console.ts";
import { debianBoard } from "../guests/debian_images.ts";
import { runCli } from "../support/program.ts";

const [tour, debian] = ["tour", "debian"].map((name) => fromFileUrl(new URL(`../../boards/${name}.yaml`, import.meta.url)));
const { images } = await debianBoard("debian");

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
    const never = await run("run", tour, "--warm", "/^never$/");
    assertEquals([never.code, never.stdout], [0, whole.stdout]);
    assertStringIncludes(never.stderr, `warm   "/^never$/" didn't come in`);
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

Deno.test("run --record of CPUs in parallel is refused, and leaves what was there", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "kept");
    const { code, stderr } = await runCli(["run", tour, "--set", "parallel=true", "--record", file], { NO_COLOR: "1" });
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, `--record ${file}: CPUs in parallel can't be recorded`);
    assertEquals(await Deno.readTextFile(file), "kept");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test({
  name: "run --record of Debian with somebody who types, and replay: the same console and instructions",
  ignore: images === undefined,
  async fn() {
    const file = await Deno.makeTempFile();
    try {
      // Each piece when the one before has come back, as a terminal shows it: in the middle of lines, and while programs run.
      const typing = [
        ["# ", "(seq 1 200 | sha"],
        ["| sha", "256sum) & sleep 0.1; wait\n"],
        ["\n# ", "echo go; sed s/a/b/\n"],
        ["\ngo\r\n", "ban"],
        ["ban", "ana\n"],
        ["ana\r\n", "\x04"],
        ["bbnana\r\n# ", "poweroff -f\n"],
      ].map(([after, text]) => ({ after, text }));
      const env = { NO_COLOR: "1", PLUGBOARD_TRANSLATIONS: "off" };
      const run = await converse(plugboard("run", debian, "--record", file, "--realtime"), typing, { env, limitMs: 300_000 });
      const { code, stderr } = run, stdout = new TextDecoder().decode(run.stdout);
      assertEquals(code, 0, stderr);
      const again = await runCli(["replay", file], { NO_COLOR: "1" });
      assertEquals([again.code, again.stdout], [0, stdout], again.stderr);
      const count = /([\d,. ]+) instructions/.exec(stderr)?.[1].replace(/\D/g, "");
      const inputs = Number(/, (\d+) inputs/.exec(again.stderr)?.[1]);
      assertEquals(/replay (\d+) instructions/.exec(again.stderr)?.[1], count);
      assertEquals(inputs, typing.length, again.stderr);
    } finally {
      await Deno.remove(file);
    }
  },
});
