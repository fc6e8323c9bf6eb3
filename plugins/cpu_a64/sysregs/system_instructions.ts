/**
 * IC, DC, AT and TLBI: the SYS instructions that are no registers. Arm ARM DDI
 * 0487, "The System instruction class", "A64 System instructions".
 */
import { type AccessResult, checkTraps, type CompiledTrap, compileTraps } from "./access.ts";
import type { StateBlock } from "./block.ts";
import type { Feature } from "./features.ts";
import type { Encoding } from "./row.ts";
import { packEncoding } from "./table.ts";
import { hcr, type TrapRule, unlessEl0 } from "./traps.ts";

/** How far a maintenance operation reaches: this PE, or a shareability domain. */
export type Shareability = "PE" | "IS" | "OS";

/** TLB maintenance, decoded. The argument's layout follows from `match` and `isRange`. */
export interface TlbOperation {
  readonly kind: "tlbi";
  /** EL1&0 with the current VMID, or EL2. */
  readonly regime: "EL1" | "EL2";
  /**
   * What is dropped. `all`: every entry of the regime, all VMIDs included; `vmid`: of the current VMID;
   * `asid`, `va` (with ASID or global), `vaAllAsid`, `ipa`: by argument.
   */
  readonly match: "all" | "vmid" | "asid" | "va" | "vaAllAsid" | "ipa";
  /** Stages whose entries go: stage 1 (combined ones included), stage 2 only, or both. */
  readonly stages: 1 | 2 | 12;
  /** Only entries of the last level have to go. */
  readonly lastLevel: boolean;
  readonly shareability: Shareability;
  readonly isRange: boolean;
}

/** What a system instruction does. */
export type SystemOperation =
  | { readonly kind: "ic"; readonly by: "all" | "va"; readonly shareability: Shareability }
  | {
    readonly kind: "dc";
    readonly action: "clean" | "invalidate" | "cleanInvalidate";
    readonly by: "va" | "setWay";
    readonly to: "PoU" | "PoC" | "PoP";
  }
  | { readonly kind: "dcZva" }
  | TlbOperation
  | {
    readonly kind: "at";
    readonly regime: "EL1" | "EL2";
    /** Level whose permissions are checked. */
    readonly el: 0 | 1 | 2;
    readonly stages: 1 | 12;
    readonly isWrite: boolean;
    /** PSTATE.PAN counts. */
    readonly withPan: boolean;
  };

/** A row. */
export interface SystemInstruction {
  /** As assemblers print it: `DC ZVA`. */
  readonly name: string;
  readonly encoding: Encoding;
  readonly packed: number;
  /** Lowest Exception level that may execute it. */
  readonly el: 0 | 1 | 2;
  /** Takes an address or another argument in Xt. */
  readonly hasArgument: boolean;
  readonly operation: SystemOperation;
  readonly feature?: Feature;
  readonly traps: readonly CompiledTrap[];
}

/** HCR_EL2 bits. */
const TSW = 22, TPCP = 23, TPU = 24, TTLB = 25, TDZ = 28;
/** SCTLR_EL1 bits. */
const DZE = 14, UCI = 26;

function define(
  name: string,
  encoding: Encoding,
  el: 0 | 1 | 2,
  operation: SystemOperation,
  rules: readonly TrapRule[] = [],
  options: { readonly hasArgument?: boolean; readonly feature?: Feature } = {},
): SystemInstruction {
  const { hasArgument = true, feature } = options;
  return { name, encoding, packed: packEncoding(...encoding), el, hasArgument, operation, feature, traps: compileTraps(rules) };
}

const noArgument = { hasArgument: false };

