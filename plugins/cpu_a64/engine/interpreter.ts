/**
 * Tier 0: an interpreter generated as WebAssembly. One function holds the loop
 * over decoded records and the frequent handlers; the others are functions of
 * their own, made when an instruction first needs them, and called through a table.
 */
import type { Declaration, DecodeEnvironment } from "../isa/dsl.ts";
import type { Decoded, Decoder } from "../isa/decoder.ts";
import { type Operands, VariantOperands } from "../isa/operands.ts";
import { call, callIndirect, FunctionBuilder, type I32, i32, i64, type Label, ModuleBuilder } from "../wasm/mod.ts";
import * as at from "../state.ts";
import { DTLB_SIZE, ITLB_RECORDS, ITLB_TAG, RECORD_SIZE, Status } from "./layout.ts";
import { type GeneratedCode, type KeptHandlers, mergeHandlers, type Variant } from "./generated_code.ts";
import { declareImports, type EngineFunctions, type Imports, type LoopCallees, type Place, type Slot } from "./place.ts";
import { dispatch, fetchEntryIn, recordOf } from "./dispatch.ts";
import { Tier0 } from "./tier0.ts";
import { writeDetour, writeDetourLook } from "./tier1/detours.ts";
import { besideOf } from "./tier1/side_table.ts";

/** Handler of the record behind a page's last one. Handler 0 is that of records that nobody decoded yet. */
export const PAGE_END = 1;
const FIRST = 2;
/** Handlers that one machine may make; record ids have 16 bits. From this number on they are regions, in the table as in the records. */
export const MAX_HANDLERS = 8192;

/** Whether a record's handler is a region. */
export function isRegion(handler: I32): I32 {
  return i32.ge_u(handler, i32.const(MAX_HANDLERS));
}

/** Where regions of tier 1 are entered from. */
export interface RegionTable {
  /** Most regions. */
  readonly size: number;
  /** Address of the table beside the records: for each its handler, while it enters a region. */
  readonly address: number;
  /** Address of the first record. */
  readonly records: number;
}

/** The generated interpreter. */
export class Interpreter {
  /** Runs from IP with BUDGET; returns a `Status`. */
  readonly run: () => number;
  /** What tells variants apart. */
  readonly operands: VariantOperands;
  readonly #variants = new Map<number, Variant>();
  readonly #table: WebAssembly.Table;
  #next = FIRST;
  /** Handlers from {@linkcode adopt}: numbers by variant. */
  readonly #adopted = new Map<number, number>();

  /**
   * @param base of the CPU's state block in the memory
   * @param frequent words whose variants get a place in the loop
   */
  constructor(
    readonly memory: WebAssembly.Memory,
    readonly limits: { readonly minimum: number; readonly maximum: number },
    readonly base: number,
    readonly functions: EngineFunctions,
    readonly decoder: Decoder,
    readonly environment: DecodeEnvironment,
    frequent: readonly number[],
    readonly regions?: RegionTable,
    readonly generated: GeneratedCode = { handlers: new Map() },
  ) {
    this.operands = new VariantOperands(decoder.declarations.length, environment);
    this.#table = new WebAssembly.Table({ initial: MAX_HANDLERS + (regions?.size ?? 0), element: "anyfunc" });
    const { module, variants, next } = generated.loop ??= this.#generate(frequent);
    for (const [key, variant] of variants) this.#variants.set(key, variant);
    this.#next = next;
    this.run = this.#instantiate(module).run as () => number;
  }

