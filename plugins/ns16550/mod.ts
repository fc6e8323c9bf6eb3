/**
 * The 16550A UART: memory-mapped (`ns16550`), and on the PCI bus (`pci_serial`). One chip, two ways to reach it.
 * @module
 */
export { ns16550 } from "./plugin.ts";
export type { Ns16550Options } from "./plugin.ts";
export { pciSerial } from "./pci_serial.ts";
export type { PciSerialOptions } from "./pci_serial.ts";
