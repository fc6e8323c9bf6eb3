/** Numbers of Xen's guest interface on Arm, 64 bits: Xen's public headers xen.h, version.h, memory.h, vcpu.h, sched.h, hvm/params.h. */

/** The immediate of HVC. Xen's public header arch-arm.h, "Hypercall Calling Convention". */
export const HYPERCALL_IMMEDIATE = 0xea1;

/** Hypercalls, in X16. */
export const Hypercall = {
  platform_op: 7,
  memory_op: 12,
  multicall: 13,
  xen_version: 17,
  console_io: 18,
  grant_table_op: 20,
  vm_assist: 21,
  vcpu_op: 24,
  xsm_op: 27,
  sched_op: 29,
  event_channel_op: 32,
  physdev_op: 33,
  hvm_op: 34,
  sysctl: 35,
  domctl: 36,
  argo_op: 39,
  dm_op: 41,
} as const;

/** A domain itself. */
export const DOMID_SELF = 0x7ff0;

export const VersionOp = {
  version: 0,
  extraversion: 1,
  compile_info: 2,
  capabilities: 3,
  changeset: 4,
  platform_parameters: 5,
  get_features: 6,
  pagesize: 7,
  guest_handle: 8,
  commandline: 9,
  build_id: 10,
} as const;

/** Bits of feature word 0. */
export const Feature = {
  writable_page_tables: 1 << 0,
  auto_translated_physmap: 1 << 2,
  memory_op_vnode_supported: 1 << 13,
  ARM_SMCCC_supported: 1 << 14,
  not_direct_mapped: 1 << 16,
  direct_mapped: 1 << 17,
} as const;

export const MemoryOp = {
  increase_reservation: 0,
  decrease_reservation: 1,
  maximum_ram_page: 2,
  current_reservation: 3,
  maximum_reservation: 4,
  populate_physmap: 6,
  add_to_physmap: 7,
  memory_map: 9,
  maximum_gpfn: 14,
  remove_from_physmap: 15,
  add_to_physmap_batch: 23,
  acquire_resource: 28,
} as const;

/** What XENMEM_add_to_physmap puts somewhere. */
export const MapSpace = { shared_info: 0, grant_table: 1, gmfn: 2, gmfn_range: 3, gmfn_foreign: 4, dev_mmio: 5 } as const;

export const EventOp = {
  bind_interdomain: 0,
  bind_virq: 1,
  bind_pirq: 2,
  close: 3,
  send: 4,
  status: 5,
  alloc_unbound: 6,
  bind_ipi: 7,
  bind_vcpu: 8,
  unmask: 9,
  reset: 10,
  init_control: 11,
  expand_array: 12,
  set_priority: 13,
} as const;

export const VcpuOp = { get_runstate_info: 4, register_runstate_memory_area: 5, register_vcpu_info: 10 } as const;

export const SchedOp = { yield: 0, block: 1, shutdown: 2, poll: 3, remote_shutdown: 4, shutdown_code: 5, watchdog: 6 } as const;

export const Shutdown = { poweroff: 0, reboot: 1, suspend: 2, crash: 3, watchdog: 4, soft_reset: 5 } as const;

export const HvmOp = { set_param: 0, get_param: 1, pagetable_dying: 9 } as const;

export const HvmParam = { callback_irq: 0, store_pfn: 1, store_evtchn: 2, console_pfn: 17, console_evtchn: 18 } as const;
/** Parameters that there are. */
export const HVM_PARAMS = 39;

export const ConsoleOp = { write: 0, read: 1 } as const;
