/**
 * CPU models: rows of ID registers. They say what this engine does, so a field
 * of the real core that isn't implemented reads as "not implemented": AArch32,
 * EL2 and EL3 as the guest sees them, big-endian data, 16-bit event counters.
 */
import type { Feature } from "./features.ts";

/** One cache as CCSIDR_EL1 shows it. */
export interface Cache {
  /** CSSELR_EL1.Level:InD that selects it. */
  readonly select: number;
  readonly ccsidr: bigint;
}

/** A CPU model. */
export interface CpuModel {
  readonly name: string;
  readonly doc: string;
  readonly features: ReadonlySet<Feature>;
  /** Reset values by register name; a register that isn't named reads as zero. */
  readonly registers: Readonly<Record<string, bigint>>;
  readonly caches: readonly Cache[];
  /** Bits of a physical address, as ID_AA64MMFR0_EL1.PARange says. */
  readonly physicalAddressBits: number;
}

/** Cryptography of the Armv8.0 cores, with what they always have. */
const ARMV8_0: readonly Feature[] = ["CRC32", "AES", "PMULL", "SHA1", "SHA256", "NonSecure"];
/** Secure state alone, and memory protection instead of tables at EL2; compilers use what Armv8.4 has. */
const ARMV8_R: readonly Feature[] = ["SEL2", "PMSA", "LRCPC2"];
const ARMV8_2: readonly Feature[] = ["CRC32", "LSE", "RDM", "DotProd", "FP16", "LRCPC", "PAN", "UAO", "DPB"];

/** ID_AA64PFR0_EL1 of EL0 and EL1 in AArch64 only, with floating point and SIMD; EL2 and EL3 hidden. */
function processorFeatures(features: ReadonlySet<Feature>): bigint {
  const fp = features.has("FP16") ? 1n : 0n;
  // CSV2 and CSV3: no speculation leaks, because there is none. The Armv8.0 cores keep the values of the real ones.
  const speculation = features.has("LSE") ? 1n << 56n | 1n << 60n : 0n;
  return 0x11n | fp << 16n | fp << 20n | (features.has("GIC") ? 1n << 24n : 0n) | speculation;
}

function instructionSet0(features: ReadonlySet<Feature>): bigint {
  const field = (feature: Feature, at: bigint, value = 1n) => features.has(feature) ? value << at : 0n;
  return (features.has("PMULL") ? 2n << 4n : field("AES", 4n)) | field("SHA1", 8n) | field("SHA256", 12n) | field("CRC32", 16n) |
    field("LSE", 20n, 2n) | field("RDM", 28n) | field("DotProd", 44n) | field("FlagM", 52n) |
    (features.has("TLBIRANGE") ? 2n << 56n : field("TLBIOS", 56n));
}

function instructionSet1(features: ReadonlySet<Feature>): bigint {
  const rcpc = features.has("LRCPC2") ? 2n : features.has("LRCPC") ? 1n : 0n;
  return (features.has("DPB") ? 1n : 0n) | rcpc << 20n;
}

const PA_RANGE: Readonly<Record<number, bigint>> = { 32: 0n, 36: 1n, 40: 2n, 42: 3n, 44: 4n, 48: 5n };

/** What distinguishes one model from another. */
interface ModelSpec {
  readonly name: string;
  readonly doc: string;
  readonly midr: bigint;
  readonly revidr?: bigint;
  readonly features: readonly Feature[];
  readonly physicalAddressBits: number;
  /** 16 KiB granules as well as 4 and 64 KiB. */
  readonly granule16?: boolean;
  readonly ctr: bigint;
  readonly clidr: bigint;
  readonly caches: readonly Cache[];
  /** PMCR_EL0 identification: IMP and IDCODE. */
  readonly pmcr: bigint;
}

function model(spec: ModelSpec): CpuModel {
  const features = new Set(spec.features);
  const mmfr0 = PA_RANGE[spec.physicalAddressBits] | 2n << 4n | (features.has("MixedEndian") ? 1n << 8n : 0n) |
    (spec.granule16 ? 1n << 20n : 0n) |
    // MSA: PMSA; MSA_frac: VMSA is optional at EL1.
    (features.has("PMSA") ? 0x2fn << 48n : 0n);
  // VMIDBits: VSCTLR_EL2 has 16 of them.
  const mmfr1 = (features.has("PMSA") ? 2n << 4n : 0n) | (features.has("PAN2") ? 2n << 20n : features.has("PAN") ? 1n << 20n : 0n);
  return {
    name: spec.name,
    doc: spec.doc,
    features,
    physicalAddressBits: spec.physicalAddressBits,
    caches: spec.caches,
    registers: {
      MIDR_EL1: spec.midr,
      VPIDR_EL2: spec.midr,
      REVIDR_EL1: spec.revidr ?? 0n,
      CTR_EL0: spec.ctr,
      CLIDR_EL1: spec.clidr,
      // Blocks of 64 bytes.
      DCZID_EL0: 4n,
      ID_AA64PFR0_EL1: processorFeatures(features),
      // Armv8 debug, PMUv3, six breakpoints, four watchpoints, two context-aware breakpoints.
      ID_AA64DFR0_EL1: 0x1030_5106n,
      ID_AA64ISAR0_EL1: instructionSet0(features),
      ID_AA64ISAR1_EL1: instructionSet1(features),
      ID_AA64MMFR0_EL1: mmfr0,
      ID_AA64MMFR1_EL1: mmfr1,
      ID_AA64MMFR2_EL1: features.has("UAO") ? 1n << 4n : 0n,
      ...mpuRegisters(features, { el1: 32, el2: 32 }),
      PMCR_EL0: spec.pmcr,
      // The one event that the cycle counter counts: CPU_CYCLES, 0x11.
      PMCEID0_EL0: 1n << 17n,
      // Five priority and preemption bits, 16-bit INTIDs, sixteen list registers.
      ICH_VTR_EL2: 0x9028_000fn,
    },
  };
}

