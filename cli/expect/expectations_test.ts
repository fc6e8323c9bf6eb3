import { assertEquals, assertThrows } from "@std/assert";
import { exitCodeOf } from "../exit_codes.ts";
import type { Ending } from "../exit_codes.ts";
import { Watcher } from "./expectations.ts";
import type { Step } from "./expectations.ts";
import { literal, parsePattern, unescape } from "./patterns.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function watch(expect: string[], refuse: string[], chunks: string[]): Watcher {
  const watcher = new Watcher({
    steps: expect.map((text) => ({ expect: parsePattern("--expect", text) })),
    refuse: refuse.map((text) => parsePattern("--fail", text)),
  });
  for (const chunk of chunks) watcher.see("console", bytes(chunk));
  return watcher;
}

const rows: [string, string[], string[], string[], Ending | undefined][] = [
  ["a text in one piece", ["login:"], [], ["Debian login: "], { kind: "expected" }],
  ["a text in pieces", ["login:"], [], ["Debian lo", "gi", "n: "], { kind: "expected" }],
  ["texts in order", ["one", "two"], [], ["one ", "two"], { kind: "expected" }],
  ["texts out of order", ["one", "two"], [], ["two one"], undefined],
  ["one text doesn't serve twice", ["ab", "ab"], [], ["ab"], undefined],
  ["a text that comes twice", ["ab", "ab"], [], ["a", "ba", "b"], { kind: "expected" }],
  ["a text that must not come", ["never"], ["BUG:"], ["BU", "G: x"], { kind: "refused", text: "BUG:" }],
  ["the one that comes first decides: bad", ["ok"], ["bad"], ["bad ok"], { kind: "refused", text: "bad" }],
  ["the one that comes first decides: good", ["ok"], ["bad"], ["ok bad"], { kind: "expected" }],
  ["a panic", [], [], ["Kernel panic - not syncing: why\n---[ end Kernel ", "panic - not syncing: why ]---"], {
    kind: "panic",
    text: "Kernel panic - not syncing: why",
  }],
  ["a panic that is expected", ["end Kernel panic"], [], ["---[ end Kernel panic"], { kind: "expected" }],
  ["an expression", ["/^ok \\d+/"], [], ["no ok 1\nok 12 "], { kind: "expected" }],
  ["an expression, with flags", ["/LOGIN/i"], [], ["Debian login: "], { kind: "expected" }],
  ["the beginning of a line isn't where a piece begins", ["/^ok/"], [], ["not ", "ok "], undefined],
  ["the end of a line isn't where a piece ends", ["/^ok$/"], [], ["ok", "ay\n"], undefined],
  ["the end of a line", ["/^ok$/"], [], ["ok", "\n"], { kind: "expected" }],
  ["an expression that must not match", ["ok"], ["/BUG|Oops/"], ["Oops: ok"], { kind: "refused", text: "/BUG|Oops/" }],
  ["a panic before what is expected", ["ok"], [], ["---[ end Kernel panic"], { kind: "panic", text: "---[ end Kernel panic" }],
  ["a text in colours, which come in pieces", ["[OK] Started"], [], ["[\x1b", "[3", "2mOK\x1b[0m] ", "Started"], { kind: "expected" }],
  ["a prompt with a question to the terminal", ["/^# $/"], [], ["# \x1b[6n", "\n"], { kind: "expected" }],
  ["nothing", ["x"], ["y"], ["z".repeat(10_000)], undefined],
];
for (const [name, expect, refuse, chunks, ending] of rows) {
  Deno.test(`watcher: ${name}`, () => assertEquals(watch(expect, refuse, chunks).ending, ending));
}

Deno.test("watcher: ports don't mix, and bytes of a character may come apart", () => {
  const watcher = new Watcher({ steps: [{ expect: literal("ä!") }], refuse: [] });
  const [first, second] = bytes("ä");
  watcher.see("a", Uint8Array.of(first));
  watcher.see("b", bytes("!"));
  watcher.see("a", Uint8Array.of(second));
  assertEquals(watcher.ending, undefined);
  watcher.see("a", bytes("!"));
  assertEquals(watcher.ending, { kind: "expected" });
});

