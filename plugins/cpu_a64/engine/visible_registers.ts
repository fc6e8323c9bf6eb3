/** Which system registers a debugger may look at: reading them changes nothing. */
import type { VisibleRegister } from "../../../core/mod.ts";
import { type RegisterFile, registers, type SystemRegister } from "../sysregs/mod.ts";

/** Reading acknowledges an interrupt, or takes what came. */
const TAKES = /^(ICC_IAR[01]_EL1|DBGDTR.*)$/;
/** Encodings that the architecture keeps for ID registers to come. */
const UNNAMED = /^S\d_/;

/** Those of a model. PSTATE's parts and the floating-point registers are shown elsewhere. */
export function visibleRegisters(file: RegisterFile): readonly VisibleRegister[] {
  return registers.filter((register) => file.has(register) && isReadable(register)).map((register) => {
    const { name, access, hook } = register;
    const level = Number(/_EL([0-3])$/.exec(name)?.[1] ?? 1);
    // What is stored, and means the same to everybody. EL2's are the hypervisor's to write.
    const isPlain = hook === undefined || hook === "mmu" || hook === "control";
    return { name, level, isWritable: level < 2 && isPlain && access.write !== undefined };
  });
}

function isReadable({ name, access, hook }: SystemRegister): boolean {
  return access.read !== undefined && access.read <= 2 && hook !== "pstate" && hook !== "fp" && !TAKES.test(name) && !UNNAMED.test(name);
}
