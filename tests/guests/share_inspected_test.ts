/** Debian with a share of the host's, looked into and forked: names of its modules' functions, and files that it has open. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { GuestSymbols } from "../../cli/symbols/guest_symbols.ts";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const folder = await Deno.makeTempDir();
for (const name of ["sp805.ts", "led_bank.ts"]) {
  await Deno.copyFile(new URL(`../../examples/${name}`, import.meta.url), `${folder}/${name}`);
}
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const board = await debianBoard("debian-share", [["path: ../examples", `path: ${folder}`]]);

Deno.test({
  name: "functions of Debian's modules have names in reports; files of a 9P share stay open in a fork",
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

    // Two files and a directory are open, each somewhere in its middle.
    guest.command(
      "cd /host; exec 5< sp805.ts 6< led_bank.ts; head -c 8 <&5 > /dev/null; read -r line <&6; (sleep 1; ls -R | wc -l; cat <&6 | md5sum; cat <&5 | sha256sum) &",
    );
    using snapshot = machine.save();
    let text = "";
    const fork = await machine.fork({ onSerial: (_port, bytes) => void (text += new TextDecoder().decode(bytes)) }, snapshot);
    const from = guest.console.length;
    guest.until("  -\r\n");
    guest.until("  -\r\n");
    fork.runFor(machine.nowNs - fork.nowNs, Infinity);
    assertEquals(text, guest.console.slice(from));
    assert(!text.includes("d41d8cd98f00b204e9800998ecf8427e") && !text.includes("rror"), text);
    assertEquals(fork.stats.instructions, machine.stats.instructions);
    fork.dispose();
  },
});
