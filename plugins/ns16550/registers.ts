/** Registers of the 16550A: Texas Instruments PC16550D data sheet, "Summary of Registers". */

/** Numbers; with LCR.DLAB 0 and 1 are the divisor latch. */
export const Register = { RBR: 0, THR: 0, IER: 1, IIR: 2, FCR: 2, LCR: 3, MCR: 4, LSR: 5, MSR: 6, SCR: 7 } as const;
/** How many there are. */
export const REGISTERS = 8;

/** Interrupt enable. */
export const Ier = { RECEIVED: 1, THRE: 2, LINE_STATUS: 4, MODEM_STATUS: 8, ALL: 0xf } as const;
/** Interrupt identification: bit 0 says that there is none. */
export const Iir = { NONE: 1, LINE_STATUS: 6, RECEIVED: 4, TIMEOUT: 0xc, THRE: 2, MODEM_STATUS: 0, FIFOS: 0xc0 } as const;
/** FIFO control. */
export const Fcr = { ENABLE: 1, CLEAR_RECEIVER: 2, DMA: 8, TRIGGER: 0xc0 } as const;
/** Line control. */
export const Lcr = { DLAB: 0x80 } as const;
/** Modem control. */
export const Mcr = { DTR: 1, RTS: 2, OUT1: 4, OUT2: 8, LOOP: 0x10, ALL: 0x1f } as const;
/** Line status. */
export const Lsr = { DR: 1, OE: 2, THRE: 0x20, TEMT: 0x40 } as const;
/** Modem status. */
export const Msr = { TERI: 4, CTS: 0x10, DSR: 0x20, RI: 0x40, DCD: 0x80 } as const;

/** Receive trigger levels in characters, by FCR bits 7 and 6. */
export const receiveTriggers: readonly number[] = [1, 4, 8, 14];
