import { assert, assertEquals, fail } from "@std/assert";
import type { VcpuState } from "../../../../../core/mod.ts";
import { BASE, programMachine } from "../../tests/program_machine.ts";
import { DecodedWords } from "../../decoded_words.ts";
import type { Translation } from "../translation.ts";
import { decodeHandlers, decodeTranslations, decodeWords, encodeTranslations, encodeWords } from "./format.ts";
import type { TranslationStore } from "./keeper.ts";

/** What was kept, in memory, and what was said. */
class MemoryStore implements TranslationStore {
  readonly kept = new Map<string, Uint8Array>();
  readonly said: string[] = [];
  read = (key: string) => this.kept.get(key);
  write = (key: string, bytes: Uint8Array) => void this.kept.set(key, bytes);
  say = (text: string) => void this.said.push(text);

  /** Changes what is kept. */
  change(by: (bytes: Uint8Array) => Uint8Array): void {
    for (const [key, bytes] of this.kept) this.kept.set(key, by(bytes.slice()));
  }
}

const HVC = 0xd4000002;
const LOOP = BASE + 0x1ff0, FUNCTION = BASE + 0x3000;

/** X0 = 400 rounds of a loop that crosses into the next page and calls a function on a third. A guest is known by its first page. */
const programs = {
  [BASE]: [0xd2803200, 0x140007fb], // mov x0, #400; b LOOP
  [LOOP]: [
    0x91000421, // add x1, x1, #1
    0xaa0103e2, // mov x2, x1
    0x94000402, // bl FUNCTION
    0x8b020063, // add x3, x3, x2
    0xf1000400, // subs x0, x0, #1    the next page
    0x54ffff61, // b.ne LOOP
    HVC,
  ],
  [FUNCTION]: [0x91000442, 0xd65f03c0], // add x2, x2, #1; ret
};

type Programs = Readonly<Record<number, readonly number[]>>;

/** Runs it, and keeps what is worth it. */
function run(store: TranslationStore | undefined, words: Programs = programs, tier1: "on" | "off" = "on") {
  const { engine, ram } = programMachine(words, tier1, { translations: store });
  const vcpu = engine.createVcpu({ mpidr: 0n });
  vcpu.write("HCR_EL2", 1n << 31n);
  const go = (budget = 100_000) => {
    vcpu.pc = BigInt(BASE);
    engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1 });
    return state(vcpu, engine.lastRetired);
  };
  const result = go();
  engine.cpu.tier1?.save();
  return { result, go, engine, ram, stats: engine.cpu.tier1?.stats };
}

function state(vcpu: VcpuState, retired: number): string {
  return [retired, vcpu.pc, vcpu.pstate, ...[0, 1, 2, 3, 4, 5, 6, 30].map((n) => vcpu.x(n))].join();
}

Deno.test("a second run compiles nothing, and ends as without a compiler", () => {
  const store = new MemoryStore();
  const first = run(store);
  assert(first.stats!.regions > 0 && first.stats!.bound === 0);
  const second = run(store);
  assertEquals([second.stats!.regions, second.stats!.bound > 0], [0, true]);
  assertEquals(second.result, run(undefined, programs, "off").result);
  assertEquals(first.result, second.result);
});

Deno.test("code that differs by a bit, on whichever page, isn't what was compiled", () => {
  const store = new MemoryStore();
  run(store);
  const changed: Programs[] = [
    { ...programs, [LOOP]: programs[LOOP].with(0, 0x91000821) }, // add x1, x1, #2
    { ...programs, [LOOP]: programs[LOOP].with(4, 0xf1000800) }, // subs x0, x0, #2
    { ...programs, [FUNCTION]: [0x91000842, 0xd65f03c0] }, // add x2, x2, #2
  ];
  for (const words of changed) {
    const { result, stats } = run({ ...store, write() {}, say: fail }, words);
    assertEquals(result, run(undefined, words, "off").result);
    assert(stats!.regions > 0);
  }
});

