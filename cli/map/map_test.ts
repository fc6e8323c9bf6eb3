/** Maps of boards: what they list, and that the picture is well-formed, repeats, and takes nothing of a manifest for markup. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { loadBoard } from "../../core/mod.ts";
import type { Board } from "../../core/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { plugboard } from "../in_process.ts";
import { mapOf } from "./layout.ts";
import type { MapSpace } from "./layout.ts";
import { mapSvg } from "./svg.ts";
import { mapText } from "./text.ts";

const boards = fromFileUrl(new URL("../../boards/", import.meta.url));
const board = (name: string): Promise<Board> => loadBoard(`${boards}${name}.yaml`, { plugins });

Deno.test("map: physical addresses, the guest's, and who interrupts it", async () => {
  assertEquals(
    mapText("tour", mapOf(await board("tour"))),
    `board tour

physical addresses
  0x4000_0000  0x44ff_ffff  80 MiB  RAM

domain tour, 4 vCPUs
  0x0800_0000  0x0800_ffff   64 KiB  gicv3 (distributor)     each access exits
  0x080a_0000  0x0811_ffff  512 KiB  gicv3 (redistributors)  each access exits
  0x0900_0000  0x0900_0fff    4 KiB  pl011 (registers)       each access exits
  0x4000_0000  0x43ff_ffff   64 MiB  RAM

  interrupts to gicv3
  ppi 10  INTID 26  level  generic_timer
  ppi 11  INTID 27  level  generic_timer
  ppi 13  INTID 29  level  generic_timer
  ppi 14  INTID 30  level  generic_timer
  spi 1   INTID 33  level  pl011 at 0x0900_0000`,
  );
});

Deno.test("map: domains differ; what is mapped says how", async () => {
  const spaces = mapOf(await board("dom0less"));
  assertEquals(spaces.map(({ title }) => title), [
    "physical addresses",
    "domain linux1, 1 vCPU",
    "domain linux2, 1 vCPU",
    "domain mailbox, 1 vCPU",
  ]);
  const mail = (space: MapSpace) => space.ranges.find(({ at }) => at === 0x3a00_0000);
  assertEquals(mail(spaces[3])?.kind, "mapped");
  assertMatch(mail(spaces[3])!.detail, /^rw[x-] normal-wb$/);
  assertEquals(spaces[1].ranges.some(({ label }) => label.startsWith("pl011")), false);
  assert(spaces[3].ranges.some(({ label }) => label.startsWith("pl011")));
});

/** Well-formed XML of elements and text: every tag closes in order, attributes are quoted and no stray mark is in the text. Returns the text. */
function textOfXml(xml: string): string {
  const open: string[] = [];
  let rest = xml.trim();
  let content = "";
  while (rest !== "") {
    const [match, end, name, , empty] = /^<(\/?)([a-z]+)((?: [A-Za-z-]+="[^"<>&]*")*)(\/?)>/.exec(rest) ?? [];
    if (match === undefined) {
      const [run] = /^[^<]*/.exec(rest)!;
      assert(run !== "", `not a tag: ${rest.slice(0, 80)}`);
      assertEquals(run.replace(/&(amp|lt|gt|quot);/g, "").includes("&"), false);
      content += run;
      rest = rest.slice(run.length);
      continue;
    }
    if (end) assertEquals(open.pop(), name);
    else if (!empty) open.push(name);
    rest = rest.slice(match.length);
    assert(rest === "" || open.length > 0, "something follows the picture");
  }
  assertEquals(open, []);
  return content;
}

for (const name of ["tour", "dom0less", "partitioned", "fvp-baser"]) {
  Deno.test(`map: the picture of ${name} is well-formed, repeats, and leaves nothing out`, async () => {
    const spaces = mapOf(await board(name));
    const picture = mapSvg(name, spaces);
    assertEquals(picture, mapSvg(name, mapOf(await board(name))));
    const content = textOfXml(picture);
    for (const { title, ranges, interrupts } of spaces) {
      assertStringIncludes(content, title);
      for (const { label } of ranges) assertStringIncludes(content, `, ${label}`);
      for (const { intid, trigger } of interrupts) assertStringIncludes(content, `${intid} ${trigger}`);
    }
    const wires = spaces.reduce((sum, { interrupts }) => sum + interrupts.length, 0);
    assertEquals(picture.match(/<circle /g)?.length ?? 0, wires);
    const [, width, height] = /viewBox="0 0 ([0-9.]+) ([0-9.]+)"/.exec(picture)!;
    for (const [, x, y] of picture.matchAll(/<(?:rect|text)[^>]*? x="([-0-9.]+)" y="([-0-9.]+)"/g)) {
      assert(Number(x) >= 0 && Number(x) < Number(width) && Number(y) >= 0 && Number(y) < Number(height), `${x}, ${y} is outside`);
    }
  });
}

Deno.test("map: names are text, never markup", () => {
  const label = '<script>alert("&")</script>\u0007';
  const space: MapSpace = {
    title: label,
    ranges: [{ at: 0, size: 4096, kind: "trapped", label, detail: label }, {
      at: 0x800,
      size: 16,
      kind: "ram",
      label: "within",
      detail: "",
    }],
    interrupts: [{ intid: 32, trigger: "edge", device: label }],
  };
  const picture = mapSvg(label, [space]);
  assertEquals(picture.includes("<script>"), false);
  assertEquals(picture.includes("\u0007"), false);
  assertStringIncludes(textOfXml(picture), "&lt;script&gt;alert(&quot;&amp;&quot;)");
});

Deno.test("map --svg writes the picture; what can't be written ends with 2", async () => {
  const file = await Deno.makeTempFile({ suffix: ".svg" });
  try {
    assertEquals(await plugboard("map", `${boards}tour.yaml`, "--svg", file), { code: 0, stdout: "", stderr: "" });
    assertEquals(await Deno.readTextFile(file), mapSvg("tour", mapOf(await board("tour"))));
    const { code, stderr } = await plugboard("map", `${boards}tour.yaml`, "--svg", `${file}/no/such.svg`);
    assertEquals(code, 2);
    assertStringIncludes(stderr, "can't be written");
  } finally {
    await Deno.remove(file);
  }
});
