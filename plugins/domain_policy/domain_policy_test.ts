/** What policies say, how they are asked, and what `check` finds in rules. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { checkBoard, definePlugin, Machine } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { fakeBoard, uses } from "../../core/testing.ts";
import { EventChannels, eventChannels } from "../event_channels/mod.ts";
import { DomainPolicy, domainPolicy, isAllowed, silo } from "./mod.ts";
import type { CrossRequest } from "./mod.ts";
import { decide } from "./rules.ts";

const request = (subject: string, object: string, verb: CrossRequest["verb"] = "event", declared = false) => ({
  subject,
  object,
  verb,
  declared,
});

Deno.test("silo: what the manifest declares, and nothing else; oneself always", () => {
  assertEquals(isAllowed(undefined, request("a", "b")), false);
  assertEquals(isAllowed(silo, request("a", "b", "grant", true)), true);
  assertEquals(isAllowed({ allows: () => false }, request("a", "a")), true);
});

Deno.test("a policy that throws, or answers anything but true, refuses, and says so", () => {
  const lines: string[] = [];
  const trace = (kind: string, detail: () => string) => void lines.push(`${kind}: ${detail()}`);
  const answers = [1, "yes", {}, undefined, null, Promise.resolve(true)];
  for (const answer of answers) assertEquals(isAllowed({ allows: () => answer as boolean }, request("a", "b"), trace), false);
  const throws = () => {
    throw new Error("out of order");
  };
  assertEquals(isAllowed({ allows: throws }, request("a", "b", "grant"), trace), false);
  assertEquals(lines.length, answers.length + 1);
  assertEquals(lines.at(-1), "domain policy: grant of a with b: refused, because the policy threw: out of order");
});

Deno.test("rules: the first that fits decides", () => {
  const rules = [
    { from: "a", to: "b", deny: ["grant"] as const },
    { from: "*", to: "b", allow: ["grant", "event"] as const },
    { from: "b", to: "*", deny: ["event"] as const },
  ];
  const rows: [CrossRequest, boolean | undefined][] = [
    [request("a", "b", "grant"), false],
    [request("a", "b", "event"), true],
    [request("c", "b", "grant"), true],
    [request("b", "c", "event"), false],
    [request("b", "c", "grant"), undefined],
    [request("c", "a", "event"), undefined],
  ];
  for (const [asked, wanted] of rows) assertEquals(decide(rules, asked), wanted, JSON.stringify(asked));
});

Deno.test("check finds rules of another shape, and of domains that there aren't", async () => {
  const found = async (rule: string) => {
    const text = `board: test
memory: [{ at: 0x4000_0000, size: 64MiB }]
plugins:
  - use: domain_policy
    rules:
      - ${rule}
domains: [{ name: a, memory: [{ at: 0x4000_0000, size: 4MiB }] }]
`;
    const { findings } = await checkBoard(text, "board.yaml", { plugins: [domainPolicy] });
    return findings.map(({ title, wanted, spans }) => `${spans[0]?.line}: ${title} ${wanted ?? ""}`).filter((line) => /rule/.test(line))
      .join();
  };
  const rows: [rule: string, wanted: RegExp][] = [
    ["{ from: a, to: z, allow: [event] }", /^6: the rule is about z/],
    ["{ from: a, to: a, allow: [evnt] }", /event\?/],
    ["{ from: a, to: a, allow: [] }", /a list of event/],
    ["{ from: a, to: a }", /either allow or deny/],
    ["{ from: a, allow: [event] }", /to whom/],
    ["{ from: a, to: a, allow: [event], when: now }", /without "when"/],
    ["7", /from, to, allow/],
  ];
  for (const [rule, wanted] of rows) assertMatch(await found(rule), wanted);
  assertEquals(await found('{ from: "*", to: a, deny: [event, grant] }'), "");
});

/** A plugin of somebody else's. */
function stranger(allows: (request: CrossRequest) => boolean): Plugin {
  return definePlugin({
    name: "stranger",
    doc: "A policy of one's own.",
    options: {},
    provides: [DomainPolicy],
    setup: ({ provide }) => provide(DomainPolicy, { allows }),
  });
}

Deno.test("a policy of a third party's is asked: it keeps a channel that the manifest declares from being built", async () => {
  const { board } = fakeBoard({ domains: [{ name: "left" }, { name: "right" }] });
  const asked: string[] = [];
  const policy = stranger(({ subject, object, verb, declared }) => {
    asked.push(`${subject} ${verb} ${object} ${declared}`);
    return verb !== "event" || !declared;
  });
  let channels!: EventChannels;
  const spy = definePlugin({ name: "spy", doc: "", options: {}, attach: ({ find }) => void (channels = find(EventChannels)!) });
  const use = (entries: unknown[]) => ({ plugin: eventChannels, options: { channels: entries, max_port: 1023 }, path: ["plugins", 7] });
  const create = (entries: unknown[]) =>
    Machine.create({ ...board, plugins: [...board.plugins, use(entries), ...uses(policy, spy)] }, {
      images: new Map(),
      onSerial: () => {},
    });
  await assertRejects(() => create([{ left: 1, right: 1 }]), Error, "policy doesn't let left have a channel to right");
  const machine = await create([]);
  assertEquals(channels.of("left")!.allocateUnbound("right"), 1);
  assertEquals(asked, ["left event right true", "left event right false"]);
  machine.dispose();
});
