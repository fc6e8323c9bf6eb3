/** Puts together what executes instructions: the interpreter, and where it is wanted the compiler of hot code. */
import type { DecodeEnvironment } from "../isa/dsl.ts";
import type { Decoder } from "../isa/decoder.ts";
import * as at from "../state.ts";
import { packEncoding, registerByPacked, type RegisterFile } from "../sysregs/mod.ts";
import type { Accesses } from "./accesses.ts";
import type { Block } from "./block.ts";
import type { CodeCache } from "./code_cache.ts";
import { frequent } from "./frequent.ts";
import { generatedCode } from "./generated_code.ts";
import { Interpreter } from "./interpreter.ts";
import type { Neighbours } from "./neighbours.ts";
import type { Profile } from "./profile.ts";
import { slowPaths } from "./routines/slow_paths.ts";
import { type SystemCallees, systemRoutine } from "./routines/system.ts";
import { systemOps } from "./tier0.ts";
import type { Walks } from "./walks.ts";
import { limitsOf } from "./routines/limits.ts";
import { SoftFloat } from "./softfloat/mod.ts";
import type { TranslationStore } from "./tier1/cache/keeper.ts";
import { MAX_REGIONS } from "./tier1/side_table.ts";
import { Tier1, type Tier1Mode, type Tier1Parts } from "./tier1/tier1.ts";

/** What they are made of. */
export interface TierParts {
  readonly mode: Tier1Mode;
  /** Address of tier 1's table beside the records; 0 when it is off. */
  readonly sideTable: number;
  readonly file: RegisterFile;
  readonly block: Block;
  readonly code: CodeCache;
  readonly decoder: Decoder;
  readonly accesses: Accesses;
  /** Absent: no walks are generated, because of an MPU, or because somebody looks at each. */
  readonly walks: Walks | undefined;
  readonly profile: Profile | undefined;
  readonly store: TranslationStore | undefined;
  /** See {@linkcode Tier1Parts}. */
  readonly uncompiled: Tier1Parts["uncompiled"];
  /** Barriers are told to the engine. */
  readonly watchesBarriers: boolean;
  readonly counterFrequencyHz: number;
  /** Other threads see this memory. */
  readonly sharesMemory: Pick<Neighbours, "lock" | "attention"> | undefined;
  system(op: number, word: number): number;
  /** Floating point was computed in software. */
  computed(): void;
  /** The table of address spaces, where generated code may use it. */
  readonly spaces: number | undefined;
  readonly routines: Pick<SystemCallees, "exceptions" | "updateContext">;
  decode(record: number): number;
  resume(): number;
}

/** Makes them. */
export function makeTiers(parts: TierParts): { interpreter: Interpreter; tier1: Tier1 | undefined } {
  const { mode, sideTable, file, block, code, decoder, accesses, system, decode } = parts;
  const { watchesBarriers, profile, spaces, store, uncompiled, walks, counterFrequencyHz } = parts;
  const { memory, address: base } = block;
  const { model } = file;
  const sharesMemory = parts.sharesMemory && { lock: parts.sharesMemory.lock };
  const float = new SoftFloat(() => block.words, base + at.SCRATCH);
  const softFloat = (op: number) => {
    parts.computed();
    block.set(at.FPSR, block.get(at.FPSR) | float.op(op, block.get(at.FPCR)));
  };
  const environment: DecodeEnvironment = {
    registerIndex: (op0, op1, crn, crm, op2) => {
      const register = registerByPacked(packEncoding(op0, op1, crn, crm, op2), model.features);
      return register ? register.index : -1;
    },
    narrowMask: (index) => file.masks[index * 2 + 1] === 0 ? file.masks[index * 2] : -1,
    watchesBarriers,
    sharesMemory,
  };
  const limits = limitsOf(memory);
  const calls = {
    slowLoad: (size: number, flags: number) => accesses.load(size, flags),
    slowStore: (size: number, flags: number) => accesses.store(size, flags),
    slowAtomic: (size: number, write: number) => accesses.atomic(size, write),
    fetch: () => accesses.arrive(),
    fill: (size: number, flags: number) => accesses.fill(size, flags),
    system,
    softFloat,
    decode,
    resume: parts.resume,
  };
  const own = profile?.watch(calls) ?? calls;
  const noted = (bank: number, hi: number, lo: number, found: number) => accesses.tlb.noted(bank, hi, lo, found);
  const places = walks && { base, area: walks.area, banks: walks.memory.banks, touched: block.touched.byteOffset, records: code.address };
  const { updateContext, exceptions: { take1 } } = parts.routines;
  const watched = places ? { ...own, ...slowPaths(memory, places, { ...own, noted, updateContext, take1 }) } : own;
  const callees = { ...parts.routines, slow: watched.system };
  const functions = {
    ...watched,
    system: systemRoutine(memory, base, systemOps, callees, { hasNeighbours: sharesMemory !== undefined, spaces, counterFrequencyHz }),
  };
  const regions = mode === "off" ? undefined : { size: MAX_REGIONS, address: sideTable, records: code.address };
  const features = [...model.features].sort().join();
  const kind = JSON.stringify([model.name, features, base, limits, regions, watchesBarriers, sharesMemory]);
  const interpreter = new Interpreter(memory, limits, base, functions, decoder, environment, frequent, regions, generatedCode(kind));
  if (mode === "off") return { interpreter, tier1: undefined };
  const { fill, softFloat: exact } = functions;
  const { attention } = parts.sharesMemory ?? {};
  const compiler = {
    limits,
    sideTable,
    attention,
    counterFrequencyHz,
    block,
    code,
    interpreter,
    fill,
    softFloat: exact,
    store,
    kind,
    uncompiled,
    profile,
  };
  return { interpreter, tier1: new Tier1(mode, compiler) };
}
