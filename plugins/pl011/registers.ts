/** Registers of the PrimeCell UART (PL011), Arm DDI 0183, "Summary of registers". Offsets in bytes. */
import { PRIMECELL_SIZE, primeCellBytes } from "../device/contract.ts";

/** Size of the register block in bytes. */
export const BLOCK_SIZE = PRIMECELL_SIZE;

/** Offsets. */
export const Offset = {
  DR: 0x00,
  /** Reads as RSR, writes as ECR. */
  RSR: 0x04,
  FR: 0x18,
  ILPR: 0x20,
  IBRD: 0x24,
  FBRD: 0x28,
  LCR_H: 0x2c,
  CR: 0x30,
  IFLS: 0x34,
  IMSC: 0x38,
  RIS: 0x3c,
  MIS: 0x40,
  ICR: 0x44,
  DMACR: 0x48,
  /** UARTPeriphID0 to 3 and UARTPCellID0 to 3, one byte in each word. */
  ID: 0xfe0,
} as const;

/** FR, flags. */
export const Flag = { CTS: 1 << 0, BUSY: 1 << 3, RXFE: 1 << 4, TXFF: 1 << 5, RXFF: 1 << 6, TXFE: 1 << 7 } as const;

/** Interrupts: the same bits in IMSC, RIS, MIS and ICR. */
export const Interrupt = { RX: 1 << 4, TX: 1 << 5, RT: 1 << 6 } as const;
/** All implemented bits of IMSC and ICR. */
export const INTERRUPTS = 0x7ff;

/** CR. */
export const Control = { UARTEN: 1 << 0, LBE: 1 << 7, TXE: 1 << 8, RXE: 1 << 9 } as const;

/** LCR_H. */
export const Line = { FEN: 1 << 4, WLEN_8: 3 << 5 } as const;

/** Reset values of what isn't zero. Flags are computed. */
export const Reset = { CR: Control.TXE | Control.RXE, IFLS: 0x12 } as const;

/** Bits that a write keeps. */
export const writable: Readonly<Record<number, number>> = {
  [Offset.ILPR]: 0xff,
  [Offset.IBRD]: 0xffff,
  [Offset.FBRD]: 0x3f,
  [Offset.LCR_H]: 0xff,
  [Offset.CR]: 0xff87,
  [Offset.IFLS]: 0x3f,
  [Offset.IMSC]: INTERRUPTS,
  [Offset.DMACR]: 0x7,
};

/**
 * Registers of the generic UART that Arm's server architecture asks for (DEN 0029, "Generic UART"), as Xen's vPL011 has them: what sets a line
 * up is firmware's, so the others read as zero and ignore writes. Of those that {@linkcode writable} knows only the mask is left.
 */
export const genericWritable: Readonly<Record<number, number>> = { [Offset.IMSC]: INTERRUPTS };

/** PL011 r1p5. */
export const identification: readonly number[] = primeCellBytes(0x011, 3);

/** Receive trigger levels in characters, by IFLS.RXIFLSEL: 1/8, 1/4, 1/2, 3/4 and 7/8 of 16; reserved ones act as 1/2. */
export const receiveTriggers: readonly number[] = [2, 4, 8, 12, 14, 8, 8, 8];
