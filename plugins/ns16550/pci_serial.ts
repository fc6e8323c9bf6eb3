/**
 * A 16550A on the PCI bus: the MosChip MCS9900 with one serial port, which Linux's 8250_pci driver knows. It is one of the few UARTs for
 * which that driver uses messages instead of INTA#.
 */
import { definePlugin, Serial } from "../../core/mod.ts";
import type { MmioHandler, Plugin } from "../../core/mod.ts";
import { PciBus, plugAtSlot, slotOption } from "../pci/contract.ts";
import type { PciFunctionSpec } from "../pci/contract.ts";
import { registerWindow } from "./bus.ts";
import { REGISTERS } from "./registers.ts";
import { resetState, Uart16550 } from "./uart16550.ts";
import type { UartState } from "./uart16550.ts";

/** Options. */
export interface PciSerialOptions {
  readonly slot?: string;
  readonly port: string;
  readonly signalling: "intx" | "msi" | "msix";
}

/** What Linux assumes of this chip: 115,200 baud are a divisor of 1. */
const CLOCK_HZ = 1_843_200;

/** Bytes of its memory BARs: BAR 1 shows the registers as well, BAR 5 has the MSI-X table if there is one. */
const MEMORY_SIZE = 0x1000;
const nothing: MmioHandler = { read: () => 0, write: () => {} };

/** The plugin. */
export const pciSerial: Plugin<PciSerialOptions, UartState> = definePlugin<PciSerialOptions, UartState>({
  name: "pci_serial",
  doc: "16550A UART on the PCI bus (MCS9900), with INTA#, MSI or MSI-X.",
  options: {
    slot: slotOption,
    port: { kind: "text", default: "pci-serial", doc: "The serial port." },
    signalling: { kind: "choice", choices: ["intx", "msi", "msix"], default: "msi", doc: "What it offers besides INTA#." },
  },
  needs: [PciBus, Serial],
  resources: ({ port }) => ({ serialPorts: [port] }),
  state: resetState,
  attach(context) {
    const { options, state, get, clock } = context;
    const port = get(Serial).open(options.port);
    const uart = new Uart16550(state, {
      interrupt: (level) => bus.setLevel(level),
      transmit: (byte) => port.write(byte),
      clock,
      frequencyHz: CLOCK_HZ,
    });
    const registers = registerWindow(uart, 0);
    const spec: PciFunctionSpec = {
      name: `serial port ${options.port}`,
      vendorId: 0x9710,
      deviceId: 0x9900,
      subsystemVendorId: 0xa000,
      subsystemId: 0x1000,
      classCode: 0x07_00_02, // serial controller, 16550
      bars: {
        0: { kind: "io", size: REGISTERS, handler: registers },
        1: { kind: "memory32", size: MEMORY_SIZE, handler: registers },
        5: { kind: "memory32", size: MEMORY_SIZE, handler: nothing },
      },
      intx: true,
      ...options.signalling === "msi" ? { msi: { vectors: 1 } } : {},
      ...options.signalling === "msix" ? { msix: { vectors: 1, bar: 5 } } : {},
    };
    const bus = plugAtSlot(context, spec);
    port.onInput((byte) => uart.input(byte));
  },
});
