/** The control socket: domains seen and operated from other processes, and clients that mean no good. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { plugboard as plugboardHere } from "../../cli/in_process.ts";
import { runCli } from "../support/program.ts";
import { converse, plugboard, withProgram } from "./console.ts";

/** movz x1, #0x900, lsl #16; movz w2, #0x301; str w2, [x1, #0x30]; then says back what is typed, up to a `q`, and powers off. */
const ECHO = [
  0xd2a1_2001,
  0x5280_6022,
  0xb900_3022,
  0x5280_0540, // movz w0, #'*'
  0x3900_0020, // strb w0, [x1]
  0x5280_0140, // movz w0, #10
  0x3900_0020,
  0xb940_1822, // ldr w2, [x1, #0x18]
  0x3727_ffe2, // tbnz w2, #4, .-4
  0xb940_0020,
  0x3900_0020,
  0x7101_c41f,
  0x54ff_ff61,
  0xd2b0_8000,
  0xf280_0100,
  0xd400_0002,
];
/** What the text of the program's board has for each of its domains. */
const twoDomains = (manifest: string) => {
  const [board, domain] = manifest.split(/^domains:\n/m);
  const named = (name: string) => domain.replace(/name: \w+/, `name: ${name}`).replace("port: console", `port: ${name}`);
  return `${board.replace(/^memory:\n.*\n/m, "memory: [{ at: 0x4000_0000, size: 192MiB }]\n")}domains:\n${named("one")}${named("two")}`;
};

interface Run {
  readonly socket: string;
  readonly folder: string;
  /** What it has on standard output so far. */
  readonly shown: () => string;
  readonly status: Promise<Deno.CommandStatus>;
  readonly stderr: () => string;
}

