/**
 * NOR flash with the Common Flash Interface, as QEMU's `virt` machine has it: banks of two 16-bit chips, 256 KiB sectors,
 * the Intel command set. Its contents survive a reboot of the domain, not the end of the run.
 *
 * What can a hostile guest do here? Every bus cycle ends in a defined state (see `chip.ts`); the memory that its contents take
 * is bounded by the flash's size, and when the board's frames run out the flash only gets slower.
 * @module
 */
import { CpuEngine, definePlugin, hex, MemoryBackend } from "../../core/mod.ts";
import type { DomainContext, Plugin } from "../../core/mod.ts";
import { Bank, blankBank } from "./chip.ts";
import type { BankState } from "./chip.ts";
import { BUS_BYTES, SECTOR_BYTES } from "./commands.ts";
import { Flash } from "./contract.ts";
import { BankWindow, blankBlock, releaseBlank } from "./window.ts";

/** Options; sizes in bytes. */
export interface CfiFlashOptions {
  readonly at: number;
  readonly banks: number;
  readonly bank_size: number;
}

/** State: the banks, and whether images may still be placed. */
export interface CfiFlashState {
  banks: BankState[];
  /** False after a reboot: what is in the flash stays. */
  isNew: boolean;
}

type Context = DomainContext<CfiFlashOptions, CfiFlashState>;

const bankRanges = ({ at, banks, bank_size }: CfiFlashOptions) =>
  Array.from({ length: banks }, (_, index): readonly [number, number] => [at + index * bank_size, bank_size]);

/** The plugin. */
export const cfiFlash: Plugin<CfiFlashOptions, CfiFlashState> = definePlugin<CfiFlashOptions, CfiFlashState>({
  name: "cfi_flash",
  doc: "NOR flash (CFI, Intel command set): firmware runs from it and keeps its settings in it.",
  options: {
    at: { kind: "address", default: 0, align: 0x20_0000, doc: "IPA of the first bank; the others follow." },
    banks: {
      kind: "integer",
      default: 2,
      min: 1,
      max: 8,
      doc: "How many banks. Each takes commands by itself, so code can run from one while another is written.",
    },
    bank_size: {
      kind: "size",
      default: 0x400_0000,
      min: SECTOR_BYTES,
      max: 0x1000_0000,
      check: (value) => Number.isInteger(Math.log2(value as number)) ? undefined : "a power of two from 256KiB to 256MiB",
      doc: "Size of each bank: a power of two of at least 256KiB, the size of a sector.",
    },
  },
  needs: [MemoryBackend, CpuEngine],
  provides: [Flash],
  resources: (options) => ({
    windows: bankRanges(options).map(([at, size], index) => ({ name: `bank ${index}`, at, size })),
    deviceTree: [{
      under: "/",
      nodes: [{
        name: `flash@${options.at.toString(16)}`,
        properties: {
          compatible: { text: "cfi-flash" },
          reg: { reg: bankRanges(options) },
          "bank-width": { cells: [BUS_BYTES] },
        },
      }],
    }],
  }),
  state: ({ banks }) => ({ banks: Array.from({ length: banks }, blankBank), isNew: true }),
  keep: ({ banks }) => ({ banks: banks.map(({ contents }) => ({ ...blankBank(), contents })), isNew: false }),
  attach,
});

function attach(context: Context): void {
  const { options, state, domain, memory, exceptions } = context;
  const owner = `${domain.name} (flash)`;
  // Where stage 2 translates nothing, frames can't appear at the flash's addresses: it stays a device.
  const canMap = !context.get(MemoryBackend).directMapOnly;
  const blank = canMap ? blankBlock(memory, owner) : undefined;
  context.onStop(() => releaseBlank(memory, owner, blank));
  const short = (error: Error) => context.trace("flash without frames", () => error.message);
  const parts = { space: domain.space, memory, engine: context.get(CpuEngine), owner, blank, short };

  const windows = bankRanges(options).map(([at, size], index) => {
    const bank = new Bank(state.banks[index], size, (sector) => window.changed(sector));
    const window: BankWindow = new BankWindow(at, bank, parts);
    exceptions.claimMmio(at, size, `bank ${index}`, {
      read: (offset, width) => bank.read(offset, width),
      write(offset, width, value) {
        bank.write(offset, width, value);
        if (canMap) window.update();
      },
    });
    return window;
  });

  context.onStop(() => {
    for (const window of windows) if (canMap) window.close();
  });

  const show = (window: BankWindow) => {
    if (!canMap || window.update()) return;
    const mebibytes = Math.ceil(window.bank.state.contents.size * SECTOR_BYTES / 2 ** 20);
    throw new Error(
      `no frames are left for the flash at ${hex(window.at)}: it needs 2 MiB, and ${mebibytes} MiB for its contents; ` +
        "give the board more memory than its domains have",
    );
  };
  for (const window of windows) show(window);

  const end = options.at + options.banks * options.bank_size;
  context.provide(Flash, {
    holds: (ipa, size) => ipa >= options.at && ipa + size <= end,
    place(ipa, bytes) {
      for (const window of state.isNew ? windows : []) {
        const first = Math.max(ipa, window.at);
        const last = Math.min(ipa + bytes.length, window.at + window.bank.sizeBytes);
        if (first >= last) continue;
        window.bank.place(first - window.at, bytes.subarray(first - ipa, last - ipa));
        show(window);
      }
    },
  });
}

export default cfiFlash;
