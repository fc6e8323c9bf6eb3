/** Code of real binaries: the cross compiler's libraries. */
import { textWords } from "../support/elf_text.ts";

const FOLDER = "/usr/aarch64-linux-gnu/lib";
const FILES = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libgomp.so.1"];

/** Their words, with how often each occurs. */
export function corpus(): Map<number, number> {
  const all = new Map<number, number>();
  for (const name of FILES) {
    for (const [word, count] of textWords(Deno.readFileSync(`${FOLDER}/${name}`))) all.set(word, (all.get(word) ?? 0) + count);
  }
  return all;
}

/** For `Deno.test`'s `ignore`: true when they aren't there, after a line that says how to get them. With CI=true that throws. */
export function missingCorpus(): boolean {
  try {
    Deno.statSync(`${FOLDER}/${FILES[3]}`);
    return false;
  } catch {
    const advice = `skipped: ${FOLDER} isn't there (Debian: apt-get install g++-aarch64-linux-gnu)`;
    if (Deno.env.get("CI") === "true") throw new Error(advice);
    console.log(advice);
    return true;
  }
}
