import { assertEquals, assertStringIncludes } from "@std/assert";
import { bench } from "../core/testing.ts";
import { ticker } from "./ticker.ts";

const options = { at: 0x0a00_0000, interrupt: 40, period: 500_000 };

Deno.test("ticks come every period, from the write that starts them to the one that ends them", async () => {
  using kit = bench();
  const state = await kit.attach(ticker, options);
  kit.write32(options.at, 1);
  kit.advance(499_999);
  assertEquals([kit.read32(options.at + 4), kit.interrupts.level(40)], [0, false]);
  kit.advance(1);
  assertEquals([kit.read32(options.at + 4), kit.interrupts.level(40)], [1, true]);
  kit.write32(options.at + 8, 1);
  assertEquals(kit.interrupts.level(40), false);
  kit.advance(1_500_000);
  kit.write32(options.at, 0);
  kit.advance(10_000_000);
  assertEquals(state, { CTRL: 0, TICKS: 4, ACK: 0 });
});

Deno.test("a manifest uses it by path, and the guest runs beside it", async () => {
  const directory = await Deno.makeTempDir();
  const root = new URL("..", import.meta.url).pathname;
  const tour = await Deno.readTextFile(`${root}boards/tour.yaml`);
  const device = `      - use: ${root}examples/ticker.ts\n        at: 0x0a00_0000\n        interrupt: spi 8\n`;
  const board = `${directory}/board.yaml`;
  await Deno.writeTextFile(
    board,
    tour.replace("      - use: fdt\n", `${device}      - use: fdt\n`).replaceAll("../examples", `${root}examples`),
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${root}mod.ts`, board, "--timeout", "1s"],
  }).output();
  await Deno.remove(directory, { recursive: true });
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assertStringIncludes(new TextDecoder().decode(stdout), "Tour complete");
  assertStringIncludes(new TextDecoder().decode(stderr), "ticker at 0x0a00_0000");
});
