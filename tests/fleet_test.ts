/** The fleet's recipes: they can be read, and the command lines that they hold do what they are there for. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { parse } from "@std/yaml";

const root = fromFileUrl(new URL("../", import.meta.url));
const recipe = (name: string) => Deno.readTextFile(`${root}examples/fleet/${name}`);
// deno-lint-ignore no-explicit-any -- other programs' formats: what matters of them is asserted
const read = async (name: string) => parse(await recipe(name)) as any;

/** Boards that two machines share, one of which fails. */
const boards: Readonly<Record<string, string>> = {
  "a-tour.yaml": `${root}boards/tour.yaml`,
  "b-sram.yaml": `${root}boards/sram-probe.yaml`,
  "c-hostile.yaml": `${root}examples/guests/hostile/board.yaml`,
};

interface Pod {
  readonly code: number;
  readonly text: string;
}

/** Runs shell commands as a pod of the image would: `plugboard` is the script that the Containerfile makes. */
async function withPod(
  body: (run: (script: string, env: Record<string, string>) => Promise<Pod>, results: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const [, script] = (await recipe("Containerfile")).match(/^RUN (printf .*) > \/usr\/local\/bin\/plugboard/m)!;
    await Deno.mkdir(`${folder}/bin`);
    await Deno.symlink(Deno.execPath(), `${folder}/bin/deno`);
    const env = { PATH: `${folder}/bin:${Deno.env.get("PATH")}`, BOARDS: `${folder}/boards`, RESULTS: `${folder}/results` };
    const shell = async (text: string, more: Record<string, string> = {}) => {
      const { code, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", text], env: { ...env, ...more }, stdin: "null" })
        .output();
      return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
    };
    const made = await shell(
      `${script.replaceAll("/plugboard/mod.ts", `${root}mod.ts`)} > ${folder}/bin/plugboard && chmod 755 ${folder}/bin/plugboard`,
    );
    assertEquals(made.code, 0, made.text);
    await Deno.mkdir(`${folder}/boards`);
    await Deno.mkdir(`${folder}/results`);
    // References in a manifest are relative to it.
    for (const [name, path] of Object.entries(boards)) {
      const text = await Deno.readTextFile(path);
      await Deno.writeTextFile(
        `${folder}/boards/${name}`,
        text.replace(/kernel: (\S+)/, (_, file) => `kernel: ${new URL(file, `file://${path}`).pathname}`),
      );
    }
    await body(shell, `${folder}/results`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What the parts' JUnit files say, by board. */
async function verdicts(results: string, count: number): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const files = [...Deno.readDirSync(results)];
  assertEquals(files.length, count);
  for (const file of files) {
    for (const [, name, rest] of (await Deno.readTextFile(`${results}/${file.name}`)).matchAll(/<testcase name="([^"]*)"[^>]*?(\/?)>/g)) {
      assertEquals(found[name], undefined, `${name} ran twice`);
      found[name] = rest === "/" ? "passed" : "failed";
    }
  }
  return found;
}

const all = { "a-tour": "passed", "b-sram": "passed", "c-hostile": "failed" };

Deno.test("fleet: the Kubernetes Job gives each pod its part, and every board runs once", async () => {
  const job = await read("job.yaml");
  assertEquals([job.apiVersion, job.kind, job.spec.completionMode], ["batch/v1", "Job", "Indexed"]);
  const { restartPolicy, containers: [container], volumes } = job.spec.template.spec;
  // backoffLimitPerIndex is refused with any other.
  assertEquals([restartPolicy, job.spec.backoffLimitPerIndex], ["Never", 0]);
  assertEquals(container.env.find(({ name }: { name: string }) => name === "SHARDS").value, String(job.spec.completions));
  const mounted = container.volumeMounts.map(({ name }: { name: string }) => name);
  assertEquals(mounted, volumes.map(({ name }: { name: string }) => name));
  assertEquals(container.command, ["sh", "-c"]);
  await withPod(async (run, results) => {
    const codes = [];
    for (const index of [0, 1]) codes.push((await run(container.args[0], { JOB_COMPLETION_INDEX: String(index), SHARDS: "2" })).code);
    assertEquals([codes, await verdicts(results, 2)], [[3, 0], all]);
  });
});

Deno.test("fleet: so does the Argo workflow", async () => {
  const workflow = await read("workflow.yaml");
  assertEquals([workflow.apiVersion, workflow.kind], ["argoproj.io/v1alpha1", "Workflow"]);
  const [steps, part] = workflow.spec.templates;
  assertEquals([workflow.spec.entrypoint, steps.steps[0][0].template, steps.failFast], [steps.name, part.name, false]);
  const { end, start } = steps.steps[0][0].withSequence;
  assertEquals([start, end], ["1", "{{workflow.parameters.shards}}"]);
  await withPod(async (run, results) => {
    const codes = [];
    for (const item of ["1", "2"]) {
      const script = part.container.args[0].replaceAll("{{inputs.parameters.index}}", item).replaceAll(
        "{{workflow.parameters.shards}}",
        "2",
      );
      assert(!script.includes("{{"), script);
      codes.push((await run(script, {})).code);
    }
    assertEquals([codes, await verdicts(results, 2)], [[3, 0], all]);
  });
});

Deno.test("fleet: the GitHub workflow's shards are those of its matrix, and its command is one of ours", async () => {
  const { jobs: { boards: { strategy, steps } } } = await read("github-actions.yaml");
  const shards: number[] = strategy.matrix.shard;
  assertEquals([shards, strategy["fail-fast"]], [shards.map((_, index) => index + 1), false]);
  const { run: command } = steps.find(({ name }: { name?: string }) => name === "Boards");
  assertStringIncludes(command, `--shard \${{ matrix.shard }}/${shards.length} `);
  const { name } = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
  await withPod(async (run) => {
    const local = command.replace(`deno run -A jsr:${name}`, "plugboard").replace("${{ matrix.shard }}", "2").replace(
      "test boards",
      'test "$BOARDS"',
    );
    const { code, text } = await run(local.replace("results.xml", '"$RESULTS/results.xml"'), {});
    assertEquals(code, 0, text);
    assertStringIncludes(text, "1 passed, 0 failed of shard 2/4, which has 1 of 3 boards");
  });
});

Deno.test("fleet: the image has what it copies, and starts the program", async () => {
  const lines = (await recipe("Containerfile")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of lines) assert(/^(ARG|FROM|WORKDIR|COPY|RUN|ENTRYPOINT|CMD) \S/.test(line), line);
  for (const line of lines.filter((text) => text.startsWith("COPY "))) {
    for (const source of line.split(" ").slice(1, -1)) await Deno.stat(root + source);
  }
  assert(lines.includes('ENTRYPOINT ["plugboard"]'));
  // Whatever the program imports of the project is copied.
  const { imports } = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
  const folders = lines.flatMap((line) => /^COPY (\w+)\/ \1\/$/.exec(line)?.[1] ?? []);
  const graph = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", `${root}mod.ts`], stderr: "null" }).output();
  const modules: { specifier: string }[] = JSON.parse(new TextDecoder().decode(graph.stdout)).modules;
  const files = modules.map(({ specifier }) => specifier).filter((specifier) => specifier.startsWith(`file://${root}`));
  assert(files.length > 100 && Object.keys(imports).length > 0);
  for (const file of files) {
    const path = file.slice(`file://${root}`.length);
    assert(!path.includes("/") || folders.includes(path.split("/")[0]), `${path} isn't in the image`);
  }
});
