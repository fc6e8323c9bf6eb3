import { assertEquals } from "@std/assert";
import { bytesOf, textOf } from "./byte_text.ts";
import { ConsoleLines } from "./lines.ts";
import { Consoles } from "./consoles.ts";
import type { ConsoleSettings } from "./consoles.ts";

const ERASE = "\r\x1b[K";

/** Consoles whose terminal, remarks and files are texts. */
function consoles(names: readonly string[], settings: ConsoleSettings = {}, live = false) {
  const seen = { screen: "", remarks: [] as string[], files: {} as Record<string, string> };
  const made = new Consoles({
    show(bytes) {
      seen.screen += textOf(bytes);
      return true;
    },
    remark: (text) => void seen.remarks.push(text),
    file: (name, bytes) => void (seen.files[name] = (seen.files[name] ?? "") + textOf(bytes)),
    style: { newline: "\n", live },
  });
  made.start(names, settings);
  const say = (name: string, text: string) => made.write(name, bytesOf(text));
  return { consoles: made, seen, say };
}

Deno.test("one console: its bytes as they are, those of others later, when it is their turn", () => {
  const { consoles: all, seen, say } = consoles(["a", "b", "c"]);
  say("a", "one\r\n\xff\x00 tw");
  say("b", "hidden\n");
  say("a", "o");
  assertEquals(seen.screen, "one\r\n\xff\x00 two");
  all.command("c");
  assertEquals([all.chosen, seen.remarks.at(-1)], ["b", "console b, 2 of 3"]);
  assertEquals(seen.screen, "one\r\n\xff\x00 twohidden\n");
  say("a", "x".repeat(10_000) + "end");
  seen.screen = "";
  all.command("1");
  assertEquals([seen.screen.length, seen.screen.endsWith("xend")], [8192, true], "the latest of what nobody saw");
  all.command("c");
  all.command("c");
  all.command("c");
  assertEquals(all.chosen, "a");
  all.command("7");
  assertEquals([all.chosen, seen.remarks.at(-1)], ["a", "there is no console 7: there is a, b, c"]);
  assertEquals(all.command("z"), false);
});

Deno.test("which one is chosen at first: the one that is asked for, console, the first that has no file", () => {
  assertEquals(consoles(["a", "b"]).consoles.chosen, "a");
  assertEquals(consoles(["a", "console"]).consoles.chosen, "console");
  assertEquals(consoles(["a", "console"], { chosen: "a" }).consoles.chosen, "a");
  assertEquals(consoles(["a", "b"], { files: new Set(["a"]) }).consoles.chosen, "b");
  assertEquals(consoles(["a"], { files: new Set(["a"]) }).consoles.chosen, "a");
  assertEquals(consoles([]).consoles.chosen, undefined);
});

Deno.test("all of them: each line behind its name, never two in one, whatever the pieces are", () => {
  const { consoles: all, seen, say } = consoles(["a", "b"], { all: true });
  say("a", "he");
  say("b", "wor");
  say("a", "llo\r\nagain");
  say("b", "ld\n\n");
  say("a", ".\n");
  assertEquals(seen.screen, "[a] hello\n[b] world\n[b] \n[a] again.\n");
  say("b", "no end");
  say("a", "neither\r");
  seen.screen = "";
  all.end();
  assertEquals(seen.screen, "[a] neither\n[b] no end\n");
});

Deno.test("all of them, random pieces: every line comes once, whole, in the order of its console", () => {
  const lines = Array.from({ length: 200 }, (_, n) => `${n} ${"#".repeat(n % 17)}`);
  for (const live of [false, true]) {
    const style = { newline: "\n", live };
    const screen = new ConsoleLines(style);
    let shown = screen.choose("b");
    const texts: Record<string, string> = { a: lines.join("\r\n") + "\r\n", b: lines.join("\n") + "\n", c: lines.join("\n") };
    for (let n = 1; Object.values(texts).some((text) => text !== ""); n = n * 16807 % 2147483647) {
      const name = "abc"[n % 3];
      const size = n % 23;
      shown += screen.take(name, texts[name].slice(0, size));
      texts[name] = texts[name].slice(size);
    }
    shown += screen.end();
    // What was erased wasn't there.
    const rows = shown.split("\n").map((row) => row.slice(row.lastIndexOf(ERASE) < 0 ? 0 : row.lastIndexOf(ERASE) + ERASE.length));
    for (const name of "abc") {
      assertEquals(rows.filter((row) => row.startsWith(`[${name}] `)).map((row) => row.slice(4)), lines, `${name}, live: ${live}`);
    }
  }
});

