/**
 * The distributor's frame. Arm IHI 0069, "The Distributor register map". One Security state (GICD_CTLR.DS) and affinity routing, for ever. So
 * these are RAZ/WI: GICD_SETSPI_SR, GICD_CLRSPI_SR, GICD_IGRPMODR, GICD_NSACR (another Security state's), GICD_ITARGETSR, GICD_SGIR,
 * GICD_CPENDSGIR, GICD_SPENDSGIR (without affinity routing), GICD_STATUSR (optional), GICD_TYPER2 (no vPEs), the extended SPIs (TYPER.ESPI 0).
 * Writes take effect at once, so RWP is never seen set.
 */
import { readBank, writeBank } from "../vgic/banks.ts";
import { IIDR, readIdentification } from "../vgic/frame.ts";
import type { WordFrame } from "../vgic/frame.ts";
import { LPI_DISTRIBUTOR_TYPER } from "../vgic/lpi_registers.ts";
import { wordIndex } from "../vgic/state.ts";
import type { Vgic } from "../vgic/vgic.ts";

const CTLR = 0x0;
const TYPER = 0x4;
const IIDR_OFFSET = 0x8;
const SETSPI = 0x40;
const CLRSPI = 0x48;
/** IROUTER32: the first. */
const ROUTERS = 0x6100;
const ROUTERS_END = 0x8000;

/** GICD_CTLR: EnableGrp0 and EnableGrp1 are the guest's, ARE and DS are fixed. */
const CTLR_WRITABLE = 0x3;
const CTLR_FIXED = 0x50;
/** GICD_TYPER: A3V, message-based SPIs; 10 bits of INTID when there are no LPIs. */
const TYPER_FIXED = 1 << 24 | 1 << 16;
const TYPER_SMALL = 9 << 19;
/** GICD_IROUTER: Interrupt_Routing_Mode and Aff2 to Aff0. */
const ROUTER_LOW = 0x80ff_ffff;

/** Makes the frame. */
export function distributor(gic: Vgic): WordFrame {
  const { state } = gic;
  // SGIs and PPIs are the redistributors'.
  const shows = (word: number): boolean => word > 0 && word < state.words;
  return {
    banks: 0,
    vcpu: 0,
    shows,
    isWide: (offset) => offset >= ROUTERS && offset < ROUTERS_END,
    isHalf: (offset) => offset === SETSPI || offset === CLRSPI,
    read(offset) {
      switch (offset) {
        case CTLR:
          return state.control | CTLR_FIXED;
        case TYPER:
          return (state.words - 1) | TYPER_FIXED | (gic.lpis === undefined ? TYPER_SMALL : LPI_DISTRIBUTOR_TYPER);
        case IIDR_OFFSET:
          return IIDR;
      }
      if (offset >= ROUTERS && offset < ROUTERS_END) return readRouter(gic, offset - ROUTERS);
      if (offset >= ROUTERS_END) return readIdentification(offset, 0x92);
      return readBank(gic, 0, offset, shows);
    },
    write(offset, value) {
      switch (offset) {
        case CTLR:
          state.control = value & CTLR_WRITABLE;
          return gic.refreshAll();
        case SETSPI:
          return message(gic, value & 0x3ff, true);
        case CLRSPI:
          return message(gic, value & 0x3ff, false);
      }
      if (offset >= ROUTERS && offset < ROUTERS_END) return writeRouter(gic, offset - ROUTERS, value);
      if (offset < ROUTERS) writeBank(gic, 0, offset, value, shows);
    },
  };
}

function readRouter(gic: Vgic, offset: number): number {
  const spi = offset >>> 3;
  if (spi >= gic.state.routerLow.length) return 0;
  return (offset & 4) === 0 ? gic.state.routerLow[spi] : gic.state.routerHigh[spi];
}

function writeRouter(gic: Vgic, offset: number, value: number): void {
  const spi = offset >>> 3;
  if (spi >= gic.state.routerLow.length) return;
  if ((offset & 4) === 0) gic.state.routerLow[spi] = value & ROUTER_LOW;
  else gic.state.routerHigh[spi] = value & 0xff;
  gic.route(spi + 32);
  gic.refreshAll();
}

/** A message-based SPI: an edge, or for a level-sensitive one its level. */
function message(gic: Vgic, intid: number, set: boolean): void {
  if (intid < 32 || intid >= 32 * gic.state.words) return;
  const edge = (gic.state.edge[wordIndex(gic.state, 0, intid >>> 5)] >>> (intid & 31) & 1) !== 0;
  if (edge) gic.setLatch(0, intid >>> 5, 1 << (intid & 31), set);
  else gic.setLine(0, intid, set);
}