  #generate(frequent: readonly number[]): NonNullable<GeneratedCode["loop"]> {
    const { limits, decoder } = this;
    const module = new ModuleBuilder(limits);
    const imports = declareImports(module);
    const fetch = module.importFunction("env", "fetch", [], "i32");
    const decode = module.importFunction("env", "decode", ["i32"], "i32");
    const resume = module.importFunction("env", "resume", [], "i32");
    module.importTable("env", "table");
    const handler = module.signature(["i32"], "i32");
    const inline: { declaration: Declaration; operands: Operands; key: number }[] = [];
    const keys = new Set<number>();
    for (const word of frequent) {
      const found = decoder.decode(word);
      if (!found) continue;
      const key = this.operands.keyOf(found);
      if (!keys.has(key)) inline.push({ declaration: found.declaration, operands: this.operands.of(found, key), key });
      keys.add(key);
    }
    module.function([], "i32", (f) => {
      this.#loop(f, {
        imports,
        fetch,
        decode,
        resume,
        handler: (index, ip) => callIndirect("i32", handler, 0, index, ip),
        // The same signature: budget in, `Status` out.
        region: (number, budget) => callIndirect("i32", handler, 0, number, budget),
      }, inline);
    }, "run");
    return { module: new WebAssembly.Module(module.finish()), variants: new Map(this.#variants), next: this.#next };
  }

  /** Handlers, and regions behind them: what a module that chains regions imports as `env.table`. */
  get table(): WebAssembly.Table {
    return this.#table;
  }

  /** Takes a region away; its module put it there. */
  dropRegion(number: number): void {
    this.#table.set(MAX_HANDLERS + number, null);
  }

  /** The variant that executes a decoded word; makes its handler when needed. */
  variant(decoded: Decoded): Variant {
    const key = this.operands.keyOf(decoded);
    const found = this.#variants.get(key);
    if (found) return found;
    const id = this.#adopted.get(key) ?? this.#next++;
    if (this.#next > MAX_HANDLERS - this.#adopted.size) throw new Error("too many instruction variants");
    let made = this.generated.handlers.get(key);
    if (made === undefined) {
      const module = new ModuleBuilder(this.limits);
      const imports = declareImports(module);
      const f = new FunctionBuilder(["i32"], "i32");
      const slots = this.#handler(f, imports, decoded.declaration, this.operands.of(decoded, key));
      const body = f.finish();
      module.finished(["i32"], "i32", body, f.hints, "handler");
      this.generated.handlers.set(key, made = { module: new WebAssembly.Module(module.finish()), slots, body });
    }
    this.#table.set(id, this.#instantiate(made.module).handler as () => number);
    const variant = { id, slots: made.slots, declaration: decoded.declaration };
    this.#variants.set(key, variant);
    return variant;
  }

  /** Number of the handler that executes a decoded word; it may be another interpreter's. */
  handlerOf(decoded: Decoded): number {
    const key = this.operands.keyOf(decoded);
    return this.#variants.get(key)?.id ?? this.#adopted.get(key) ?? this.variant(decoded).id;
  }

  /** Takes over another interpreter's handlers, as the last numbers. Throws when the host's compiler refuses them. */
  adopt({ keys, module }: KeptHandlers): void {
    this.#instantiate(new WebAssembly.Module(module));
    keys.forEach((key, i) => this.#adopted.set(key, MAX_HANDLERS - 1 - i));
  }

  /** The handlers beside the loop, and those of `kept`; `undefined`: there are no others. */
  keptHandlers(kept: KeptHandlers | undefined): KeptHandlers | undefined {
    return mergeHandlers(kept, this.#variants.keys(), this.generated, this.limits, MAX_HANDLERS - 1);
  }

  #instantiate(module: WebAssembly.Module): WebAssembly.Exports {
    const { memory, functions } = this;
    return new WebAssembly.Instance(module, { env: { ...functions, memory, table: this.#table } }).exports;
  }

  /** A handler as a function: record address in, `Status` out. */
  #handler(f: FunctionBuilder, imports: Imports, declaration: Declaration, operands: Operands): readonly Slot[] {
    const head = f.let(i64.load(f.params[0].value as I32));
    const place: Place = {
      f,
      imports,
      base: this.base,
      ip: f.params[0].value as I32,
      head,
      records: i32.load(i32.const(0), this.base + at.RECORDS),
      spill() {},
      resume() {},
      leave: () => f.return(i32.const(Status.leave)),
      stop: () => f.return(i32.const(Status.stop)),
      jump: (record) => {
        // Only relative branches go elsewhere than the next record; they come here as branches.
        f.store("i32", i32.const(0), record, this.base + at.IP);
        f.return(i32.const(Status.next));
      },
      branch: (target) => {
        f.store("i64", i32.const(0), target, this.base + at.TARGET);
        f.return(i32.const(Status.branch));
      },
    };
    const tier = new Tier0(place, declaration, operands, this.environment);
    tier.build();
    f.unreachable();
    return tier.slots;
  }

  #loop(
    f: FunctionBuilder,
    callees: LoopCallees,
    inline: readonly { declaration: Declaration; operands: Operands; key: number }[],
  ): void {
    const { base } = this;
    const word = (offset: number) => i32.load(i32.const(0), base + offset);
    const ip = f.local("i32");
    const records = f.local("i32");
    const budget = f.local("i32");
    const target = f.local("i64");
    const head = f.local("i64");
    const status = f.local("i32");
    // Where a region has left; 0: none in this run.
    const left = f.local("i32");
    f.set(ip, word(at.IP));
    f.set(records, word(at.RECORDS));
    f.set(budget, word(at.BUDGET));
    const spill = () => {
      f.store("i32", i32.const(0), ip.value, base + at.IP);
      f.store("i32", i32.const(0), budget.value, base + at.BUDGET);
    };
    f.loop((next) => {
      f.block((branch) => {
        f.block((leave) => {
          f.block((outOfLine) => {
            f.set(budget, i32.sub(budget.value, i32.const(1)));
            f.if(i32.lt_s(budget.value, i32.const(0)), () => {
              f.set(budget, i32.const(0));
              f.set(status, i32.const(Status.budget));
              f.br(leave);
            });
            const handler = i32.and(i32.wrap(head.value), i32.const(0xffff));
            const place: Place = {
              f,
              imports: callees.imports,
              base,
              ip: ip.value,
              head: head.value,
              records: records.value,
              spill,
              resume: () => f.set(budget, word(at.BUDGET)),
              // Whoever leaves has spilled, and the engine may have changed BUDGET since.
              leave: () => {
                f.set(budget, word(at.BUDGET));
                f.set(status, i32.const(Status.leave));
                f.br(leave);
              },
              stop: () => {
                f.set(budget, word(at.BUDGET));
                f.set(ip, i32.add(ip.value, i32.const(RECORD_SIZE)));
                f.set(status, i32.const(Status.stop));
                f.br(leave);
              },
              jump: (record) => {
                f.set(ip, record);
                f.br(next);
              },
              branch: (to) => {
                f.set(target, to);
                f.br(branch);
              },
            };
            const bodies: (() => void)[] = [
              // Not decoded yet.
              () => {
                f.set(budget, i32.add(budget.value, i32.const(1)));
                spill();
                f.set(ip, call("i32", callees.decode, ip.value));
                f.if(ip.value, () => {
                  f.set(records, word(at.RECORDS));
                  f.br(next);
                });
                f.set(ip, word(at.IP));
                place.leave();
              },
              // The page's end.
              () => {
                f.set(budget, i32.add(budget.value, i32.const(1)));
                place.branch(i64.add(i64.load(i32.const(0), base + at.PAGE_VA), i64.const(4096n)));
              },
            ];
            for (const { declaration, operands, key } of inline) {
              const id = this.#next++;
              bodies.push(() => {
                const tier = new Tier0(place, declaration, operands, this.environment);
                tier.build();
                this.#variants.set(key, { id, slots: tier.slots, declaration });
              });
            }
            const enterRegion = ({ records: first, address: sideTable }: RegionTable, again: Label) => {
              const isHead = (record: I32) => isRegion(i32.load16_u(record));
              const places = { base, records: first, sideTable, isHead };
              const since = f.let(i32.sub(word(at.REGION_BUDGET), i32.add(budget.value, i32.const(1))));
              f.store("i32", i32.const(0), i32.add(word(at.INTERPRETED), since), base + at.INTERPRETED);
              writeDetour(f, left.value, since, places);
              f.set(status, callees.region(handler, i32.add(budget.value, i32.const(1))));
              f.set(ip, word(at.IP));
              f.set(budget, word(at.BUDGET));
              f.set(records, word(at.RECORDS));
              f.set(left, i32.const(0));
              f.if(i32.eq(status.value, i32.const(Status.branch)), () => {
                f.set(target, i64.load(i32.const(0), base + at.TARGET));
                f.br(branch);
              });
              f.brIf(next, i32.eqz(budget.value));
              f.set(left, ip.value);
              writeDetourLook(f, ip.value, status.value, places, () => {
                f.set(status, i32.const(Status.budget));
                f.br(leave);
              });
              f.brIf(next, i32.eqz(status.value));
              // It bailed out. This instruction is ours, even if a region begins with it.
              f.set(budget, i32.sub(budget.value, i32.const(1)));
              f.set(head, i64.load(ip.value));
              f.if(isHead(ip.value), () => {
                const own = i64.extend_u(i32.load16_u(besideOf(ip.value, places)));
                f.set(head, i64.or(i64.and(head.value, i64.const(-0x10000n)), own));
              });
              f.br(again);
            };
            f.set(head, i64.load(ip.value));
            const { regions } = this;
            if (!regions) return dispatch(f, handler, bodies, outOfLine);
            f.loop((again) => {
              f.block((beyond) => dispatch(f, handler, bodies, beyond));
              f.if(isRegion(handler), () => enterRegion(regions, again));
              f.br(outOfLine);
            });
          });
          // A handler of its own.
          spill();
          f.set(status, callees.handler(i32.and(i32.wrap(head.value), i32.const(0xffff)), ip.value));
          f.set(budget, word(at.BUDGET));
          f.if(i32.eqz(status.value), () => {
            f.set(ip, word(at.IP));
            f.br(next);
          });
          f.if(i32.eq(status.value, i32.const(Status.branch)), () => {
            f.set(target, i64.load(i32.const(0), base + at.TARGET));
            f.br(branch);
          });
          f.if(i32.eq(status.value, i32.const(Status.stop)), () => f.set(ip, i32.add(ip.value, i32.const(RECORD_SIZE))));
        });
        // leave:
        spill();
        f.if(i32.eq(status.value, i32.const(Status.leave)), () => {
          f.if(call("i32", callees.resume), () => {
            f.set(target, i64.load(i32.const(0), base + at.TARGET));
            f.br(branch);
          });
        });
        f.return(status.value);
      });
      // branch:
      const here = i64.xor(target.value, i64.load(i32.const(0), base + at.PAGE_VA));
      f.if(i64.lt_u(i64.rotr(here, i64.const(2n)), i64.const(1024n)), () => {
        f.set(ip, recordOf(records.value, target.value));
        f.br(next);
      });
      const entry = f.let(fetchEntryIn(word(at.TLB), target.value));
      // A misaligned target keeps its low bits, so it never matches.
      f.if(i64.eq(i64.and(target.value, i64.const(-4093n)), i64.load(entry, DTLB_SIZE + ITLB_TAG)), () => {
        f.set(records, i32.load(entry, DTLB_SIZE + ITLB_RECORDS));
        f.store("i32", i32.const(0), records.value, base + at.RECORDS);
        f.store("i64", i32.const(0), i64.and(target.value, i64.const(-4096n)), base + at.PAGE_VA);
        f.set(ip, recordOf(records.value, target.value));
        f.br(next);
      });
      spill();
      f.store("i64", i32.const(0), target.value, base + at.TARGET);
      f.set(ip, call("i32", callees.fetch));
      f.if(ip.value, () => {
        f.set(records, word(at.RECORDS));
        f.br(next);
      });
      f.return(i32.const(Status.branch));
    });
    f.unreachable();
  }
}
