/** The CPU's memory management unit. */
export { Mmu } from "./mmu.ts";
export { defaultFeatures } from "./environment.ts";
export type { MmuEnvironment, MmuFeatures } from "./environment.ts";
export {
  FETCH,
  MAINTAIN,
  PAN,
  READ,
  RIGHT_EXECUTE,
  RIGHT_READ,
  RIGHT_WRITE,
  Translation,
  TranslationFault,
  UNALIGNED,
  UNPRIVILEGED,
  UPDATE,
  WRITE,
} from "./result.ts";
export { decodeAt } from "./par.ts";
export type { AddressTranslation } from "./par.ts";
export * as faultStatus from "./faults.ts";
