/** How a device is declared, and found again from another thread. */
import type { DeviceModel } from "./model.ts";
import { placeOptions } from "./options.ts";

/** Checks the shape and returns the device: `export const led = defineDevice<Options, State>({...})`. Throws a `TypeError`. */
export function defineDevice<O, S>(device: DeviceModel<O, S>): DeviceModel<O, S> {
  if (!/^[a-z][a-z0-9_]*$/.test(device.name)) {
    throw new TypeError(`device name ${JSON.stringify(device.name)}: want lower case letters, digits and _`);
  }
  if (Object.keys(device.windows).length === 0) throw new TypeError(`device ${device.name} has no window`);
  placeOptions(device);
  return device;
}

function isDevice(value: unknown): value is DeviceModel {
  const { name, windows, state, create } = (value ?? {}) as Partial<DeviceModel>;
  return typeof name === "string" && typeof windows === "object" && typeof state === "function" && typeof create === "function";
}

/**
 * Imports a device by its module and name: an export that is the device, or a plugin made of it. Whoever runs it elsewhere does so there.
 * Rejects when the module can't be loaded or hasn't got it.
 */
export async function importDevice(module: string, name: string): Promise<DeviceModel> {
  return deviceIn(await import(module), module, name);
}

/** The same for a module that is imported already: one that may import nothing more. Throws an error. */
export function deviceIn(exported: Readonly<Record<string, unknown>>, module: string, name: string): DeviceModel {
  for (const value of Object.values(exported)) {
    for (const candidate of [value, (value as { device?: unknown } | null | undefined)?.device]) {
      if (isDevice(candidate) && candidate.name === name) return candidate;
    }
  }
  throw new Error(`${module} exports no device ${name}, nor a plugin of it`);
}