/** Starts the two echoing guests with a control socket, and ends them whatever happens. */
async function withRun(body: (run: Run) => Promise<void>, args: readonly string[] = []): Promise<void> {
  await withProgram(ECHO, async (board, folder) => {
    const socket = `${folder}/control`;
    const [command, ...words] = plugboard("run", board, "--control", socket, "--wall-timeout", "300s", ...args);
    const child = new Deno.Command(command, { args: words, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
    let [stdout, stderr] = ["", ""];
    const read = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
      for await (const chunk of stream) add(new TextDecoder("latin1").decode(chunk));
    };
    const reading = [read(child.stdout, (text) => stdout += text), read(child.stderr, (text) => stderr += text)];
    try {
      await until(() => stderr.includes("control "), () => stderr);
      await body({ socket, folder, shown: () => stdout, status: child.status, stderr: () => stderr });
    } finally {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
      await Promise.all(reading);
    }
  }, twoDomains);
}

async function until(what: () => boolean, told: () => string = () => ""): Promise<void> {
  for (let n = 0; !what(); n++) {
    assert(n < 3000, `it doesn't come: ${told()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** By a process of its own. */
const ask = (run: Run, ...words: string[]) => runCli([...words, "--control", run.socket]);
/** By this one, which is quicker. */
const askHere = (run: Run, ...words: string[]) => plugboardHere(...words, "--control", run.socket);

/** A connection without our client. */
async function raw(path: string): Promise<{ readonly connection: Deno.Conn; line(): Promise<string>; send(text: string): Promise<void> }> {
  const connection = await Deno.connect({ transport: "unix", path });
  let rest = "";
  return {
    connection,
    async line() {
      const chunk = new Uint8Array(65536);
      while (!rest.includes("\n")) {
        const count = await connection.read(chunk);
        if (count === null) return "";
        rest += new TextDecoder().decode(chunk.subarray(0, count));
      }
      const line = rest.slice(0, rest.indexOf("\n"));
      rest = rest.slice(line.length + 1);
      return line;
    },
    async send(text) {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    },
  };
}

Deno.test("ps, pause, unpause, reboot, console and destroy from other processes; the run says how it ended", () =>
  withRun(async (run) => {
    assertEquals(Deno.statSync(run.socket).mode! & 0o777, 0o600);
    const first = await ask(run, "ps");
    assertEquals([first.code, first.stderr], [0, ""]);
    assertMatch(
      first.stdout,
      /^\S+, [\d.]+ s of virtual time\nDOMAIN +STATE +CPU +VCPUS +PORTS\none +running +[\d.]+ % +0: on CPU \d +one\ntwo +running /,
    );

    const held = await ask(run, "pause", "one");
    assertMatch(held.stdout, /^one paused at [\d.]+ s\n$/);
    assertEquals((await askHere(run, "pause", "one")).stderr, "error: one is paused already");
    assertMatch((await askHere(run, "ps")).stdout, /one +paused .*0: paused +one\ntwo +running/);

    // What is typed meanwhile comes when it goes on.
    const before = run.shown();
    const typed = await raw(run.socket);
    await typed.send('{"id":1,"verb":"input","port":"one","bytes":"held\\n"}\n{"id":2,"verb":"input","port":"two","bytes":"free\\n"}\n');
    assertEquals([await typed.line(), await typed.line()], ['{"id":1,"ok":true,"result":5}', '{"id":2,"ok":true,"result":5}']);
    await until(() => run.shown().includes("free"));
    assert(!run.shown().slice(before.length).includes("held"));
    assertMatch((await askHere(run, "unpause", "one")).stdout, /^one unpaused/);
    await until(() => run.shown().includes("held"));
    typed.connection.close();

    const stars = () => run.shown().split("*").length;
    const beforeReboot = stars();
    assertMatch((await ask(run, "reboot", "two")).stdout, /^two rebooted at/);
    await until(() => stars() > beforeReboot);

    // What was shown before comes first; then a conversation, at whose end the guest powers off.
    const typing = [{ after: "*", text: "hello\n" }, { after: "hello\n", text: "q" }];
    const talking = converse(plugboard("console", "two", "--control", run.socket), typing, { open: true });
    await until(() => run.shown().includes("hello"));
    let last = await askHere(run, "ps", "--json");
    for (let n = 0; n < 50 && !last.stdout.includes('"off"'); n++) last = await askHere(run, "ps", "--json");
    const { nowNs, domains } = JSON.parse(last.stdout);
    assert(nowNs > 0);
    assertEquals(domains.map(({ name, state }: { name: string; state: string }) => [name, state]), [["one", "running"], ["two", "off"]]);
    assertMatch((await ask(run, "destroy", "one")).stdout, /^one destroyed at/);
    const talk = await talking;
    assertStringIncludes(talk.text, "hello\nq");
    assertEquals([talk.code, talk.stderr], [0, ""]);
    assertEquals((await run.status).code, 0);
    assertStringIncludes(run.stderr(), "two powered off");
    assertEquals(exists(run.socket), false);
    assertStringIncludes((await askHere(run, "ps")).stderr, "there is no such socket");
  }));

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("mistakes: a verb without its domain, domains and ports that aren't there, a socket that is taken, a file in its place", () =>
  withRun(async (run) => {
    assertEquals(await askHere(run, "pause", "three"), {
      code: 2,
      stdout: "",
      stderr: "error: there is no domain three; there is one, two",
    });
    assertStringIncludes((await askHere(run, "unpause", "one")).stderr, "one isn't paused");
    assertStringIncludes(
      (await askHere(run, "console", "three")).stderr,
      "there is no serial port three, and no domain with one; there is one, two",
    );
    const second = await runCli([`${run.folder}/board.yaml`, "--control", run.socket]);
    assertEquals(second.code, 2);
    assertStringIncludes(second.stderr, "is the control socket of a run that lives");
    Deno.writeTextFileSync(`${run.folder}/file`, "mine");
    assertStringIncludes(
      (await runCli([`${run.folder}/board.yaml`, "--control", `${run.folder}/file`])).stderr,
      "is there already, and no socket",
    );
    assertEquals(Deno.readTextFileSync(`${run.folder}/file`), "mine");
    const nowhere = await runCli([`${run.folder}/board.yaml`, "--control", `${run.folder}/no/where`]);
    assertEquals(nowhere.code, 2);
    // Whoever destroys everything ends the run, and that is no failure.
    for (const name of ["one", "two"]) assertEquals((await askHere(run, "destroy", name)).code, 0);
    assertEquals((await run.status).code, 0);
    assertStringIncludes(run.stderr(), "two was destroyed");
  }));

Deno.test("hostile clients: lines without end, nonsense, floods, many connections, one that never reads; the run goes on, and others are served", () =>
  withRun(async (run) => {
    const [endless, nonsense, flood, deaf] = [await raw(run.socket), await raw(run.socket), await raw(run.socket), await raw(run.socket)];
    await endless.send("x".repeat(20_000)).catch(() => {});
    assertMatch(await endless.line(), /"ok":false,"error":"a line has at most 16384 bytes"/);
    assertEquals(await endless.line(), "", "it was hung up");
    for (
      const [line, error] of [
        ["hello", "this is no line of JSON"],
        ["[]", "want an object"],
        ['{"verb":"ps"}', "id: want a number"],
        ['{"id":1}', "verb: want ps"],
        ['{"id":1,"verb":"__proto__"}', "verb: want ps"],
        ['{"id":1,"verb":"destroy"}', "domain: want a name"],
        ['{"id":1,"verb":"destroy","domain":"__proto__"}', "there is no domain __proto__"],
        ['{"id":1,"verb":"destroy","domain":["one"]}', "domain: want a name"],
        ['{"id":1,"verb":"input","port":"nobody","bytes":"x"}', "no device has a serial port"],
        ['{"id":1,"verb":"input","port":"one","bytes":"\u1234"}', "bytes: want a character"],
        [`${"[".repeat(8000)}`, "this is no line of JSON"],
      ]
    ) {
      await nonsense.send(`${line}\n`);
      const answer = await nonsense.line();
      assertStringIncludes(answer, '"ok":false');
      assertStringIncludes(answer, error);
    }
    // Thirty requests at once: each is answered, one after the other.
    flood.send('{"id":7,"verb":"ps"}\n'.repeat(30)).catch(() => {});
    for (let n = 0; n < 30; n++) assertStringIncludes(await flood.line(), '{"id":7,"ok":true');
    // It asks for a console and more, and reads nothing: it is read no further.
    await deaf.send('{"id":1,"verb":"console","name":"one"}\n');
    let sent = 0;
    const pushing = (async () => {
      for (; sent < 200_000; sent++) await deaf.send('{"id":2,"verb":"ps"}\n');
    })().catch(() => {});
    // More clients than there is room for: who was silent longest goes.
    const crowd = await Promise.all(Array.from({ length: 40 }, () => raw(run.socket)));
    const answered = await ask(run, "ps");
    assertEquals(answered.code, 0);
    assertMatch(answered.stdout, /one +running .*\ntwo +running/);
    for (const { connection } of [...crowd, endless, nonsense, flood, deaf]) {
      try {
        connection.close();
      } catch {
        // The run has hung up.
      }
    }
    await pushing;
    assert(sent < 200_000, "it could send without end");
    assertEquals((await askHere(run, "destroy", "one")).code, 0);
    assertEquals((await askHere(run, "destroy", "two")).code, 0);
    assertEquals((await run.status).code, 0);
  }));

Deno.test("a socket of its own under XDG_RUNTIME_DIR, found without a word; one that a killed run left is replaced", () =>
  withProgram(ECHO, async (board, folder) => {
    const env = { XDG_RUNTIME_DIR: folder };
    const [command, ...args] = plugboard(board, "--control", "auto", "--wall-timeout", "300s");
    const child = new Deno.Command(command, { args, env, stdin: "null", stdout: "null", stderr: "null" }).spawn();
    const names = () => exists(`${folder}/plugboard`) ? [...Deno.readDirSync(`${folder}/plugboard`)].map(({ name }) => name) : [];
    await until(() => names().length === 1);
    assertEquals(Deno.statSync(`${folder}/plugboard`).mode! & 0o777, 0o700);
    const told = await converse(plugboard("ps"), [], { env });
    assertStringIncludes(told.text, "DOMAIN");
    child.kill("SIGKILL");
    await child.status;
    const path = `${folder}/plugboard/${names()[0]}`;
    assertStringIncludes((await converse(plugboard("ps"), [], { env })).stderr, "no run answers at");
    const again = await runCli([board, "--control", path, "--timeout", "1ms"]);
    assertEquals(again.code, 4, again.stderr);
    assertStringIncludes((await converse(plugboard("ps"), [], { env })).stderr, "no run has a control socket here");
  }));
