/** Compiles a region: basic blocks become a function that runs until it must leave. */
import type { Decoder } from "../../isa/decoder.ts";
import type { VariantOperands } from "../../isa/operands.ts";
import { call, FunctionBuilder, type I32, i32, type I64, i64, type Label, type Local } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { DTLB_SIZE, ITLB_RECORDS, ITLB_TAG, RECORDS_PER_PAGE } from "../layout.ts";
import type { Graph } from "./discover.ts";
import { type Held, Loop, NOTHING } from "./held.ts";
import { JointChecks, UNMOVED } from "./joint_checks.ts";
import type { RegionModule } from "./region_module.ts";
import type { RegionPlace } from "./region_place.ts";
import { bothOf, type Facts, RegionSemantics } from "./semantics.ts";
import { Kind } from "./flags.ts";
import { writeStructure } from "./structure.ts";
import { callsNothing, firstOf, unroll, type UnrolledGraph } from "./unroll.ts";

/** Fewest instructions that a region is entered with: one alone is a step, which the interpreter takes. */
const LEAST_BUDGET = 2;
/** Most pages of a region; where in its code for a place the number of the page is. */
export const MAX_PAGES = 32;
const PAGE_SHIFT = 10;
/** Fewest accesses that are checked together in each iteration of a loop that has fast copies. */
const LEAST_GAIN = 2;
/** What the check of accesses by one register takes, in checks of single accesses. */
const JOINT_CHECK = 2;

/** Nothing is known where edges of any kind lead to. */
const UNKNOWN: Facts = { flags: undefined, origins: UNMOVED };

/** What a region is made of. */
export interface RegionSource {
  readonly graph: Graph;
  /** The instruction of a number. */
  readonly wordAt: (index: number) => number;
  readonly decoder: Decoder;
  readonly operands: VariantOperands;
  readonly module: RegionModule;
}

/** What its function expects and does. */
export interface WrittenRegion {
  /** Where it may leave to by direct branches, as numbers of instructions. */
  readonly exits: ReadonlySet<number>;
  /** Its pages, by their distances from the head's, in the order in which its code looks for their records in the table of pages. */
  readonly pages: readonly number[];
  /** Loops that have fast copies. */
  readonly unrolled: number;
}

/**
 * Writes the function: budget in, `Status` out; IP and BUDGET, or TARGET, say where it left, or another region did that it
 * went on in. The code is good for these instructions wherever their pages are.
 */
export function writeRegion(f: FunctionBuilder, source: RegionSource): WrittenRegion {
  const writer = new RegionWriter(f, source);
  writer.write();
  return { exits: writer.exits, pages: writer.pages, unrolled: writer.unrolled };
}

/** Where to leave by: before an instruction that the interpreter must execute, and for a target elsewhere. */
interface Exits {
  readonly bail: Label;
  readonly leave: Label;
}

class RegionWriter {
  readonly #budget: Local<"i32">;
  readonly #code;
  readonly #pageVa;
  readonly #target;
  readonly #fpEnabled;
  readonly #place: RegionPlace;
  readonly #semantics: RegionSemantics;
  readonly #graph: UnrolledGraph;
  /** By the block that chooses fast copies. */
  readonly #joints = new Map<number, JointChecks>();
  /** Where to leave by, from the present place: a loop has its own. */
  #exits!: Exits;
  readonly #loops = new Map<number, { readonly loop: Loop; readonly exits: Exits }>();
  /** What is known where a block begins: what all edges that lead there have in common. */
  readonly #before = new Map<number, Facts>();
  /** At the end of each block, if it gets there. */
  readonly #heldAfter = new Map<number, Held>();
  /**
   * Instructions before the present one that the budget hasn't paid for: it does where ways meet, and where the region leaves. Blocks that
   * head loops it pays for in advance, which the host's compiler makes the better code of.
   */
  #done = 0;
  #index = 0;
  #usesFp = false;
  /** Pages of the region, as its code numbers them: the head's is first. For each but it a local that says whether it was found where it should be. */
  readonly #pages: { readonly page: number; readonly found: Local<"i32"> | undefined }[] = [];
  readonly exits = new Set<number>();

