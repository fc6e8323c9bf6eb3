import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { engineVersion, KeptFiles } from "./kept_files.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function inFolder(body: (directory: string, root: string) => void): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    body(`${root}/kept`, root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name);

Deno.test("what is kept comes back under its key and version, and only there", () =>
  inFolder((directory) => {
    const files = new KeptFiles(directory, () => "1");
    assertEquals(files.read("a"), undefined);
    files.write("a", bytes("one"));
    files.write("b", bytes("two"));
    files.write("a", bytes("three"));
    assertEquals(new KeptFiles(directory, () => "1").read("a"), bytes("three"));
    assertEquals(files.read("b"), bytes("two"));
    assertEquals(new KeptFiles(directory, () => "2").read("a"), undefined);
    assertEquals(names(directory).length, 2);
  }));

Deno.test("a program that doesn't say its version keeps nothing", () =>
  inFolder((directory, root) => {
    const files = new KeptFiles(directory, () => undefined);
    files.write("a", bytes("one"));
    assertEquals([files.read("a"), names(root)], [undefined, []]);
  }));

Deno.test("files are the user's alone; links, and what others may write to, are no files of ours", () =>
  inFolder((directory, root) => {
    const files = new KeptFiles(directory, () => "1");
    files.write("a", bytes("one"));
    const [name] = names(directory);
    const path = `${directory}/${name}`;
    assertEquals([Deno.statSync(path).mode! & 0o777, Deno.statSync(directory).mode! & 0o777], [0o600, 0o700]);
    Deno.chmodSync(path, 0o622);
    assertEquals(files.read("a"), undefined);
    Deno.renameSync(path, `${root}/elsewhere`);
    Deno.chmodSync(`${root}/elsewhere`, 0o600);
    Deno.symlinkSync(`${root}/elsewhere`, path);
    assertEquals(files.read("a"), undefined);
    // A file takes the link's place: what it leads to stays.
    files.write("a", bytes("two"));
    assertEquals([files.read("a"), Deno.readFileSync(`${root}/elsewhere`)], [bytes("two"), bytes("one")]);
    Deno.chmodSync(directory, 0o777);
    files.write("b", bytes("three"));
    assertEquals(names(directory).length, 1);
  }));

Deno.test("where nothing can be written, nothing is kept", () =>
  inFolder((directory) => {
    Deno.writeTextFileSync(directory, "a file");
    const files = new KeptFiles(directory, () => "1");
    files.write("a", bytes("one"));
    assertEquals(files.read("a"), undefined);
  }));

Deno.test("of too much, what wasn't used for longest goes", () =>
  inFolder((directory) => {
    const files = new KeptFiles(directory, () => "1");
    const large = new Uint8Array(25 << 20);
    files.write("a", large);
    files.write("b", large);
    for (const name of names(directory)) Deno.utimeSync(`${directory}/${name}`, 1000, 1000);
    assert(files.read("a") !== undefined);
    files.write("c", large);
    assertEquals(["a", "b", "c"].map((key) => files.read(key) !== undefined), [true, false, true]);
  }));

Deno.test("two writers at once: a reader sees one or the other, whole", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const script = (fill: number) => `
      const { KeptFiles } = await import(${JSON.stringify(new URL("./kept_files.ts", import.meta.url).href)});
      const files = new KeptFiles(${JSON.stringify(`${directory}/kept`)}, () => "1");
      for (let n = 0; n < 40; n++) files.write("a", new Uint8Array(200_000).fill(${fill}));`;
    const children = [1, 2].map((fill) => new Deno.Command(Deno.execPath(), { args: ["eval", script(fill)], stdin: "null" }).spawn());
    const ended = Promise.all(children.map((child) => child.status)).then((all) => all.every(({ success }) => success));
    const files = new KeptFiles(`${directory}/kept`, () => "1");
    let isOver = false, seen = 0;
    ended.then(() => isOver = true);
    while (!isOver) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const found = files.read("a");
      if (found === undefined) continue;
      seen++;
      assert(found.length === 200_000 && found.every((byte) => byte === found[0]), "torn");
    }
    assertEquals([await ended, seen > 0, names(`${directory}/kept`).length], [true, true, 1]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the engine's version is that of its sources, tests apart", async () => {
  const root = await Deno.makeTempDir();
  try {
    const version = () => engineVersion(new URL(`file://${root}/`));
    await Deno.mkdir(`${root}/isa`);
    await Deno.writeTextFile(`${root}/isa/a.ts`, "1");
    const first = version();
    await Deno.writeTextFile(`${root}/isa/a_test.ts`, "1");
    assertEquals(version(), first);
    await Deno.writeTextFile(`${root}/isa/a.ts`, "2");
    assertNotEquals(version(), first);
    assertEquals(engineVersion(new URL("file:///nowhere/at/all/")), undefined);
    assertEquals(engineVersion(new URL("https://example.com/2.0/cpu/")), "https://example.com/2.0/cpu/");
    assert(engineVersion() !== undefined);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
