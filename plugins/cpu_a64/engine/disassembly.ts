/** Assembler text as people read it: system registers and system instructions by the names that the manuals print. */
import type { Decoder } from "../isa/decoder.ts";
import { reg } from "../isa/names.ts";
import { encodingName, systemInstructionByEncoding } from "../sysregs/mod.ts";

/** Generic names of system registers. */
const REGISTER = /\bs(\d)_(\d)_c(\d+)_c(\d+)_(\d)\b/;

/** Text of a word, whose address is `at`: what is relative to it is an address then. */
export function disassembly(decoder: Decoder, word: number, at?: bigint): string {
  if ((word & 0xfff8_0000) >>> 0 === 0xd508_0000) return systemText(word) ?? decoder.disassemble(word);
  return decoder.disassemble(word, at).replace(REGISTER, (_, ...fields: string[]) => {
    const [op0, op1, crn, crm, op2] = fields.slice(0, 5).map(Number);
    return encodingName(op0, op1, crn, crm, op2, (word >>> 21 & 1) === 0);
  });
}

/** `tlbi VAE1IS, x0`; `undefined` for a SYS without a name of its own. */
function systemText(word: number): string | undefined {
  const found = systemInstructionByEncoding(word >>> 16 & 7, word >>> 12 & 15, word >>> 8 & 15, word >>> 5 & 7);
  if (!found || !found.hasArgument && (word & 31) !== 31) return undefined;
  const [mnemonic, operation] = found.name.split(" ");
  return `${mnemonic.toLowerCase()}${operation ? ` ${operation}` : ""}${found.hasArgument ? `, ${reg(1, word & 31)}` : ""}`;
}