Deno.test("a prompt stays where one types: lines of others come above it", () => {
  const { seen, say, consoles: all } = consoles(["a", "b"], { all: true }, true);
  say("a", "# ");
  assertEquals(seen.screen, "[a] # ");
  say("a", "ls");
  assertEquals(seen.screen, "[a] # ls");
  say("b", "half a li");
  assertEquals(seen.screen, "[a] # ls");
  say("b", "ne\nand more");
  assertEquals(seen.screen, `[a] # ls${ERASE}[b] half a line\n[a] # ls`);
  say("a", "\r\nfile\r\n# ");
  assertEquals(seen.screen, `[a] # ls${ERASE}[b] half a line\n[a] # ls\n[a] file\n[a] # `);
  seen.screen = "";
  // The line that the other one has begun appears with it, and the prompt's row ends.
  all.command("c");
  assertEquals(seen.screen, "\n[b] and more");
  assertEquals(seen.remarks, ["input goes to b"]);
  seen.screen = "";
  all.command("m");
  assertEquals(seen.screen, "\n[a] # \n");
  say("a", "hidden");
  say("b", " as it is");
  assertEquals(seen.screen, "\n[a] # \n as it is");
});

Deno.test("a carriage return starts the line over; questions to the terminal go nowhere", () => {
  const { seen, say } = consoles(["a", "b"], { all: true }, true);
  say("a", "10 %\r20 %");
  say("a", "\r30 %\n");
  assertEquals(seen.screen, `[a] 20 %${ERASE}[a] 30 %\n`);
  say("b", "\x1b[6n\x1b[32mgreen\x1b[0m\x1b[c\n");
  assertEquals(seen.screen.split("\n")[1], "[b] \x1b[32mgreen\x1b[0m");
});

Deno.test("a line without an end is shown in pieces, and doesn't grow for ever", () => {
  const { seen, say } = consoles(["a", "b"], { all: true });
  for (let n = 0; n < 100; n++) say("a", "x".repeat(1000));
  assertEquals(seen.screen.split("\n").length, Math.floor(100_000 / 4096) + 1);
});

Deno.test("a console with a file: every byte is in it, and on the screen only while it is chosen", () => {
  for (const all of [false, true]) {
    const { consoles: made, seen, say } = consoles(["a", "log"], { all, files: new Set(["log"]) });
    say("log", "early\n");
    say("a", "hello\n");
    made.command("2");
    say("log", "late\n");
    made.command("1");
    say("log", "last\n");
    assertEquals(seen.files, { log: "early\nlate\nlast\n" });
    const prefix = (name: string) => all ? `[${name}] ` : "";
    assertEquals(seen.screen, `${prefix("a")}hello\n${prefix("log")}early\n${prefix("log")}late\n`);
  }
});

Deno.test("what came before the consoles were known isn't lost", () => {
  const seen: string[] = [];
  const made = new Consoles({
    show: (bytes) => seen.push(textOf(bytes)) > 0,
    remark: () => {},
    file: () => {},
    style: { newline: "\n", live: false },
  });
  made.write("b", bytesOf("first\n"));
  made.start(["a", "b"], { all: true });
  assertEquals(seen, ["[b] first\n"]);
});

Deno.test("help: nothing for one console, each of several with its key", () => {
  assertEquals(consoles(["a"]).consoles.help, "");
  assertEquals(
    consoles(["a", "b"], { files: new Set(["b"]) }).consoles.help,
    "C-a c    the next console\nC-a m    all consoles, line by line\nC-a 1    console a (chosen)\nC-a 2    console b (in a file)\n",
  );
});
