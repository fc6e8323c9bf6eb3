/** A switch without a CPU: who hears what. */
import { assertEquals, assertThrows } from "@std/assert";
import { bench } from "../../../core/testing.ts";
import { NetworkSwitch } from "../contract.ts";
import type { CableEnd } from "../contract.ts";
import { networkSwitch } from "./plugin.ts";

interface Station {
  readonly end: CableEnd;
  readonly heard: string[];
  say(to: string, what: number, from?: string): void;
}

const mac = (name: string) => Uint8Array.of(2, 0, 0, 0, 0, name.charCodeAt(0));
const EVERYBODY = new Uint8Array(6).fill(255);

async function stations(names: readonly string[], options: { readonly pinned?: boolean; readonly segments?: readonly string[] } = {}) {
  const kit = bench();
  const { segments = ["lan"], pinned = false } = options;
  await kit.attach(networkSwitch, { segments, ports: 3, pinned }, { boardScope: true });
  const join = (name: string, segment = segments[0]): Station => {
    const heard: string[] = [];
    const end = kit.get(NetworkSwitch).segment(segment).plug(name);
    end.attach({ receive: ({ bytes }) => heard.push(`${bytes[14]} from ${String.fromCharCode(bytes[11])}`) > 0 });
    return {
      end,
      heard,
      say: (to, what, from = name) =>
        void end.send({ bytes: Uint8Array.of(...to === "*" ? EVERYBODY : mac(to), ...mac(from), 0x88, 0xb5, what) }),
    };
  };
  return { kit, join, all: names.map((name) => join(name)) };
}

Deno.test("network_switch: what is for one goes to that one, once it is known where it is", async () => {
  const { all: [a, b, c], join } = await stations(["a", "b", "c"]);
  a.say("b", 1);
  assertEquals([a.heard, b.heard, c.heard], [[], ["1 from a"], ["1 from a"]], "nobody knows b yet");
  b.say("a", 2);
  a.say("b", 3);
  assertEquals([a.heard, b.heard, c.heard], [["2 from b"], ["1 from a", "3 from a"], ["1 from a"]]);
  c.say("*", 4);
  c.say("c", 5);
  assertEquals([a.heard.at(-1), b.heard.at(-1), c.heard.length], ["4 from c", "4 from c", 1]);
  assertThrows(() => join("d"), Error, "3 ports");
  // Somebody goes, and what is for it goes nowhere but to everybody.
  b.end.unplug();
  a.say("b", 6);
  assertEquals([b.heard.length, c.heard.at(-1)], [3, "6 from a"]);
  const d = join("d");
  d.say("a", 7);
  assertEquals(a.heard.at(-1), "7 from d");
});

Deno.test("network_switch: segments don't see one another", async () => {
  const { join, kit } = await stations([], { segments: ["lan", "dmz"] });
  const [a, b, c] = [join("a"), join("b"), join("c", "dmz")];
  a.say("*", 1);
  a.say("c", 2);
  assertEquals([b.heard.length, c.heard], [2, []]);
  assertThrows(() => kit.get(NetworkSwitch).segment("wan"), Error, "there is lan, dmz");
});

Deno.test("network_switch: who speaks as another is told of, and dropped where addresses are pinned", async () => {
  for (const pinned of [false, true]) {
    const { all: [a, b, c], kit } = await stations(["a", "b", "c"], { pinned });
    a.say("*", 1);
    b.say("*", 2);
    c.say("b", 3, "a");
    b.say("a", 4);
    assertEquals([a.heard.includes("4 from b"), c.heard.includes("4 from b")], [pinned, !pinned]);
    assertEquals(b.heard.includes("3 from a"), !pinned);
    assertEquals(kit.traced.filter((line) => /another port/.test(line)).length, 1);
  }
});