Deno.test("code that changes is bound no more, and again when it is what it was", () => {
  const store = new MemoryStore();
  run(store);
  const { go, engine, ram, stats } = run(store);
  const put = (words: readonly number[]) => {
    ram.view(FUNCTION, words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
    engine.memoryWritten(FUNCTION, words.length * 4);
  };
  const plain = run(undefined, programs, "off");
  const bound = stats!.bound;
  assertEquals(plain.go(), go());
  put([0x91000842, 0xd65f03c0]);
  const other = run(undefined, { ...programs, [FUNCTION]: [0x91000842, 0xd65f03c0] }, "off");
  // Registers go on from where they are.
  const sums = (text: string) => text.split(",").slice(0, 3).join();
  assertEquals(sums(go()), sums(other.result));
  put(programs[FUNCTION]);
  engine.memoryWritten(LOOP, 4);
  engine.memoryWritten(BASE + 0x2000, 4);
  go();
  assert(stats!.bound > bound, "it wasn't bound again");
});

Deno.test("a debugger stops in code that was compiled in another run, each time round, on any of its pages", () => {
  const store = new MemoryStore();
  run(store);
  for (const address of [LOOP + 8, LOOP + 16, FUNCTION]) {
    const outcomes = ([[undefined, "off"], [store, "on"]] as const).map(([translations, tier1]) => {
      const { engine } = programMachine(programs, tier1, { translations });
      const vcpu = engine.createVcpu({ mpidr: 0n });
      vcpu.write("HCR_EL2", 1n << 31n);
      vcpu.pc = BigInt(BASE);
      // No traces, which would look at each instruction by themselves.
      if (engine.cpu.tier1) engine.cpu.tier1.hotness!.tuning.firstThreshold = Infinity;
      const stop = { on: "execute", space: "virtual", address: BigInt(address), size: 4 } as const;
      engine.setStops([{ stop }]);
      return Array.from({ length: 12 }, (_, n) => {
        if (n === 10) engine.setStops([]);
        const exit = engine.run(vcpu, { budget: 1500, startNs: 0, nsPerInstruction: 1 });
        return `${exit.kind} ${state(vcpu, engine.lastRetired)}`;
      });
    });
    assertEquals(outcomes[1], outcomes[0]);
    assertEquals(outcomes[0].filter((outcome) => outcome.startsWith("breakpoint")).length, 10);
  }
});

Deno.test("what is damaged, cut or another engine's is ignored, and said", () => {
  const damages: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.subarray(0, bytes.length - 4),
    (bytes) => bytes.subarray(0, 5),
    () => new Uint8Array(),
    () => new Uint8Array(4096).fill(0xff),
    (bytes) => bytes.map((byte, i) => i === 40 ? byte ^ 1 : byte),
    (bytes) => bytes.map((byte, i) => i === bytes.length - 9 ? byte ^ 0x80 : byte),
    (bytes) => bytes.map((byte, i) => i === 4 ? byte ^ 1 : byte),
  ];
  const expected = run(undefined, programs, "off").result;
  for (const [index, damage] of damages.entries()) {
    const store = new MemoryStore();
    run(store);
    store.change(damage);
    const { result, stats } = run(store);
    // Translations, decoded words, and handlers.
    assertEquals([index, result, stats!.bound, store.said.length], [index, expected, 0, 3]);
    // It was written anew.
    assertEquals(run(store).stats!.regions, 0);
  }
});

Deno.test("code that no compiler of ours wrote is refused where the host's refuses it", () => {
  const store = new MemoryStore();
  run(store);
  const [key, bytes] = [...store.kept].find(([key]) => !/words|handlers/.test(key))!;
  const found = decodeTranslations(key, bytes)!;
  // Ends a function too early.
  found.module[found.module.length - 2] = 0x0b;
  store.kept.set(key, encodeTranslations(key, found));
  const { result, stats } = run(store);
  assertEquals([result, stats!.bound, store.said.length], [run(undefined, programs, "off").result, 0, 1]);
});

