/**
 * The one list of built-in plugins. A new plugin is one import and one line.
 *
 * @module
 */
import type { Plugin } from "../core/mod.ts";
import { cfiFlash } from "./cfi_flash/mod.ts";
import { cpuA64 } from "./cpu_a64/mod.ts";
import { domainPolicy } from "./domain_policy/mod.ts";
import { eventChannels, eventDoorbell } from "./event_channels/mod.ts";
import { fdt } from "./fdt/mod.ts";
import { firmware } from "./firmware/mod.ts";
import { genericTimer } from "./generic_timer/mod.ts";
import { gicv2, gicv2m, gicv3, its } from "./gic/mod.ts";
import { grantTables } from "./grant_tables/mod.ts";
import { hypervisorConsole } from "./hypervisor_console/mod.ts";
import { ioreq } from "./ioreq/mod.ts";
import { linuxBoot } from "./linux_boot/mod.ts";
import { load } from "./load/mod.ts";
import { mmioSram } from "./mmio_sram/mod.ts";
import { ns16550, pciSerial } from "./ns16550/mod.ts";
import { networkGateway, networkSwitch, userNetwork } from "./network/mod.ts";
import { boardInterrupts, passthrough } from "./passthrough/mod.ts";
import { pci } from "./pci/mod.ts";
import { boardPl011, pl011 } from "./pl011/mod.ts";
import { pl031 } from "./pl031/mod.ts";
import { pl061 } from "./pl061/mod.ts";
import { pmsa, pmsaDomain } from "./pmsa/mod.ts";
import { psci } from "./psci/mod.ts";
import { pvtime } from "./pvtime/mod.ts";
import { sbsaGwdt } from "./sbsa_gwdt/mod.ts";
import { schedulerArinc653, schedulerCredit2, schedulerFair, schedulerNull, schedulerRtds } from "./schedulers/mod.ts";
import { smccc } from "./smccc/mod.ts";
import { spinTable } from "./spin_table/mod.ts";
import { staticShm } from "./static_shm/mod.ts";
import {
  virtio9p,
  virtio9pPci,
  virtioBalloon,
  virtioBalloonPci,
  virtioBlk,
  virtioBlkPci,
  virtioConsole,
  virtioConsolePci,
  virtioNet,
  virtioNetPci,
  virtioRng,
  virtioRngPci,
  virtioVsock,
  virtioVsockPci,
} from "./virtio/mod.ts";
import { vmsa } from "./vmsa/mod.ts";
import { xenAbi } from "./xen_abi/mod.ts";

/** Every built-in plugin, by the name that manifests use. */
export const plugins: readonly Plugin[] = [
  boardInterrupts,
  boardPl011,
  cfiFlash,
  cpuA64,
  domainPolicy,
  eventChannels,
  eventDoorbell,
  fdt,
  firmware,
  genericTimer,
  gicv2,
  gicv2m,
  gicv3,
  grantTables,
  hypervisorConsole,
  its,
  ioreq,
  linuxBoot,
  load,
  mmioSram,
  networkGateway,
  networkSwitch,
  ns16550,
  passthrough,
  pci,
  pciSerial,
  pl011,
  pl031,
  pl061,
  pmsa,
  pmsaDomain,
  psci,
  pvtime,
  sbsaGwdt,
  schedulerArinc653,
  schedulerCredit2,
  schedulerFair,
  schedulerNull,
  schedulerRtds,
  smccc,
  spinTable,
  staticShm,
  userNetwork,
  virtio9p,
  virtio9pPci,
  virtioBalloon,
  virtioBalloonPci,
  virtioBlk,
  virtioBlkPci,
  virtioConsole,
  virtioConsolePci,
  virtioNet,
  virtioNetPci,
  virtioRng,
  virtioRngPci,
  virtioVsock,
  virtioVsockPci,
  vmsa,
  xenAbi,
];
