/** Text whose characters U+0000 to U+00FF are bytes, so that a byte that is no character stays what it is. */

/** Bytes as text, a character each. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

/** The counterpart of {@linkcode textOf}. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