const cacheInstructions: readonly SystemInstruction[] = [
  define("IC IALLUIS", [1, 0, 7, 1, 0], 1, { kind: "ic", by: "all", shareability: "IS" }, [hcr(TPU)], noArgument),
  define("IC IALLU", [1, 0, 7, 5, 0], 1, { kind: "ic", by: "all", shareability: "PE" }, [hcr(TPU)], noArgument),
  define("IC IVAU", [1, 3, 7, 5, 1], 0, { kind: "ic", by: "va", shareability: "IS" }, [unlessEl0("SCTLR_EL1", [UCI]), hcr(TPU)]),
  define("DC IVAC", [1, 0, 7, 6, 1], 1, { kind: "dc", action: "invalidate", by: "va", to: "PoC" }, [hcr(TPCP)]),
  define("DC ISW", [1, 0, 7, 6, 2], 1, { kind: "dc", action: "invalidate", by: "setWay", to: "PoC" }, [hcr(TSW)]),
  define("DC CSW", [1, 0, 7, 10, 2], 1, { kind: "dc", action: "clean", by: "setWay", to: "PoC" }, [hcr(TSW)]),
  define("DC CISW", [1, 0, 7, 14, 2], 1, { kind: "dc", action: "cleanInvalidate", by: "setWay", to: "PoC" }, [hcr(TSW)]),
  define("DC ZVA", [1, 3, 7, 4, 1], 0, { kind: "dcZva" }, [unlessEl0("SCTLR_EL1", [DZE]), hcr(TDZ)]),
  define("DC CVAC", [1, 3, 7, 10, 1], 0, { kind: "dc", action: "clean", by: "va", to: "PoC" }, [
    unlessEl0("SCTLR_EL1", [UCI]),
    hcr(TPCP),
  ]),
  define("DC CVAU", [1, 3, 7, 11, 1], 0, { kind: "dc", action: "clean", by: "va", to: "PoU" }, [
    unlessEl0("SCTLR_EL1", [UCI]),
    hcr(TPU),
  ]),
  define(
    "DC CVAP",
    [1, 3, 7, 12, 1],
    0,
    { kind: "dc", action: "clean", by: "va", to: "PoP" },
    [unlessEl0("SCTLR_EL1", [UCI]), hcr(TPCP)],
    { feature: "DPB" },
  ),
  define("DC CIVAC", [1, 3, 7, 14, 1], 0, { kind: "dc", action: "cleanInvalidate", by: "va", to: "PoC" }, [
    unlessEl0("SCTLR_EL1", [UCI]),
    hcr(TPCP),
  ]),
];

function at(name: string, encoding: Encoding, level: 0 | 1 | 2, stages: 1 | 12, isWrite: boolean, withPan = false): SystemInstruction {
  const regime = level === 2 ? "EL2" : "EL1";
  const el = level === 2 || stages === 12 ? 2 : 1;
  return define(`AT ${name}`, encoding, el, { kind: "at", regime, el: level, stages, isWrite, withPan }, [], {
    feature: withPan ? "PAN2" : undefined,
  });
}

const translationInstructions: readonly SystemInstruction[] = [
  at("S1E1R", [1, 0, 7, 8, 0], 1, 1, false),
  at("S1E1W", [1, 0, 7, 8, 1], 1, 1, true),
  at("S1E0R", [1, 0, 7, 8, 2], 0, 1, false),
  at("S1E0W", [1, 0, 7, 8, 3], 0, 1, true),
  at("S1E1RP", [1, 0, 7, 9, 0], 1, 1, false, true),
  at("S1E1WP", [1, 0, 7, 9, 1], 1, 1, true, true),
  at("S1E2R", [1, 4, 7, 8, 0], 2, 1, false),
  at("S1E2W", [1, 4, 7, 8, 1], 2, 1, true),
  at("S12E1R", [1, 4, 7, 8, 4], 1, 12, false),
  at("S12E1W", [1, 4, 7, 8, 5], 1, 12, true),
  at("S12E0R", [1, 4, 7, 8, 6], 0, 12, false),
  at("S12E0W", [1, 4, 7, 8, 7], 0, 12, true),
];

type TlbShape = Pick<TlbOperation, "regime" | "match" | "stages" | "lastLevel">;

