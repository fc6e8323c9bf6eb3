/** Debian at its shell's prompt, saved: the same in another process and in forks, which are quick. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { writeSnapshot } from "../../mod.ts";
import { debianBoard } from "../guests/debian_images.ts";
import { Session } from "../guests/session.ts";
import { goOn } from "./outcome.ts";

const { manifest, images } = await debianBoard("debian");
const typed = "(seq 1 300 | sha256sum) & (seq 1 300 | md5sum) & wait; cat /proc/interrupts /proc/uptime";
const decoder = new TextDecoder("latin1");

/** Processor time of this process so far, in seconds: what a busy machine doesn't change. */
function cpuSeconds(): number {
  const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

Deno.test({
  name: "Debian at its prompt goes on in another process and in forks as it does by itself, and 100 forks cost less than its boot",
  ignore: images === undefined,
  async fn() {
    const beforeBoot = cpuSeconds();
    using guest = await Session.start(manifest, { images, checksTables: false });
    guest.until("shell ready");
    guest.until("# ");
    const bootSeconds = cpuSeconds() - beforeBoot;
    const { machine } = guest;
    using snapshot = machine.save();
    const file = await Deno.makeTempFile();
    try {
      writeSnapshot(file, snapshot);
      assert((await Deno.stat(file)).size < 40e6);
      const script = new URL("continue.ts", import.meta.url).pathname;
      const other = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--no-check", script, "debian", file, typed], stdin: "null" });
      const elsewhere = other.output();

      const first = await machine.fork({}, snapshot);
      for (let n = 0; n < 5; n++) (await machine.fork({}, snapshot)).dispose();
      const beforeForks = cpuSeconds();
      for (let n = 0; n < 20; n++) (await machine.fork({}, snapshot)).dispose();
      const forkSeconds = (cpuSeconds() - beforeForks) / 20;

      let text = "";
      const second = await machine.fork({ onSerial: (_port, bytes) => void (text += decoder.decode(bytes)) });
      const from = guest.console.length;
      const own = goOn(machine, typed);
      guest.until("# ");
      const console = guest.console.slice(from);
      assertStringIncludes(console, "arch_timer");
      assertEquals(goOn(first, typed), own, "a fork that shares pages");
      assertEquals({ ...goOn(second, typed), text }, { ...own, text: console.slice(0, text.length) }, "a fork of now");
      first.dispose();
      second.dispose();

      const { code, stdout, stderr } = await elsewhere;
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      const lines = new TextDecoder().decode(stdout).trim().split("\n");
      assertEquals(JSON.parse(lines.at(-1)!), { ...own, console: text }, "another process");
      // A third of it, where it was measured.
      assert(100 * forkSeconds < 0.8 * bootSeconds, `100 forks take ${100 * forkSeconds} s, a boot ${bootSeconds} s`);
    } finally {
      await Deno.remove(file);
    }
  },
});
