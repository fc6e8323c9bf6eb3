/** The CPU's memory management unit. */
export { Mmu } from "./mmu.ts";
export { defaultFeatures } from "./environment.ts";
export type { MmuEnvironment, MmuFeatures, MpuEnvironment } from "./environment.ts";
export { Mpu, mpuBytes } from "./mpu.ts";
export { ENABLED as REGION_ENABLED } from "./mpu_regions.ts";
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
