/** ESR_ELx: exception classes, and the syndromes that EL2 looks into. Arm ARM DDI 0487, "ESR_EL2, Exception Syndrome Register (EL2)". */
import { hex } from "../memory/address.ts";

/** Exception classes that core knows by name. */
export const EC = {
  UNKNOWN: 0x00,
  WFX: 0x01,
  FP_ACCESS: 0x07,
  HVC64: 0x16,
  SMC64: 0x17,
  SYSTEM_REGISTER: 0x18,
  INSTRUCTION_ABORT_LOWER: 0x20,
  DATA_ABORT_LOWER: 0x24,
  SERROR: 0x2f,
} as const;

const classNames: Readonly<Record<number, string>> = {
  0x00: "unknown reason (UNDEFINED instruction)",
  0x01: "trapped WFI or WFE",
  0x03: "trapped MCR or MRC (coproc 15)",
  0x07: "trapped SIMD or floating point",
  0x09: "trapped pointer authentication",
  0x0d: "branch target exception",
  0x0e: "illegal execution state",
  0x15: "SVC",
  0x16: "HVC",
  0x17: "SMC",
  0x18: "trapped system register or instruction",
  0x19: "trapped SVE",
  0x1a: "trapped ERET",
  0x20: "instruction abort from a lower Exception level",
  0x21: "instruction abort from the same Exception level",
  0x22: "PC alignment fault",
  0x24: "data abort from a lower Exception level",
  0x25: "data abort from the same Exception level",
  0x26: "SP alignment fault",
  0x2c: "trapped floating-point exception",
  0x2f: "SError",
  0x30: "breakpoint from a lower Exception level",
  0x31: "breakpoint from the same Exception level",
  0x32: "software step from a lower Exception level",
  0x33: "software step from the same Exception level",
  0x34: "watchpoint from a lower Exception level",
  0x35: "watchpoint from the same Exception level",
  0x3c: "BRK",
};

/** What an exception class means. */
export function className(ec: number): string {
  return classNames[ec] ?? `exception class ${hex(ec)}`;
}

/** What a DFSC or IFSC means. */
export function faultName(status: number): string {
  const level = status & 3;
  switch (status >> 2) {
    case 0:
      return `address size fault, level ${level}`;
    case 1:
      return `translation fault, level ${level}`;
    case 2:
      return `access flag fault, level ${level}`;
    case 3:
      return `permission fault, level ${level}`;
    case 5:
      return `synchronous external abort on a table walk, level ${level}`;
  }
  switch (status) {
    case 0b010000:
      return "synchronous external abort";
    case 0b100001:
      return "alignment fault";
    case 0b110000:
      return "TLB conflict abort";
    case 0b110100:
      return "implementation defined fault (lockdown)";
    case 0b110101:
      return "implementation defined fault (unsupported exclusive or atomic access)";
  }
  return `fault status ${hex(status)}`;
}

/** ISS of a data abort. Arm ARM DDI 0487, "ISS encoding for an exception from a Data Abort". */
export interface DataAbort {
  /** ISV: the fields below up to `wide` are valid. */
  readonly valid: boolean;
  /** 1, 2, 4 or 8 bytes. */
  readonly size: number;
  /** SSE: a load extends the sign. */
  readonly signExtend: boolean;
  /** Register; 31 is XZR. */
  readonly register: number;
  /** The register is 64 bits wide. */
  readonly wide: boolean;
  /** FAR isn't valid. */
  readonly farNotValid: boolean;
  /** CM: the instruction maintains caches. */
  readonly cacheMaintenance: boolean;
  /** The fault came from the walk of stage 1. */
  readonly stage1Walk: boolean;
  /** WnR. */
  readonly write: boolean;
  /** DFSC. */
  readonly status: number;
}

/** Takes the ISS of a data abort apart. */
export function dataAbort(iss: number): DataAbort {
  return {
    valid: (iss >>> 24 & 1) !== 0,
    size: 1 << (iss >>> 22 & 3),
    signExtend: (iss >>> 21 & 1) !== 0,
    register: iss >>> 16 & 31,
    wide: (iss >>> 15 & 1) !== 0,
    farNotValid: (iss >>> 10 & 1) !== 0,
    cacheMaintenance: (iss >>> 8 & 1) !== 0,
    stage1Walk: (iss >>> 7 & 1) !== 0,
    write: (iss >>> 6 & 1) !== 0,
    status: iss & 63,
  };
}

/** ISS of a trapped MSR, MRS or system instruction. */
export interface SystemAccess {
  /** op0, as printed. */
  readonly op0: number;
  /** op1, as printed. */
  readonly op1: number;
  /** CRn, as printed. */
  readonly CRn: number;
  /** CRm, as printed. */
  readonly CRm: number;
  /** op2, as printed. */
  readonly op2: number;
  /** Register; 31 is XZR. */
  readonly register: number;
  /** MRS. */
  readonly read: boolean;
}

/** Takes the ISS of EC 0x18 apart. */
export function systemAccess(iss: number): SystemAccess {
  return {
    op0: iss >>> 20 & 3,
    op2: iss >>> 17 & 7,
    op1: iss >>> 14 & 7,
    CRn: iss >>> 10 & 15,
    register: iss >>> 5 & 31,
    CRm: iss >>> 1 & 15,
    read: (iss & 1) !== 0,
  };
}

/** The name that works for every encoding: `S3_0_C12_C11_5`. */
export function genericName({ op0, op1, CRn, CRm, op2 }: SystemAccess): string {
  return `S${op0}_${op1}_C${CRn}_C${CRm}_${op2}`;
}

/** One line for a report. */
export function describeSyndrome(esr: bigint): string {
  const ec = Number(esr >> 26n & 63n);
  const iss = Number(esr & 0x1ff_ffffn);
  const head = `${hex(esr)}: ${className(ec)}`;
  if (ec === 0x20 || ec === 0x21) return `${head}, ${faultName(iss & 63)}${iss >>> 7 & 1 ? ", on a stage 1 walk" : ""}`;
  if (ec === 0x24 || ec === 0x25) {
    const abort = dataAbort(iss);
    return `${head}, ${abort.write ? "write" : "read"}, ${faultName(abort.status)}${abort.stage1Walk ? ", on a stage 1 walk" : ""}`;
  }
  if (ec === 0x18) return `${head}, ${systemAccess(iss).read ? "read of" : "write to"} ${genericName(systemAccess(iss))}`;
  if (ec === 0x15 || ec === 0x16 || ec === 0x17 || ec === 0x3c) return `${head}, immediate ${hex(iss & 0xffff)}`;
  return head;
}
