import { assert, assertStringIncludes } from "@std/assert";
import { loadBoard } from "../../core/mod.ts";
import { buildDeviceTree } from "../../plugins/fdt/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { hasQemu, runOnQemu } from "./qemu_reference.ts";

const root = new URL("../../", import.meta.url);

Deno.test({
  name: "our guest, with the device tree of its board, runs on QEMU as it does here",
  ignore: !await hasQemu(),
  async fn() {
    const board = await loadBoard(new URL("boards/tour.yaml", root).pathname, { plugins });
    const [domain] = board.domains;
    const deviceTree = buildDeviceTree(board, domain, []);
    const kernel = await Deno.readFile(new URL("examples/guests/tour/tour.bin", root));
    const run = await runOnQemu({ kernel, deviceTree, cpus: domain.vcpus, memoryMiB: 64, timeoutMs: 30_000 });
    assert(run.ended, run.console);
    assertStringIncludes(run.console, "Tour complete: 4 CPUs, 20 ticks, 3 IPIs answered");
  },
});
