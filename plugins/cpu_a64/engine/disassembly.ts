/** Assembler text as people read it: system registers and system instructions by the names that the manuals print. */
import type { Decoder } from "../isa/decoder.ts";
import { reg } from "../isa/names.ts";
import { encodingName, packedOfInstruction, systemInstruction } from "../sysregs/mod.ts";

/** Text of a word, whose address is `at`: what is relative to it is an address then. */
export function disassembly(decoder: Decoder, word: number, at?: bigint): string {
  return systemText(word) ?? decoder.disassemble(word, at);
}

/** `mrs x0, SP_EL0`, `tlbi VAE1IS, x0`; `undefined` for other instructions, and for a SYS without a name of its own. */
function systemText(word: number): string | undefined {
  const packed = packedOfInstruction(word), rt = reg(1, word & 31);
  if (word >>> 20 === 0xd51) return `msr ${encodingName(packed, true)}, ${rt}`;
  if (word >>> 20 === 0xd53) return `mrs ${rt}, ${encodingName(packed)}`;
  const found = word >>> 20 === 0xd50 ? systemInstruction(packed) : undefined;
  if (!found || !found.hasArgument && rt !== "xzr") return undefined;
  const [mnemonic, ...operation] = found.name.split(" ");
  return [mnemonic.toLowerCase(), ...operation].join(" ") + (found.hasArgument ? `, ${rt}` : "");
}