/** L1 data, L1 instruction, unified L2, all with lines of 64 bytes. */
function caches(l1d: bigint, l1i: bigint, l2: bigint): readonly Cache[] {
  return [{ select: 0, ccsidr: l1d }, { select: 1, ccsidr: l1i }, { select: 2, ccsidr: l2 }];
}

const A57_CACHES = caches(0x701f_e00an, 0x201f_e012n, 0x70ff_e07an);

/** Every model. */
export const models: readonly CpuModel[] = [
  model({
    name: "cortex-a53",
    doc: "Arm Cortex-A53 r0p4: Armv8.0-A with CRC32 and cryptography, 40-bit physical addresses.",
    midr: 0x410f_d034n,
    features: ARMV8_0,
    physicalAddressBits: 40,
    ctr: 0x8444_8004n,
    clidr: 0x0a20_0023n,
    caches: caches(0x700f_e01an, 0x201f_e00an, 0x707f_e07an),
    pmcr: 0x4103_0000n,
  }),
  model({
    name: "cortex-a57",
    doc: "Arm Cortex-A57 r1p0: Armv8.0-A with CRC32 and cryptography, 44-bit physical addresses.",
    midr: 0x411f_d070n,
    features: ARMV8_0,
    physicalAddressBits: 44,
    ctr: 0x8444_c004n,
    clidr: 0x0a20_0023n,
    caches: A57_CACHES,
    pmcr: 0x4101_0000n,
  }),
  model({
    name: "cortex-a72",
    doc: "Arm Cortex-A72 r0p3: Armv8.0-A with CRC32 and cryptography, 44-bit physical addresses.",
    midr: 0x410f_d083n,
    features: ARMV8_0,
    physicalAddressBits: 44,
    ctr: 0x8444_c004n,
    clidr: 0x0a20_0023n,
    caches: caches(0x701f_e00an, 0x201f_e012n, 0x707f_e07an),
    pmcr: 0x4102_0000n,
  }),
  model({
    name: "cortex-r82",
    doc:
      "Arm Cortex-R82: Armv8-R AArch64 without the optional cryptography; an MPU at EL2, MPU or page tables at EL1, 40-bit physical addresses.",
    midr: 0x411f_d150n,
    features: [...ARMV8_2, ...ARMV8_R],
    physicalAddressBits: 40,
    granule16: true,
    ctr: 0x8444_c004n,
    clidr: 0x0a20_0023n,
    caches: caches(0x701f_e01an, 0x201f_e01an, 0x70ff_e07an),
    pmcr: 0x4100_0000n,
  }),
  model({
    name: "max",
    doc: "Everything of Armv8.2-A that the engine implements, 48-bit physical addresses.",
    midr: 0x000f_0510n,
    features: [...new Set<Feature>([...ARMV8_0, ...ARMV8_2])],
    physicalAddressBits: 48,
    granule16: true,
    ctr: 0x8444_c004n,
    clidr: 0x0a20_0023n,
    caches: A57_CACHES,
    pmcr: 0x4100_0000n,
  }),
  model({
    name: "max-r",
    doc: "Armv8-R AArch64 with everything that the engine implements: an MPU at EL2, MPU or page tables at EL1, 48-bit physical addresses.",
    midr: 0x000f_0510n,
    features: [...new Set<Feature>([...ARMV8_0, ...ARMV8_2, ...ARMV8_R])].filter((feature) => feature !== "NonSecure"),
    physicalAddressBits: 48,
    granule16: true,
    ctr: 0x8444_c004n,
    clidr: 0x0a20_0023n,
    caches: A57_CACHES,
    pmcr: 0x4100_0000n,
  }),
];

/** The model of this name. Throws a `RangeError` that lists them all. */
export function modelByName(name: string): CpuModel {
  const found = models.find((model) => model.name === name);
  if (!found) throw new RangeError(`no CPU model is called ${name}: there are ${models.map((model) => model.name).join(", ")}`);
  return found;
}

/** How many regions the MPUs of EL1 and EL2 have. */
export interface MpuRegionCounts {
  readonly el1: number;
  readonly el2: number;
}

/** MPUIR_EL1 and MPUIR_EL2, where there are MPUs. */
function mpuRegisters(features: ReadonlySet<Feature>, { el1, el2 }: MpuRegionCounts): Record<string, bigint> {
  return features.has("PMSA") ? { MPUIR_EL1: BigInt(el1), MPUIR_EL2: BigInt(el2) } : {};
}

/** The same model with so many MPU regions, where it has MPUs. */
export function withMpuRegions(cpu: CpuModel, regions: MpuRegionCounts): CpuModel {
  return { ...cpu, registers: { ...cpu.registers, ...mpuRegisters(cpu.features, regions) } };
}

/** How many MPU regions a model has; `undefined`: no MPUs. */
export function mpuRegions(cpu: CpuModel): MpuRegionCounts | undefined {
  if (!cpu.features.has("PMSA")) return undefined;
  return { el1: Number(cpu.registers.MPUIR_EL1), el2: Number(cpu.registers.MPUIR_EL2) };
}

/** The same model on a board with a GICv3: the system register interface is there, and advertised. */
export function withGic(cpu: CpuModel): CpuModel {
  const features = new Set(cpu.features).add("GIC");
  return { ...cpu, features, registers: { ...cpu.registers, ID_AA64PFR0_EL1: processorFeatures(features) } };
}
