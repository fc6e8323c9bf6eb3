/** `run --web` in a real browser: Debian's console is typed at, a domain is paused, and the map and the exits are there; strangers stay out. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { debianBoard } from "../guests/debian_images.ts";
import { plugboard } from "../cli/console.ts";
import { missing } from "../support/toolchain.ts";
import { Browser, chromium } from "./browser.ts";

const { images } = await debianBoard("debian-cloud");
const ignore = images === undefined || missing(chromium);
const BOARD = new URL("../../boards/debian-cloud.yaml", import.meta.url).pathname;

/** Runs Debian with a page, and hands its address over. */
async function withPage(body: (url: string) => Promise<void>): Promise<void> {
  const [command, ...args] = plugboard(
    "run",
    BOARD,
    "--web",
    "--realtime",
    "--append",
    "console=ttyAMA0 cryptomgr.notests",
    "-m",
    "128MiB",
  );
  const child = new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
  const lines = child.stderr.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  try {
    let text = "";
    let url: string | undefined;
    while (url === undefined) {
      const { value, done } = await lines.next();
      assert(!done, text);
      text += value;
      url = /^web +(http:\S+)$/m.exec(text)?.[1];
    }
    const rest = (async () => {
      while (!(await lines.next()).done);
    })();
    await body(url);
    child.kill("SIGTERM");
    await rest;
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
  }
}

Deno.test({
  name: "a page shows a run's consoles, domains, exits and map, and operates them; who doesn't know its address has no access",
  ignore,
  fn: () =>
    withPage(async (url) => {
      const { origin, pathname } = new URL(url);
      for (
        const wrong of [
          `${origin}/`,
          `${origin}/socket`,
          `${origin}/${"0".repeat(32)}/`,
          `${url}../..`,
          `${url}page.html`,
          `${url}__proto__`,
        ]
      ) {
        const response = await fetch(wrong);
        await response.body?.cancel();
        assertEquals([wrong, response.status], [wrong, 404]);
      }
      assertEquals(pathname.split("/")[1].length, 32);
      const foreign = await fetch(`${url}socket`, {
        headers: { origin: "http://elsewhere.example", upgrade: "websocket", connection: "upgrade" },
      });
      await foreign.body?.cancel();
      assert(foreign.status === 403 || foreign.status === 400, `${foreign.status}`);

      const browser = await Browser.open(url);
      try {
        const console = "(document.querySelector('.xterm-rows')?.textContent ?? '')";
        await browser.until(`${console}.includes('shell ready')`);
        await browser.type("echo $((6 * 7))-from-a-page\r");
        await browser.until(`${console}.includes('42-from-a-page')`);
        assertEquals(await browser.evaluate("document.title"), "debian-cloud");
        assertMatch(
          String(await browser.evaluate("document.getElementById('time').textContent")),
          /^\d+\.\d{3} s of virtual time, \d+ MIPS$/,
        );

        const map = "document.getElementById('map')";
        await browser.until(`${map}.complete && ${map}.naturalWidth > 100`);
        await browser.until("document.querySelectorAll('#exits rect').length > 10");
        await browser.until("/hvc|sysreg|data abort|wfi/i.test(document.getElementById('kinds').textContent)");
        await browser.until("/vCPU|vcpu/.test(document.getElementById('vcpus').textContent)");

        const press = (verb: string) =>
          browser.evaluate(`[...document.querySelectorAll('#domains button')].find((b) => b.textContent === '${verb}').click()`);
        const state = "document.querySelector('#domains td:nth-child(2)')?.textContent";
        await press("pause");
        await browser.until(`${state} === 'paused'`);
        await press("unpause");
        await browser.until(`${state} === 'running'`);
        await browser.evaluate("document.querySelector('.xterm-helper-textarea').focus()");
        await browser.type("echo and $((40 + 2))-again\r");
        await browser.until(`${console}.includes('and 42-again')`);
        assertEquals(browser.complaints, []);
      } finally {
        await browser.close();
      }
    }),
});
