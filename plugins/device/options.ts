/** The options by which a board places a device, made from what the device declares; and what was chosen, read back. */
import type { OptionSpec, OptionSpecs, Resources } from "../../core/mod.ts";
import type { DeviceInterruptSpec, DeviceModel, DevicePlaces, DeviceWindowSpec } from "./model.ts";

/** Stage 2 works by pages of at least this size. */
const PAGE = 4096;

type Options = Readonly<Record<string, unknown>>;

/** A window that the board has placed. */
export interface PlacedWindow {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

/** An interrupt that the board has connected; without `intid` it goes nowhere. */
export interface PlacedInterrupt {
  readonly name: string;
  readonly option: string;
  readonly intid: number | undefined;
  readonly trigger: "level" | "edge";
}

function optionOf(specs: Readonly<Record<string, { readonly option?: string }>>, name: string, alone: string): string {
  return specs[name].option ?? (Object.keys(specs).length === 1 ? alone : name);
}

function windowOption(name: string, { size, default: at, doc }: DeviceWindowSpec<never>, addresses = "IPA"): OptionSpec {
  const align = typeof size === "number" && size < PAGE ? size : PAGE;
  return {
    kind: "address",
    align,
    doc: doc ?? `${addresses} of its ${name}${typeof size === "number" ? `, ${sizeText(size)}` : ""}.`,
    ...at === undefined ? {} : { default: at },
  };
}

function interruptOption(name: string, { trigger = "level", default: intid, optional, doc }: DeviceInterruptSpec): OptionSpec {
  const kind = trigger === "level" ? "level-sensitive" : "edge-triggered";
  return {
    kind: "interrupt",
    min: 32,
    doc: doc ?? `Its ${name === "interrupt" ? name : `interrupt ${name}`}, ${kind}.`,
    ...intid === undefined ? {} : { default: intid },
    ...optional ? { optional } : {},
  };
}

function sizeText(size: number): string {
  return size % 1024 === 0 ? `${size / 1024} KiB` : `0x${size.toString(16)} bytes`;
}

/** The options of its windows and interrupts. Throws a `TypeError` when one has the name of an option of its own, or of another. */
export function placeOptions({ name: device, options, windows, interrupts = {} }: DeviceModel): OptionSpecs {
  const made: Record<string, OptionSpec> = {};
  const add = (option: string, spec: OptionSpec) => {
    if (option in made || option in options) throw new TypeError(`device ${device} has two options ${option}`);
    made[option] = spec;
  };
  for (const [name, spec] of Object.entries(windows)) add(optionOf(windows, name, "at"), windowOption(name, spec));
  for (const [name, spec] of Object.entries(interrupts)) add(optionOf(interrupts, name, "interrupt"), interruptOption(name, spec));
  return made;
}

/**
 * The options of a device of the board itself, at physical addresses: the board must say where it is, and may leave its interrupts
 * unconnected. What a domain would be told of them is left out.
 */
export function boardPlaceOptions({ windows, interrupts = {} }: DeviceModel): OptionSpecs {
  const made: Record<string, OptionSpec> = {};
  for (const [name, spec] of Object.entries(windows)) {
    made[optionOf(windows, name, "at")] = windowOption(name, { size: spec.size } as DeviceWindowSpec<never>, "PA");
  }
  for (const [name, { trigger }] of Object.entries(interrupts)) {
    made[optionOf(interrupts, name, "interrupt")] = interruptOption(name, {
      trigger,
      optional: true,
      doc: "The board's interrupt line (SPI) that it drives; none when absent.",
    });
  }
  return made;
}

/** Where the board has put its windows, in the order of the declaration. */
export function placedWindows({ windows }: DeviceModel, options: Options): PlacedWindow[] {
  return Object.entries(windows).map(([name, { size }]) => ({
    name,
    at: options[optionOf(windows, name, "at")] as number,
    size: typeof size === "number" ? size : size(options),
  }));
}

/** Which interrupts the board has given it, in the order of the declaration. */
export function placedInterrupts({ interrupts = {} }: DeviceModel, options: Options): PlacedInterrupt[] {
  return Object.entries(interrupts).map(([name, { trigger = "level" }]) => {
    const option = optionOf(interrupts, name, "interrupt");
    return { name, option, intid: options[option] as number | undefined, trigger };
  });
}

/** The same for the device tree. */
export function devicePlaces(device: DeviceModel, options: Options): DevicePlaces {
  const windows = placedWindows(device, options);
  return {
    unit: windows[0]?.at.toString(16) ?? "0",
    reg: { reg: windows.map(({ at, size }) => [at, size]) },
    interrupts: { interrupts: placedInterrupts(device, options).flatMap(connected).map(({ intid, trigger }) => ({ intid, trigger })) },
    at(name) {
      const window = windows.find((other) => other.name === name);
      if (window === undefined) throw new TypeError(`device ${device.name} has no window ${name}`);
      return window.at;
    },
  };
}

/** What it takes, for a plugin's `resources`. */
export function placeResources(device: DeviceModel, options: Options): Resources {
  return {
    windows: placedWindows(device, options),
    interrupts: placedInterrupts(device, options).flatMap(connected).map(({ name, intid, trigger }) => ({ name, intid, trigger })),
  };
}

function connected(interrupt: PlacedInterrupt): (PlacedInterrupt & { readonly intid: number })[] {
  return interrupt.intid === undefined ? [] : [{ ...interrupt, intid: interrupt.intid }];
}
