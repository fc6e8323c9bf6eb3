import { assertEquals } from "@std/assert";
import { exitCodeOf } from "./exit_codes.ts";
import type { Ending } from "./exit_codes.ts";
import { Watcher } from "./expectations.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function watch(expect: string[], refuse: string[], chunks: string[]): Watcher {
  const watcher = new Watcher({ expect, refuse });
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
  ["a panic", [], [], ["---[ end Kernel ", "panic - not syncing ]---"], { kind: "panic", text: "---[ end Kernel panic" }],
  ["a panic that is expected", ["end Kernel panic"], [], ["---[ end Kernel panic"], { kind: "expected" }],
  ["nothing", ["x"], ["y"], ["z".repeat(10_000)], undefined],
];
for (const [name, expect, refuse, chunks, ending] of rows) {
  Deno.test(`watcher: ${name}`, () => assertEquals(watch(expect, refuse, chunks).ending, ending));
}

Deno.test("watcher: ports don't mix, and bytes of a character may come apart", () => {
  const watcher = new Watcher({ expect: ["ä!"], refuse: [] });
  const [first, second] = bytes("ä");
  watcher.see("a", Uint8Array.of(first));
  watcher.see("b", bytes("!"));
  watcher.see("a", Uint8Array.of(second));
  assertEquals(watcher.ending, undefined);
  watcher.see("a", bytes("!"));
  assertEquals(watcher.ending, { kind: "expected" });
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
  ["idle", { kind: "stopped", reason: { kind: "idle-forever" } }, [], 4],
  ["timeout", { kind: "timeout", limit: "1s" }, ["x"], 4],
  ["C-a x", { kind: "quit" }, [], 0],
  ["C-a x too early", { kind: "quit" }, ["x"], 1],
  ["a signal", { kind: "quit", signal: "SIGTERM" }, [], 130],
];
for (const [name, ending, missing, code] of codes) {
  Deno.test(`exit code: ${name}`, () => assertEquals(exitCodeOf(ending, missing), code));
}
