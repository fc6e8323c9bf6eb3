/** Every board, saved a while after its start: the restored machine goes on as the saved one does. */
import { assertEquals } from "@std/assert";
import { boot, Machine, replaySockets } from "../../mod.ts";
import type { Board } from "../../mod.ts";
import { debianBoard } from "../guests/debian_images.ts";
import { outcome } from "./outcome.ts";

/** Boards that are left out, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "debian-disk": "its disk is made by a command",
  "driver-domain": "likewise",
};

/** Virtual time before the snapshot, and after it. */
const BEFORE_NS = 10e6, AFTER_NS = 3e6;

for await (const { name: file } of Deno.readDir(new URL("../../boards", import.meta.url))) {
  const name = file.replace(".yaml", "");
  if (name in LEFT_OUT) continue;
  Deno.test(`saved on its way: boards/${file}`, async () => {
    const { images } = await debianBoard(name);
    if (images === undefined) return;
    const path = new URL(`../../boards/${file}`, import.meta.url).pathname;
    const machine = await boot(path, { images, sockets: replaySockets([]), set: { time: "virtual" } });
    try {
      const stopped = machine.runFor(BEFORE_NS, Infinity);
      using snapshot = machine.save();
      const board: Board = { ...machine.board };
      const restored = await Machine.restore(board, { ...machine.environment, onSerial: () => {} }, snapshot);
      assertEquals(outcome(restored), outcome(machine), "at once");
      for (const one of [machine, restored]) if (!stopped) one.runFor(AFTER_NS, Infinity);
      assertEquals(outcome(restored), outcome(machine), "later");
      restored.dispose();
    } finally {
      machine.dispose();
    }
  });
}
