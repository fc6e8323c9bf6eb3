/**
 * Packets of GDB's remote serial protocol (GDB manual, "Remote Protocol", "Overview"). Bytes are characters U+0000 to U+00FF. Whatever a peer
 * sends, a packet is at most {@linkcode PACKET_LIMIT} long.
 */
import { bytesOf } from "../console/byte_text.ts";

/** Longest body of a packet that is taken, in bytes. */
export const PACKET_LIMIT = 0x1_0000;

/** What comes in. */
export type Incoming =
  | { readonly kind: "packet"; readonly body: string }
  /** Ctrl-C: not a packet. */
  | { readonly kind: "interrupt" }
  /** The peer wants the latest answer again. */
  | { readonly kind: "again" }
  /** A packet whose sum is wrong, or that is too long. */
  | { readonly kind: "bad" };

/** Takes a stream of bytes apart. */
export class PacketReader {
  #state: "between" | "body" | "sum" = "between";
  #body = "";
  #digits = "";
  #sum = 0;
  #isTooLong = false;

  /** What came to its end with these bytes. */
  *push(bytes: Uint8Array): Generator<Incoming, void> {
    for (const byte of bytes) {
      const found = this.#take(byte);
      if (found) yield found;
    }
  }

  #take(byte: number): Incoming | undefined {
    const character = String.fromCharCode(byte);
    switch (this.#state) {
      case "between":
        if (character === "$") this.#begin();
        else if (byte === 3) return { kind: "interrupt" };
        else if (character === "-") return { kind: "again" };
        return undefined;
      case "body":
        // A packet that was broken off: this is the next one.
        if (character === "$") this.#begin();
        else if (character === "#") this.#state = "sum";
        else if (this.#body.length >= PACKET_LIMIT) this.#isTooLong = true;
        else {
          this.#body += character;
          this.#sum = (this.#sum + byte) & 0xff;
        }
        return undefined;
      case "sum":
        this.#digits += character;
        return this.#digits.length < 2 ? undefined : this.#end();
    }
  }

  #begin(): void {
    this.#state = "body";
    this.#body = this.#digits = "";
    this.#sum = 0;
    this.#isTooLong = false;
  }

  #end(): Incoming {
    this.#state = "between";
    const isGood = !this.#isTooLong && /^[0-9a-f]{2}$/i.test(this.#digits) && parseInt(this.#digits, 16) === this.#sum;
    return isGood ? { kind: "packet", body: unescape(this.#body) } : { kind: "bad" };
  }
}

/** `}` makes the next character another: GDB manual, "Binary Data". */
function unescape(body: string): string {
  return body.replace(/}([^])/g, (_, character: string) => String.fromCharCode(character.charCodeAt(0) ^ 0x20));
}

/** A packet with its sum, ready to be sent. */
export function packet(body: string): Uint8Array {
  const escaped = body.replace(/[#$}*]/g, (character) => `}${String.fromCharCode(character.charCodeAt(0) ^ 0x20)}`);
  let sum = 0;
  for (let at = 0; at < escaped.length; at++) sum = (sum + escaped.charCodeAt(at)) & 0xff;
  return bytesOf(`$${escaped}#${sum.toString(16).padStart(2, "0")}`);
}

/** Bytes as pairs of hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The counterpart of {@linkcode toHex}; `undefined` for anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, n) => parseInt(text.slice(2 * n, 2 * n + 2), 16));
}

/** A number in hexadecimal, of at most 64 bits; `undefined` for anything else. */
export function number(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined;
}