  constructor(readonly f: FunctionBuilder, readonly source: RegionSource) {
    this.#budget = f.params[0] as Local<"i32">;
    this.#code = f.local("i32");
    this.#pageVa = f.local("i64");
    this.#target = f.local("i64");
    this.#fpEnabled = f.local("i32");
    const nowhere = () => {
      throw new Error("a region has no records");
    };
    const { module } = source;
    this.#place = {
      f,
      imports: module.imports,
      look: (access, unprivileged) => module.look(access, unprivileged),
      refill: (access, unprivileged) => module.refill(access, unprivileged),
      windows: module.addresses.windows,
      pack: () => module.pack(),
      base: module.addresses.base,
      ip: i32.const(0),
      head: i64.const(0n),
      records: i32.const(0),
      counterFrequencyHz: module.addresses.counterFrequencyHz,
      left: () => i32.sub(this.#budget.value, i32.const(this.#done + 1)),
      pageVa: this.#pageVa.value,
      spill: nowhere,
      resume: nowhere,
      leave: nowhere,
      stop: nowhere,
      jump: nowhere,
      branch: nowhere,
      bail: (unlikely) => this.#bailHere(unlikely),
    };
    this.#semantics = this.#semanticsAt(this.#place);
    this.#graph = unroll(source.graph, (blocks, copies) => this.#gains(blocks, copies));
  }

