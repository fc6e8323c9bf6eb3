/** Names of functions of kernel modules, as Debian's kernel has them in memory: those that the guest itself tells. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { GuestSymbols } from "../../cli/symbols/guest_symbols.ts";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const board = await debianBoard("debian-share", [["path: ../examples", `path: ${new URL("../../examples", import.meta.url).pathname}`]]);

Deno.test({
  name: "functions of Debian's modules have names in reports",
  ignore: board.images === undefined,
  async fn() {
    using guest = await Session.start(board.manifest, { images: board.images, checksTables: false });
    guest.until("\n# ");
    guest.command("stty columns 300");
    const { machine } = guest;
    const [{ vcpus: [vcpu] }] = machine.domains;
    const read = (va: bigint, size: number) => machine.debugger.readVirtual(vcpu, va, size);
    const symbols = new GuestSymbols([], () => machine.domains);
    const told = guest.command("grep -E ' [tT] (p9_client_rpc|v9fs_mount|vp_interrupt|p9_virtio_probe)' /proc/kallsyms").split("\n")
      .flatMap((line) => {
        const [, at, name, module] = /^([0-9a-f]{16}) [tT] (\S+)\s+\[(\w+)\]$/.exec(line.trim()) ?? [];
        return at === undefined ? [] : [{ at: BigInt(`0x${at}`), name: `${name}+0x8 [${module}]` }];
      });
    assert(told.length >= 3, guest.console.slice(-1000));
    for (const { at, name } of told) assertEquals(symbols.nameOf("linux", at + 8n, read), name);
    assertEquals(symbols.nameOf("linux", told[0].at + 8n), undefined, "without a way to read there are none");
    assertEquals(symbols.nameOf("linux", 0xffff_1234_5678_9abcn, read), undefined);
    assertMatch(symbols.nameOf("linux", vcpu.state.pc, read)!, /^[\w.]+\+0x[0-9a-f]+$/);
  },
});