Deno.test("watcher: a prompt has come when nothing follows it for a while, or ever", () => {
  const prompt = () => {
    const watcher = new Watcher({ steps: [{ expect: parsePattern("--expect", "/^# $/") }], refuse: [] });
    watcher.see("console", bytes("# "));
    return watcher;
  };
  const first = prompt();
  first.settle(1e9);
  first.settle(1.01e9);
  assertEquals(first.ending, undefined);
  first.settle(1.06e9);
  assertEquals(first.ending, { kind: "expected" });
  const second = prompt();
  second.settle();
  assertEquals(second.ending, { kind: "expected" });
});

Deno.test("watcher: types when it is time, and expects the answer behind it", () => {
  const steps: Step[] = [{ send: "hello\n" }, { expect: literal("# ") }, { send: "ls\n" }, { expect: literal("# ") }, { send: "off\n" }];
  const watcher = new Watcher({ steps, refuse: [] });
  assertEquals([watcher.takeInput(), watcher.takeInput(), watcher.types], [["hello\n"], [], true]);
  watcher.see("console", bytes("# "));
  assertEquals([watcher.takeInput(), watcher.missing], [["ls\n"], ["# "]]);
  watcher.see("console", bytes("bin\n# "));
  assertEquals([watcher.takeInput(), watcher.types, watcher.ending], [["off\n"], false, undefined]);
});

Deno.test("watcher: a panic is remembered, unless it was expected", () => {
  const panics = (expect: string) => {
    const watcher = new Watcher({ steps: [{ expect: literal(expect) }, { expect: literal("login:") }], refuse: [] });
    watcher.see("console", bytes("Kernel panic - not syncing: VFS\n"));
    return watcher.panic;
  };
  assertEquals([panics("x"), panics("Kernel panic")], ["Kernel panic - not syncing: VFS", undefined]);
});

Deno.test("patterns: mistakes are told, escapes are understood", () => {
  assertThrows(() => parsePattern("--expect", "/(/"), Error, "--expect /(/");
  assertThrows(() => parsePattern("--expect", ""), Error, "want a text");
  assertEquals([parsePattern("--expect", "/etc").isOpen, unescape("a\\n\\x1b\\\\n\\q")], [false, "a\n\x1b\\n\\q"]);
});

const codes: [string, Ending, string[], number][] = [
  ["expected", { kind: "expected" }, [], 0],
  ["power off", { kind: "stopped", reason: { kind: "power-off" } }, [], 0],
  ["power off too early", { kind: "stopped", reason: { kind: "power-off" } }, ["x"], 1],
  ["the guest's own code", { kind: "stopped", reason: { kind: "power-off", code: 7 } }, [], 7],
  ["reboot", { kind: "stopped", reason: { kind: "reboot" } }, [], 5],
  ["crash", { kind: "stopped", reason: { kind: "crash" } }, ["x"], 3],
  ["panic", { kind: "panic", text: "" }, [], 3],
  ["refused", { kind: "refused", text: "" }, [], 1],
  ["endless loops", { kind: "in-vain" }, ["x"], 4],
  ["idle", { kind: "stopped", reason: { kind: "idle-forever" } }, [], 4],
  ["timeout", { kind: "timeout", limit: "1s" }, ["x"], 4],
  ["C-a x", { kind: "quit" }, [], 0],
  ["C-a x too early", { kind: "quit" }, ["x"], 1],
  ["a signal", { kind: "quit", signal: "SIGTERM" }, [], 130],
];
for (const [name, ending, missing, code] of codes) {
  Deno.test(`exit code: ${name}`, () => assertEquals(exitCodeOf(ending, missing), code));
}
