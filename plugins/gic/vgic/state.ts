/**
 * State of a domain's GIC: bitmaps, one bit per INTID, 32 to a word. Word 0 of a vCPU are its SGIs and PPIs; the words of the SPIs are
 * shared. Everything is plain data.
 */
import type { LpiState } from "./lpi_state.ts";

/** List registers that the architecture has room for. */
export const MAX_LIST_REGISTERS = 16;

/** State, plain data. Until the domain is known the arrays are empty. */
export interface GicState {
  /** vCPUs. */
  vcpus: number;
  /** Words of INTIDs that a vCPU sees: 1 + SPIs / 32. */
  words: number;
  /** GICD_CTLR: EnableGrp0, EnableGrp1. */
  control: number;
  /** Indexed by {@linkcode wordIndex}. */
  group: Uint32Array;
  enable: Uint32Array;
  /** Pending by an edge, a message or software. */
  latch: Uint32Array;
  /** Input levels. */
  line: Uint32Array;
  /** Configured as edge-triggered. */
  edge: Uint32Array;
  /** Indexed by {@linkcode wordIndex} × 32 + bit. */
  priority: Uint8Array;
  /** GICD_IROUTER, by SPI: Aff2 to Aff0 and Interrupt_Routing_Mode; Aff3. */
  routerLow: Uint32Array;
  routerHigh: Uint8Array;
  /** GICv2: GICD_ITARGETSR, by SPI, one bit for each vCPU. Empty with affinity routing. */
  targets: Uint8Array;
  /** GICv2: who sent a pending SGI, by vCPU × 16 + INTID, one bit for each vCPU; whose is active. */
  sgiSources: Uint8Array;
  activeSource: Uint8Array;
  /** Indexed by {@linkcode rowIndex}: which vCPU has it active; an SPI is active on one vCPU at most. */
  active: Uint32Array;
  /** Indexed by {@linkcode rowIndex}: which vCPU it goes to. */
  target: Uint32Array;
  /** Indexed by {@linkcode rowIndex}: edges that came while the vCPU ran, after it took the one before. */
  late: Uint32Array;
  /** GICR_WAKER.ProcessorSleep, by vCPU. */
  asleep: Uint8Array;
  /** What the list registers hold, vCPU × 16 + n. */
  listLow: Uint32Array;
  listHigh: Uint32Array;
  /** How many of them are in use, by vCPU. */
  listUsed: Uint8Array;
  /** What ICH_HCR_EL2 holds, EOIcount aside, by vCPU. */
  hcr: Uint32Array;
  /** How the guest's acknowledgements nest, by vCPU. */
  nesting: number[][];
  /** Of those what no list register has active, in the order in which the guest ends them, by vCPU. */
  spilled: number[][];
  /** Between entry and exit. */
  running: Uint8Array;
  /** List registers don't show what the bitmaps say. */
  dirty: Uint8Array;
  /** Absent without an ITS. */
  lpis?: LpiState;
}

/** Index of the word of INTIDs `32 × word` on, as `vcpu` sees it. */
export function wordIndex(state: GicState, vcpu: number, word: number): number {
  return word === 0 ? vcpu : state.vcpus + word - 1;
}

/** Index into what is kept for each vCPU and word. */
export function rowIndex(state: GicState, vcpu: number, word: number): number {
  return vcpu * state.words + word;
}

/** Reset state. `spis` is a multiple of 32. `version` 2: at most 8 vCPUs, which SPIs name by masks and SGIs by number. */
export function createState(vcpus: number, spis: number, version: 2 | 3 = 3): GicState {
  const words = 1 + spis / 32;
  const banks = vcpus + words - 1;
  const edge = new Uint32Array(banks).fill(0xffff, 0, vcpus); // SGIs are edges
  const target = new Uint32Array(vcpus * words);
  for (let vcpu = 0; vcpu < vcpus; vcpu++) target[vcpu * words] = 0xffff_ffff;
  if (version === 3) target.fill(0xffff_ffff, 0, words); // GICD_IROUTER resets to affinity 0.0.0.0
  return {
    vcpus,
    words,
    control: 0,
    group: new Uint32Array(banks),
    enable: new Uint32Array(banks),
    latch: new Uint32Array(banks),
    line: new Uint32Array(banks),
    edge,
    priority: new Uint8Array(banks * 32),
    routerLow: new Uint32Array(spis),
    routerHigh: new Uint8Array(spis),
    targets: new Uint8Array(version === 2 ? spis : 0),
    sgiSources: new Uint8Array(version === 2 ? 16 * vcpus : 0),
    activeSource: new Uint8Array(version === 2 ? 16 * vcpus : 0),
    active: new Uint32Array(vcpus * words),
    target,
    late: new Uint32Array(vcpus * words),
    asleep: new Uint8Array(vcpus),
    listLow: new Uint32Array(vcpus * MAX_LIST_REGISTERS),
    listHigh: new Uint32Array(vcpus * MAX_LIST_REGISTERS),
    listUsed: new Uint8Array(vcpus),
    hcr: new Uint32Array(vcpus),
    nesting: Array.from({ length: vcpus }, () => []),
    spilled: Array.from({ length: vcpus }, () => []),
    running: new Uint8Array(vcpus),
    dirty: new Uint8Array(vcpus),
  };
}

/** State of a plugin that isn't attached yet. */
export function emptyState(): GicState {
  return createState(0, 0);
}