Deno.test("translations survive being written, and any wrong number in them is seen", () => {
  const translation = {
    head: 7,
    pages: [0, -1, 1],
    spans: [{ first: 7, count: 2 }, { first: -1024, count: 1 }, { first: 1024, count: 3 }],
    words: Uint32Array.from([0xd65f03c0, 1, 2, 3, 4, 5]),
    exits: [-2000, 9],
    code: { body: new Uint8Array([5, 0, 1, 1, 1, 11]), hints: [3] },
  };
  const encode = (part: Partial<Translation>, age = 3) =>
    encodeTranslations("key", {
      kept: [{ translation: { ...translation, ...part }, age }],
      module: new Uint8Array([1, 2, ...translation.code.body]),
    });
  const bytes = encode({});
  const { kept: [found], module } = decodeTranslations("key", bytes)!;
  const { exits, code: { body, hints } } = found.translation;
  assertEquals({ ...found.translation, exits: [...exits], code: { body, hints: [...hints] } }, translation);
  assertEquals([found.age, module], [3, new Uint8Array([1, 2, ...translation.code.body])]);
  assertEquals(decodeTranslations("other", bytes), undefined);
  for (let at = 0; at < bytes.length; at++) {
    assertEquals(decodeTranslations("key", bytes.with(at, bytes[at] ^ 4)), undefined, `byte ${at}`);
  }
  const wrong = [
    { head: 1024 },
    { head: 8 },
    { pages: [1, -1, 1] },
    { pages: [0, 1] },
    { spans: [{ first: 7, count: 0 }] },
    { spans: [{ first: 7, count: 1020 }] },
    { spans: [] },
  ];
  for (const part of wrong) {
    assertEquals(decodeTranslations("key", encode(part)), undefined);
  }
});

Deno.test("decoded words survive being written, with their handlers, whatever numbers those have", () => {
  const record = (word: number, handler: number) => Uint32Array.of(word << 16 | handler, word, ~word, 7);
  const first = new DecodedWords(undefined, () => fail());
  for (let word = 1; word < 2000; word++) first.remember(word, record(word, 100 + word % 3), 0);
  const bytes = encodeWords("key", first.all);
  for (let at = 0; at < bytes.length; at += 61) assertEquals(decodeWords("key", bytes.with(at, bytes[at] ^ 1)), undefined);
  assertEquals(decodeWords("other", bytes), undefined);
  const made: number[] = [];
  const second = new DecodedWords(decodeWords("key", bytes), (word) => made.push(word % 3) + 4);
  const out = new Uint32Array(8);
  assertEquals([second.write(9, out, 4), second.write(9, out, 4), second.write(5000, out, 0)], [true, true, false]);
  assertEquals([made, [...out.subarray(4)]], [[0], [...record(9, 5)]]);
  assertEquals([second.write(13, out, 0), made, [...out.subarray(0, 4)]], [true, [0, 1], [...record(13, 6)]]);
  // What nobody needed keeps its handler.
  second.remember(3000, record(3000, 5), 0);
  const third = new DecodedWords(second.all, (word) => 20 + word % 3);
  for (const word of [8, 9, 10, 13, 3000]) {
    assert(third.write(word, out, 0));
    assertEquals([...out.subarray(0, 4)], [...record(word, 20 + word % 3)]);
  }
});

Deno.test("handlers of a run before execute, and are kept with those that are new", () => {
  // ASR, ROR and CRC32CX, which have no place in the loop.
  const rare = [0x9ac12803, 0x9ac12c04, 0x9ac15c05];
  const store = new MemoryStore();
  const words = (some: readonly number[]) => ({ ...programs, [LOOP + 24]: [...some, HVC] });
  const kept = () => {
    const [key, bytes] = [...store.kept].find(([key]) => key.endsWith("handlers"))!;
    return decodeHandlers(key, bytes)!;
  };
  const first = run(store, words(rare.slice(0, 2)));
  assertEquals(first.result, run(undefined, words(rare.slice(0, 2)), "off").result);
  const { keys, bodies, module } = kept();
  assert(keys.length >= 2 && WebAssembly.validate(module));
  const second = run(store, words(rare));
  assertEquals(second.result, run(undefined, words(rare), "off").result);
  assert(kept().keys.length > keys.length);
  assertEquals([kept().keys.slice(0, keys.length), kept().bodies.slice(0, keys.length)], [keys, bodies]);
  const third = run(store, words(rare));
  assertEquals(third.result, second.result);
  // A word that nobody decoded before, for a handler that is there: asr x6, x0, x1.
  const other = words([0x9ac12806, ...rare]);
  assertEquals(run(store, other).result, run(undefined, other, "off").result);
});

Deno.test("what no run needs any more isn't kept for ever", () => {
  const store = new MemoryStore();
  run(store);
  const only = { [BASE]: programs[BASE], [LOOP]: [HVC] };
  const first = [...store.kept.keys()].find((key) => !/words|handlers/.test(key))!;
  const size = () => store.kept.get(first)!.length;
  const before = size();
  for (let n = 0; n < 8; n++) run(store, only);
  assertEquals([size(), store.kept.size], [before, 3]);
  run(store, only);
  assert(size() < before);
});
