/** A command line with somebody at its console, who types when a text has come. */

/** Who types what, and when. */
export interface Typing {
  readonly after: string;
  readonly text: string;
}

/** What a conversation left. */
export interface Conversation {
  readonly code: number;
  readonly stdout: Uint8Array;
  /** Standard output as text. */
  readonly text: string;
  readonly stderr: string;
}

/** No conversation of ours takes so long. */
const LIMIT_MS = 180_000;

/** `deno run mod.ts` and these arguments, as words of a command. */
export function plugboard(...args: string[]): string[] {
  return [Deno.execPath(), "run", "-A", "--no-check", new URL("../../mod.ts", import.meta.url).pathname, ...args];
}

/** Starts a command and types; its input ends with the last text unless `open`. Throws when it doesn't end. */
export async function converse(
  [command, ...args]: string[],
  typing: readonly Typing[],
  { open = false, env = {}, limitMs = LIMIT_MS }: { open?: boolean; env?: Record<string, string>; limitMs?: number } = {},
): Promise<Conversation> {
  const child = new Deno.Command(command, { args, env, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, limitMs);
  const keyboard = child.stdin.getWriter();
  const stderr = new Response(child.stderr).text();
  const waiting = [...typing];
  const chunks: Uint8Array[] = [];
  let closed = false;
  let seen = "";
  const type = async () => {
    for (let next = waiting[0]; next && seen.includes(next.after); next = waiting[0]) {
      seen = seen.slice(seen.indexOf(next.after) + next.after.length);
      waiting.shift();
      await keyboard.write(new TextEncoder().encode(next.text)).catch(() => {});
    }
    if (waiting.length > 0 || open || closed) return;
    closed = true;
    await keyboard.close().catch(() => {});
  };
  await type();
  for await (const chunk of child.stdout) {
    chunks.push(chunk);
    seen += new TextDecoder("latin1").decode(chunk);
    await type();
  }
  const { code } = await child.status;
  clearTimeout(timer);
  if (!closed) await keyboard.close().catch(() => {});
  const stdout = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
  const text = new TextDecoder().decode(stdout);
  if (late) throw new Error(`it doesn't end: ${command} ${args.join(" ")}\n${text}\n${await stderr}`);
  return { code, stdout, text, stderr: await stderr };
}

/** Runs `body` with a folder that has a program of a few words and a board for it; `edit` changes the manifest. */
export async function withProgram<T>(
  words: readonly number[],
  body: (board: string, folder: string) => Promise<T>,
  edit: (manifest: string) => string = (manifest) => manifest,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "plugboard-cli-" });
  try {
    const source = await Deno.readTextFile(new URL("../../examples/guests/hostile/board.yaml", import.meta.url));
    await Deno.writeTextFile(`${folder}/board.yaml`, edit(source.replace("garbage.bin", "program.bin")));
    await Deno.writeFile(`${folder}/program.bin`, new Uint8Array(Uint32Array.from(words).buffer));
    return await body(`${folder}/board.yaml`, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