/** TLBI operations that differ only in shareability: name without suffix, op1, op2, what it does. */
const TLB_SHAPES: readonly (readonly [name: string, op1: number, op2: number, shape: TlbShape])[] = [
  ["VMALLE1", 0, 0, { regime: "EL1", match: "vmid", stages: 1, lastLevel: false }],
  ["VAE1", 0, 1, { regime: "EL1", match: "va", stages: 1, lastLevel: false }],
  ["ASIDE1", 0, 2, { regime: "EL1", match: "asid", stages: 1, lastLevel: false }],
  ["VAAE1", 0, 3, { regime: "EL1", match: "vaAllAsid", stages: 1, lastLevel: false }],
  ["VALE1", 0, 5, { regime: "EL1", match: "va", stages: 1, lastLevel: true }],
  ["VAALE1", 0, 7, { regime: "EL1", match: "vaAllAsid", stages: 1, lastLevel: true }],
  ["ALLE2", 4, 0, { regime: "EL2", match: "all", stages: 1, lastLevel: false }],
  ["VAE2", 4, 1, { regime: "EL2", match: "va", stages: 1, lastLevel: false }],
  ["ALLE1", 4, 4, { regime: "EL1", match: "all", stages: 12, lastLevel: false }],
  ["VALE2", 4, 5, { regime: "EL2", match: "va", stages: 1, lastLevel: true }],
  ["VMALLS12E1", 4, 6, { regime: "EL1", match: "vmid", stages: 12, lastLevel: false }],
];
/** CRm that says the shareability of those. */
const TLB_CRM: readonly (readonly [suffix: string, crm: number, shareability: Shareability, feature?: Feature])[] = [
  ["", 7, "PE"],
  ["IS", 3, "IS"],
  ["OS", 1, "OS", "TLBIOS"],
];
/** The same operations by range. */
const RANGE_CRM: typeof TLB_CRM = [["", 6, "PE"], ["IS", 2, "IS"], ["OS", 5, "OS"]];
/** IPA operations have their own places: name, shareability, CRm, op2, last level, range, feature. */
const TLB_IPA: readonly (readonly [string, Shareability, number, number, boolean, boolean, Feature?])[] = [
  ["IPAS2E1IS", "IS", 0, 1, false, false],
  ["IPAS2LE1IS", "IS", 0, 5, true, false],
  ["IPAS2E1OS", "OS", 4, 0, false, false, "TLBIOS"],
  ["IPAS2E1", "PE", 4, 1, false, false],
  ["IPAS2LE1OS", "OS", 4, 4, true, false, "TLBIOS"],
  ["IPAS2LE1", "PE", 4, 5, true, false],
  ["RIPAS2E1IS", "IS", 0, 2, false, true, "TLBIRANGE"],
  ["RIPAS2LE1IS", "IS", 0, 6, true, true, "TLBIRANGE"],
  ["RIPAS2E1", "PE", 4, 2, false, true, "TLBIRANGE"],
  ["RIPAS2E1OS", "OS", 4, 3, false, true, "TLBIRANGE"],
  ["RIPAS2LE1", "PE", 4, 6, true, true, "TLBIRANGE"],
  ["RIPAS2LE1OS", "OS", 4, 7, true, true, "TLBIRANGE"],
];

function tlbi(name: string, op1: number, crm: number, op2: number, operation: Omit<TlbOperation, "kind">, feature?: Feature) {
  const hasArgument = operation.match !== "all" && operation.match !== "vmid";
  const el = op1 === 0 ? 1 : 2;
  return define(`TLBI ${name}`, [1, op1, 8, crm, op2], el, { kind: "tlbi", ...operation }, el === 1 ? [hcr(TTLB)] : [], {
    hasArgument,
    feature,
  });
}

const tlbInstructions: readonly SystemInstruction[] = [
  ...TLB_CRM.flatMap(([suffix, crm, shareability, feature]) =>
    TLB_SHAPES.map(([name, op1, op2, shape]) => tlbi(name + suffix, op1, crm, op2, { ...shape, shareability, isRange: false }, feature))
  ),
  ...RANGE_CRM.flatMap(([suffix, crm, shareability]) =>
    TLB_SHAPES.filter(([, , , { match }]) => match === "va" || match === "vaAllAsid")
      .map(([name, op1, op2, shape]) => tlbi(`R${name}${suffix}`, op1, crm, op2, { ...shape, shareability, isRange: true }, "TLBIRANGE"))
  ),
  ...TLB_IPA.map(([name, shareability, crm, op2, lastLevel, isRange, feature]) =>
    tlbi(name, 4, crm, op2, { regime: "EL1", match: "ipa", stages: 2, lastLevel, shareability, isRange }, feature)
  ),
];

/** Every system instruction. */
export const systemInstructions: readonly SystemInstruction[] = [
  ...cacheInstructions,
  ...translationInstructions,
  ...tlbInstructions,
];

const byPacked = new Map<number, SystemInstruction>();
for (const instruction of systemInstructions) {
  const other = byPacked.get(instruction.packed);
  if (other) throw new Error(`${other.name} and ${instruction.name} have one encoding`);
  byPacked.set(instruction.packed, instruction);
}

/** The system instruction with this packed encoding, if these features have it; without features whichever CPU it is of. */
export function systemInstruction(packed: number, features?: ReadonlySet<Feature>): SystemInstruction | undefined {
  const found = byPacked.get(packed);
  return found && (!found.feature || !features || features.has(found.feature)) ? found : undefined;
}

/** Checks its execution at `el` (0 to 2). */
export function instructionAccess(instruction: SystemInstruction, el: number, block: StateBlock): AccessResult {
  if (el < instruction.el) return "undefined";
  return checkTraps(instruction.traps, el, true, block);
}