  #semanticsAt(place: RegionPlace): RegionSemantics {
    return new RegionSemantics(place, this.source.operands, this.source.decoder.decode(0)!);
  }

  /** Whether a loop, its head first, gains by fast copies: it is written once for nothing. */
  #gains(blocks: readonly number[], copies: number): boolean {
    const { source } = this;
    const semantics = this.#semanticsAt({ ...this.#place, f: new FunctionBuilder(["i32"], "i32"), bail() {} });
    const joint = new JointChecks(), loop = new Loop(NOTHING), before = new Map<number, Facts>();
    for (const number of blocks) {
      const { count, successors } = source.graph.blocks.get(number)!;
      semantics.enter({ held: NOTHING, loop, joint, facts: before.get(number) ?? UNKNOWN });
      for (let i = 0; i < count; i++) {
        const decoded = source.decoder.decode(source.wordAt(number + i));
        if (decoded === undefined) return false;
        semantics.instruction(decoded, 0);
      }
      for (const to of successors) before.set(to, bothOf(semantics.facts, before.get(to)));
    }
    const steady = joint.steady(before.get(blocks[0])!.origins);
    return steady >= LEAST_GAIN && copies * steady >= JOINT_CHECK * joint.groups.length;
  }

  write(): void {
    const { f, source } = this;
    const { base } = source.module.addresses;
    const semantics = this.#semantics;
    this.#pageNumber(0);
    f.set(this.#pageVa, i64.load(i32.const(0), base + at.PAGE_VA));
    f.later(() => {
      if (this.#usesFp) f.set(this.#fpEnabled, i32.load(i32.const(0), base + at.FP_ENABLED));
    });
    f.block((leave) => {
      f.blockOf(this.#code, (bail) => {
        const outside = this.#exits = { bail, leave };
        writeStructure(f, this.#graph, {
          begin: (block, dominator, isLoop, isJoined, loop) => {
            if (isJoined) this.#done = 0;
            const inside = loop === undefined ? undefined : this.#loops.get(loop)!;
            this.#exits = inside?.exits ?? outside;
            const before = dominator === undefined ? { ...UNKNOWN, flags: Kind.block } : this.#before.get(block);
            semantics.enter({
              held: this.#heldBehind(dominator),
              loop: inside?.loop,
              joint: this.#jointOf(block),
              facts: isLoop || before === undefined ? UNKNOWN : before,
            });
          },
          loop: (header, dominator, body) => this.#loop(header, dominator, outside, body),
          leaveLoop: () => semantics.storeFor(semantics.loop!),
          check: (block, path) => this.#check(block, path),
          body: (block, edge) => this.#body(block, edge),
          cross: (from, to) => this.#cross(firstOf(from), firstOf(to)),
          join: () => this.#pay(),
          leave: (_from, target) => this.#leaveTo(firstOf(target)),
        });
        f.unreachable();
      });
      // What was executed since the budget was paid from.
      f.set(this.#budget, i32.sub(this.#budget.value, i32.shr_s(this.#code.value, i32.const(16))));
      f.returnCall(source.module.bail, this.#budget.value, this.#storePage(), ...semantics.flags.operands);
    });
    f.returnCall(source.module.goOn, this.#budget.value, this.#target.value, ...semantics.flags.operands);
  }

  /** Of the head there is none. One that always leaves in its middle dominates what is written all the same, though nothing leads there. */
  #heldBehind(dominator: number | undefined): Held {
    return (dominator === undefined ? undefined : this.#heldAfter.get(dominator)) ?? NOTHING;
  }

  /** An outermost loop, with exits that store what it wrote. */
  #loop(header: number, dominator: number | undefined, outside: Exits, body: () => void): void {
    const { f } = this;
    const semantics = this.#semantics;
    const loop = new Loop(this.#heldBehind(dominator));
    semantics.loadFor(loop);
    f.block((leave) => {
      f.blockOf(this.#code, (bail) => {
        this.#loops.set(header, { loop, exits: { bail, leave } });
        body();
        f.unreachable();
      });
      semantics.storeFor(loop);
      f.brWith(outside.bail, this.#code.value);
    });
    semantics.storeFor(loop);
    f.br(outside.leave);
  }

  /** Takes what was executed from the budget. */
  #pay(): void {
    if (this.#done > 0) this.f.set(this.#budget, i32.sub(this.#budget.value, i32.const(this.#done)));
  }

  /** Enough instructions for all that comes before the next check, or the interpreter goes on, if there are no more to be had. */
  #check(block: number, path: number): void {
    const { f } = this;
    const isShort = () => i32.lt_s(this.#budget.value, i32.const(Math.max(path, LEAST_BUDGET)));
    const bail = (unlikely?: I32) => f.brWith(this.#exits.bail, i32.const(this.#codeOf(firstOf(block))), unlikely);
    f.ifUnlikely(isShort(), () => {
      // The host's compiler makes less of an innermost loop with a call in it.
      if (callsNothing(this.#graph, block, this.source.wordAt)) return bail();
      f.set(this.#budget, call("i32", this.source.module.extend, this.#budget.value));
      bail(isShort());
    });
  }

  #jointOf(block: number): JointChecks | undefined {
    const chooser = this.#graph.chosenBy(block);
    return chooser === undefined ? undefined : this.#joints.get(chooser);
  }

  #body(number: number, take: (block: number) => void): void {
    const { f, source } = this;
    const block = this.#graph.blocks.get(number)!;
    const semantics = this.#semantics;
    const exits = this.#exits, { loop } = semantics, joint = this.#jointOf(number);
    // What comes behind an edge may be written within it.
    const edgeTo = (to: number) => {
      const { held, facts } = semantics, done = this.#done;
      this.#before.set(to, bothOf(facts, this.#before.get(to)));
      take(to);
      this.#exits = exits;
      this.#done = done;
      semantics.enter({ held, loop, joint, facts });
    };
    const choice = this.#graph.choice(number);
    if (choice) return this.#choose(number, choice, edgeTo);
    const edge = (target: number) => edgeTo(this.#graph.target(number, target));
    if (this.#graph.flow.loops.has(number)) {
      this.#done = block.count;
      this.#pay();
      this.#done = -block.count;
    }
    let fpChecked = false;
    for (let i = 0; i < block.count; i++) {
      this.#index = block.first + i;
      const decoded = source.decoder.decode(source.wordAt(this.#index));
      if (decoded === undefined) return this.#bailHere();
      if (decoded.declaration.fp && !fpChecked) {
        this.#usesFp = fpChecked = true;
        this.#bailHere(i32.eqz(this.#fpEnabled.value));
      }
      semantics.instruction(decoded, this.#index * 4);
      if (semantics.ending?.kind === "left") return;
      this.#done++;
    }
    this.#heldAfter.set(number, semantics.held);
    const { ending } = semantics;
    const { ending: known } = block;
    if (known.kind === "next") return edge(block.first + block.count);
    if (known.kind === "branch") return edge(known.target);
    if (known.kind === "conditional" && ending?.kind === "conditional") {
      f.if(ending.condition, () => edge(known.target));
      return edge(block.first + block.count);
    }
    if (ending?.kind !== "indirect") throw new Error("a block of a region ends in no known way");
    // Before any other local is made: the instruction has given its own back.
    f.set(this.#target, ending.target);
    if (known.kind === "return") this.#returnTo(edge);
    this.#leaveToVa(this.#target.value);
  }

  /** Fast copies, if all that they check together holds, or the slow one. */
  #choose(number: number, { fast, slow }: { readonly fast: number; readonly slow: number }, edge: (block: number) => void): void {
    const { f } = this;
    const semantics = this.#semantics;
    const joint = new JointChecks();
    const areInside = f.unscoped(() => f.local("i32"));
    this.#joints.set(number, joint);
    this.#heldAfter.set(number, semantics.held);
    f.later(() => semantics.writeJointChecks(joint, areInside));
    f.if(areInside.value, () => edge(fast));
    edge(slow);
  }

  /** A return: to the call's next instruction, if the call was made here. */
  #returnTo(edge: (target: number) => void): void {
    const { f } = this;
    const within = f.local("i64");
    f.set(within, i64.sub(this.#target.value, this.#pageVa.value));
    for (const site of this.source.graph.returnSites) f.if(i64.eq(within.value, i64.const(BigInt(site * 4))), () => edge(site));
  }

  #bailHere(unlikely?: I32): void {
    this.f.brWith(this.#exits.bail, i32.const(this.#codeOf(this.#index) | (this.#done << 16)), unlikely);
  }

  /** Makes the page where the region bails out the present one. Returns the record there. */
  #storePage(): I32 {
    const { f, source: { module: { addresses: { base } } } } = this;
    for (const [number, { page }] of this.#pages.entries()) {
      if (number === 0) continue;
      f.if(i32.eq(i32.and(i32.shr_u(this.#code.value, i32.const(PAGE_SHIFT)), i32.const(MAX_PAGES - 1)), i32.const(number)), () => {
        f.store("i32", i32.const(0), this.#recordsOf(number), base + at.RECORDS);
        f.store("i64", i32.const(0), this.#va(page * RECORDS_PER_PAGE), base + at.PAGE_VA);
      });
    }
    const index = i32.shl(i32.and(this.#code.value, i32.const(RECORDS_PER_PAGE - 1)), i32.const(4));
    return i32.add(i32.load(i32.const(0), base + at.RECORDS), index);
  }

  /** Index of a page in {@linkcode #pages}. */
  #pageNumber(page: number): number {
    const found = this.#pages.findIndex((known) => known.page === page);
    if (found >= 0) return found;
    const number = this.#pages.length;
    const local = () => this.f.unscoped(() => this.f.local("i32"));
    return this.#pages.push({ page, found: number === 0 ? undefined : local() }) - 1;
  }

  get unrolled(): number {
    return this.#joints.size;
  }

  get pages(): readonly number[] {
    return this.#pages.map(({ page }) => page);
  }

  #recordsOf(number: number): I32 {
    return this.source.module.recordsOf(this.source.graph.head, number);
  }

  /** Into another page only if it is where it was; then it stays there. */
  #cross(from: number, to: number): void {
    const page = Math.floor(to / RECORDS_PER_PAGE);
    if (page === Math.floor(from / RECORDS_PER_PAGE)) return;
    const number = this.#pageNumber(page);
    const { found } = this.#pages[number];
    if (found === undefined) return;
    const { f } = this;
    f.ifUnlikely(i32.eqz(found.value), () => {
      f.scope(() => {
        const va = f.let(this.#va(page * RECORDS_PER_PAGE));
        const entry = f.let(this.source.module.fetchEntry(va));
        const isThere = i32.and(
          i64.eq(va, i64.load(entry, DTLB_SIZE + ITLB_TAG)),
          i32.eq(i32.load(entry, DTLB_SIZE + ITLB_RECORDS), this.#recordsOf(number)),
        );
        f.if(i32.eqz(isThere), () => this.#leaveToVa(this.#va(to)));
      });
      f.set(found, i32.const(1));
    });
  }

  #va(index: number): I64 {
    return i64.add(this.#pageVa.value, i64.const(BigInt(index * 4)));
  }

  /** An instruction as the code has it: index in its page, and the page's number. */
  #codeOf(index: number): number {
    const page = Math.floor(index / RECORDS_PER_PAGE);
    return this.#pageNumber(page) << PAGE_SHIFT | index - page * RECORDS_PER_PAGE;
  }

  #leaveTo(target: number): void {
    this.exits.add(target);
    this.#leaveToVa(this.#va(target));
  }

  #leaveToVa(target: I64): void {
    this.f.set(this.#target, target);
    this.#pay();
    this.f.br(this.#exits.leave);
  }
}
