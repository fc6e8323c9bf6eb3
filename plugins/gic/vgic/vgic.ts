/**
 * The GIC of one domain: what lines, registers and SGIs do to the bitmaps, and who has to look after it.
 *
 * A hostile guest can pend, route and configure its own interrupts as it likes; it reaches no other domain, and nothing here grows
 * with what it does.
 */
import type { Vcpu } from "../../../core/mod.ts";
import { Vmcr } from "./ich.ts";
import { Folded, ListRegisters } from "./list_registers.ts";
import type { LargeInterrupts } from "./list_registers.ts";
import { rowIndex, wordIndex } from "./state.ts";
import type { GicState } from "./state.ts";

/** Implemented bits of a priority. */
export const PRIORITY_MASK = 0xf8;
/** HCR_EL2.FMO and IMO. */
const VIRTUAL_INTERRUPTS = 0x18n;
/** Interrupt_Routing_Mode of GICD_IROUTER, in its low word. */
const ANY = 0x8000_0000;

/** One domain's GIC. */
export class Vgic {
  readonly #lists: ListRegisters;
  /** Affinity of each vCPU: Aff3 to Aff0, a byte each. */
  readonly #affinities: readonly number[];

  /** `listRegisters`: how many to use. */
  constructor(readonly state: GicState, readonly vcpus: readonly Vcpu[], listRegisters: number) {
    this.#lists = new ListRegisters(state, listRegisters);
    this.#affinities = vcpus.map((vcpu) => {
      const mpidr = vcpu.state.read("VMPIDR_EL2");
      return Number(mpidr >> 8n & 0xff00_0000n | mpidr & 0xff_ffffn);
    });
  }

  /** LPIs come in. Their owner calls {@linkcode refresh} when something changes for a vCPU. */
  attachLpis(lpis: LargeInterrupts): void {
    this.#lists.large = lpis;
  }

  /** LPIs, where there are any. */
  get lpis(): LargeInterrupts | undefined {
    return this.#lists.large;
  }

  /** Aff3 to Aff0 of a vCPU, a byte each. */
  affinity(v: number): number {
    return this.#affinities[v];
  }

  // Around a run.

  /** Before the vCPU runs. */
  entry(vcpu: Vcpu): void {
    const v = vcpu.index;
    if (this.state.dirty[v] !== 0) this.#lists.flush(v, vcpu.state);
    this.state.running[v] = 1;
  }

  /** After it ran. */
  exit(vcpu: Vcpu): void {
    const { state } = this;
    const v = vcpu.index;
    state.running[v] = 0;
    const folded = this.#lists.fold(v, vcpu.state);
    if (folded === Folded.NOTHING && state.dirty[v] === 0 && !this.#lists.crowded(v)) return;
    this.#takeLate(v);
    this.#lists.flush(v, vcpu.state);
    if ((folded & Folded.RELEASED) !== 0) this.refreshAll();
  }

  /**
   * Its registers were reset: turns the virtual CPU interface on. A power-up resets the CPU interface only: what is pending for a vCPU that
   * is off, SGIs too, waits for it, and what it had active stays active until software clears it.
   */
  reset(vcpu: Vcpu): void {
    const v = vcpu.index;
    const cpu = vcpu.state;
    cpu.write("HCR_EL2", cpu.read("HCR_EL2") | VIRTUAL_INTERRUPTS);
    for (const register of ["ICH_VMCR_EL2", "ICH_AP0R0_EL2", "ICH_AP1R0_EL2"]) cpu.write(register, 0n);
    this.state.running[v] = 0;
    this.#routeAny(v);
    this.#lists.forget(v);
    this.refreshAll(); // those of mode "any" may have moved here
  }

  // Inputs.

  /** Sets the level of an input. */
  setLine(v: number, intid: number, level: boolean): void {
    const { state } = this;
    const w = wordIndex(state, v, intid >>> 5);
    const mask = 1 << (intid & 31);
    if (((state.line[w] & mask) !== 0) === level) return;
    if (level) {
      state.line[w] |= mask;
      if ((state.edge[w] & mask) !== 0) this.#latch(v, intid);
      else this.#chooseAny(intid);
    } else {
      state.line[w] &= ~mask;
    }
    this.#refresh(v, intid >>> 5, mask);
  }

  /** Makes edge-triggered interrupts pending (and level-sensitive ones, by software), or no longer so. */
  setLatch(v: number, word: number, bits: number, pending: boolean): void {
    const { state } = this;
    const w = wordIndex(state, v, word);
    if (pending) {
      for (let rest = bits; rest !== 0; rest &= rest - 1) this.#latch(v, word << 5 | lowestBit(rest));
    } else {
      state.latch[w] &= ~bits;
      state.late[rowIndex(state, v, word)] &= ~bits;
    }
    this.#refresh(v, word, bits);
  }

  /** Makes interrupts active by software, or ends them. */
  setActive(v: number, word: number, bits: number, active: boolean): void {
    const { state } = this;
    if (word === 0) {
      const row = rowIndex(state, v, 0);
      if (active) state.active[row] |= bits;
      else state.active[row] &= ~bits;
    } else {
      const already = this.activeBits(v, word);
      for (let u = 0; u < state.vcpus; u++) {
        const row = rowIndex(state, u, word);
        if (!active) state.active[row] &= ~bits;
        else state.active[row] |= state.target[row] & bits & ~already;
      }
      // Routed to nobody: it has to be active somewhere.
      if (active) state.active[rowIndex(state, 0, word)] |= bits & ~this.activeBits(v, word);
    }
    this.refreshAll();
  }

  /** ICC_DIR_EL1, trapped: ends an interrupt wherever it is active. Ignored with EOImode 0. */
  deactivate(vcpu: Vcpu, intid: number): void {
    if (intid >= 32 * this.state.words || (vcpu.state.read("ICH_VMCR_EL2") & BigInt(Vmcr.VEOIM)) === 0n) return;
    this.setActive(vcpu.index, intid >>> 5, 1 << (intid & 31), false);
  }

  /** A software generated interrupt. `forGroup0`: reaches those of group 0 only. */
  sendSgi(v: number, intid: number, forGroup0: boolean): void {
    const mask = 1 << intid;
    if (forGroup0 && (this.state.group[v] & mask) !== 0) return;
    this.#latch(v, intid);
    this.refresh(v);
  }

  /** GICv2: an SGI becomes pending for a vCPU from others, one bit each, or no longer is. Only when no vCPU runs: registers do it. */
  setSources(v: number, intid: number, sources: number, pending: boolean): void {
    const { latch, sgiSources } = this.state;
    const n = v * 16 + intid;
    if (pending) sgiSources[n] |= sources;
    else sgiSources[n] &= ~sources;
    if (sgiSources[n] !== 0) latch[v] |= 1 << intid;
    else latch[v] &= ~(1 << intid);
    this.refresh(v);
  }

  // What registers read.

  /** Pending bits: latched, or high level inputs. */
  pendingBits(v: number, word: number): number {
    const { state } = this;
    const w = wordIndex(state, v, word);
    return (state.latch[w] | (state.line[w] & ~state.edge[w])) >>> 0;
  }

  /** Active bits, on whichever vCPU. */
  activeBits(v: number, word: number): number {
    const { state } = this;
    if (word === 0) return state.active[rowIndex(state, v, 0)];
    let bits = 0;
    for (let u = 0; u < state.vcpus; u++) bits |= state.active[rowIndex(state, u, word)];
    return bits >>> 0;
  }

  // Routing.

  /** Works out which vCPU an SPI goes to: GICD_IROUTER or GICD_ITARGETSR changed, or who takes part did. */
  route(intid: number): void {
    const { state } = this;
    const spi = intid - 32;
    const affinity = (state.routerHigh[spi] << 24 | state.routerLow[spi] & 0xff_ffff) >>> 0;
    this.#routeTo(intid, state.targets.length > 0 || this.#isAny(spi) ? this.#participant(spi) : this.#affinities.indexOf(affinity));
  }

  #routeTo(intid: number, target: number): void {
    const { state } = this;
    const mask = 1 << (intid & 31);
    for (let v = 0; v < state.vcpus; v++) {
      const row = rowIndex(state, v, intid >>> 5);
      if (v === target) {
        state.target[row] |= mask;
      } else if ((state.target[row] & mask) !== 0) {
        state.target[row] &= ~mask;
        this.refresh(v); // it may be in its list registers
      }
    }
  }

  /**
   * GICR_WAKER.ProcessorSleep: nothing is forwarded to a vCPU whose redistributor sleeps; what would be is a request to its power controller
   * ({@linkcode wakeRequest}). SPIs that may go to more than one go to others.
   */
  setAsleep(v: number, asleep: boolean): void {
    this.state.asleep[v] = asleep ? 1 : 0;
    this.#routeAny(-1);
    this.refreshAll();
  }

  // Consequences.

  /** Something changed for this vCPU. */
  refresh(v: number): void {
    const vcpu = this.vcpus[v];
    // While one runs (a device that it reached directly raises a line), the others' registers are out of reach as well.
    if (this.#isRunning()) {
      this.state.dirty[v] = 1;
      vcpu.kick();
    } else if (this.#lists.flush(v, vcpu.state) || (this.state.asleep[v] !== 0 && this.#lists.wakes(v))) {
      vcpu.kick();
    }
  }

  /** Asks to wake a vCPU, asleep or with its CPU interface off. */
  wakeRequest(v: number): boolean {
    return this.#lists.wakes(v);
  }

  /** Something changed that may concern every vCPU. */
  refreshAll(): void {
    for (let v = 0; v < this.state.vcpus; v++) this.refresh(v);
  }

  #refresh(v: number, word: number, bits: number): void {
    if (word === 0) return this.refresh(v);
    const { state } = this;
    for (let u = 0; u < state.vcpus; u++) {
      const row = rowIndex(state, u, word);
      if (((state.target[row] | state.active[row]) & bits) !== 0) this.refresh(u);
    }
  }

  /** An edge, a message or software. One that comes while the vCPU runs outlives the acknowledgement of the one before. */
  #latch(v: number, intid: number): void {
    const { state } = this;
    const word = intid >>> 5;
    const mask = 1 << (intid & 31);
    state.latch[wordIndex(state, v, word)] |= mask;
    this.#chooseAny(intid);
    if (!this.#isRunning()) return;
    for (let u = 0; u < state.vcpus; u++) {
      const row = rowIndex(state, u, word);
      if (state.running[u] === 0 || (word === 0 ? u !== v : (state.target[row] & mask) === 0)) continue;
      if (!this.#lists.showsPending(u, this.vcpus[u].state, intid)) state.late[row] |= mask;
    }
  }

  #isRunning(): boolean {
    return this.state.running.includes(1);
  }

  #takeLate(v: number): void {
    const { state } = this;
    this.#lists.large?.takeLate(v);
    for (let word = 0; word < state.words; word++) {
      const row = rowIndex(state, v, word);
      if (state.late[row] === 0) continue;
      state.latch[wordIndex(state, v, word)] |= state.late[row];
      state.late[row] = 0;
    }
  }

  /** An SPI that may go to more than one goes to whoever takes part when it becomes pending. */
  #chooseAny(intid: number): void {
    if (intid >= 32 && this.#isAny(intid - 32)) this.route(intid);
  }

  /** Of routing mode "any", or with several targets. */
  #isAny(spi: number): boolean {
    const { targets, routerLow } = this.state;
    return targets.length > 0 ? (targets[spi] & targets[spi] - 1) !== 0 : (routerLow[spi] & ANY) !== 0;
  }

  /** Who takes part changed. `starting`: the vCPU that is being powered up, or -1. */
  #routeAny(starting: number): void {
    const spis = this.state.routerLow.length;
    for (let spi = 0; spi < spis; spi++) {
      if (this.#isAny(spi)) this.#routeTo(spi + 32, this.#participant(spi, starting));
    }
  }

  /** The lowest vCPU that takes part and may be the target; with GICD_ITARGETSR the lowest target where none takes part, or nobody. */
  #participant(spi: number, starting = -1): number {
    const { targets, asleep } = this.state;
    const mask = targets.length > 0 ? targets[spi] : -1;
    const on = this.vcpus.findIndex(({ index, power }) =>
      (mask >>> index & 1) !== 0 && (power !== "off" || index === starting) && asleep[index] === 0
    );
    return on < 0 && targets.length > 0 ? 31 - Math.clz32(mask & -mask) : on;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
