/**
 * The fleet's image, without an engine for containers: the Containerfile's steps in an empty root directory that has Deno, a shell and
 * what those load; and then the Job's command line in it, for a user who owns nothing, without a network. PLUGBOARD_IMAGE=1 runs it: it
 * needs root's rights (chroot, unshare), and a package registry for the step that installs.
 */
import { assertEquals } from "@std/assert";
import { dirname, fromFileUrl } from "@std/path";
import { parse } from "@std/yaml";

const source = fromFileUrl(new URL("../", import.meta.url));

async function output(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], clearEnv: true, env, stdin: "null" }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, `${command} ${args.join(" ")}\n${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

const PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin";

/** What the base image has, as far as the steps need it. */
async function makeRoot(root: string): Promise<void> {
  const put = async (from: string, to: string) => {
    await Deno.mkdir(dirname(root + to), { recursive: true });
    await Deno.copyFile(await Deno.realPath(from), root + to);
  };
  const programs = { "/usr/bin/deno": Deno.execPath(), "/bin/sh": "/bin/sh", "/bin/chmod": "/bin/chmod", "/bin/mkdir": "/bin/mkdir" };
  for (const [to, from] of Object.entries(programs)) {
    await put(from, to);
    for (const [, library] of (await output("ldd", [from], { PATH })).matchAll(/(\/\S+) \(0x/g)) await put(library, library);
  }
  for (const file of ["/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"]) await put(file, file);
  for (const folder of ["/proc", "/tmp", "/dev", "/usr/local/bin", "/results", "/boards"]) {
    await Deno.mkdir(root + folder, { recursive: true });
  }
  await output("mknod", ["-m", "666", `${root}/dev/null`, "c", "1", "3"], { PATH });
  await Deno.chmod(`${root}/tmp`, 0o777);
  await Deno.chmod(`${root}/results`, 0o777);
}

/** A script in the root, in namespaces of its own; Deno wants /proc. */
function inside(root: string, as: string, script: string, ...more: string[]): string[] {
  const enter = 'mount -t proc proc "$0/proc" && exec chroot "--userspec=$1" "$0" /bin/sh -c "$2"';
  return ["--mount", "--pid", "--fork", ...more, "/bin/sh", "-c", enter, root, as, script];
}

const environment = { PATH, DENO_DIR: "/deno-dir", DENO_TLS_CA_STORE: "system" };

/** Does what the Containerfile says. */
async function build(root: string, recipe: string): Promise<void> {
  let folder = "/";
  for (const [, instruction, rest] of recipe.matchAll(/^(WORKDIR|COPY|RUN) (.*)$/gm)) {
    if (instruction === "WORKDIR") await Deno.mkdir(root + (folder = rest), { recursive: true });
    else if (instruction === "RUN") await output("unshare", inside(root, "0:0", `cd ${folder}; ${rest}`), environment);
    else {
      const names = rest.split(" ");
      const to = `${root}${folder}/${names.pop()}`;
      for (const name of names) await output("cp", name.endsWith("/") ? ["-r", `${source}${name}.`, to] : [source + name, to], { PATH });
    }
  }
}

Deno.test({
  name: "fleet: the image's steps make from nothing what the Job's pods need",
  ignore: Deno.env.get("PLUGBOARD_IMAGE") === undefined,
  fn: async () => {
    const root = await Deno.makeTempDir();
    try {
      await Deno.chmod(root, 0o755);
      await makeRoot(root);
      await build(root, await Deno.readTextFile(`${source}examples/fleet/Containerfile`));
      for (const name of ["tour", "sram-probe"]) {
        const text = await Deno.readTextFile(`${source}boards/${name}.yaml`);
        await Deno.writeTextFile(`${root}/boards/${name}.yaml`, text.replace("kernel: ../", "kernel: /plugboard/"));
      }
      // deno-lint-ignore no-explicit-any -- another program's format: what matters of it is asserted
      const job = parse(await Deno.readTextFile(`${source}examples/fleet/job.yaml`)) as any;
      const [script] = job.spec.template.spec.containers[0].args;
      for (const index of ["0", "1"]) {
        const more = { JOB_COMPLETION_INDEX: index, SHARDS: "2", BOARDS: "/boards", RESULTS: "/results" };
        await output("unshare", inside(root, "4711:4711", script, "--net"), { ...environment, ...more });
      }
      const results = await Promise.all(["0", "1"].map((index) => Deno.readTextFile(`${root}/results/shard-${index}.xml`)));
      assertEquals(results.map((text) => [...text.matchAll(/<testcase name="([^"]+)"/g)].map(([, name]) => name)), [["sram-probe"], [
        "tour",
      ]]);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});
