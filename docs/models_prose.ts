/** What stands in docs/models.md besides the declarations: what each plugin models, and what it doesn't. */

/** About a plugin, or several that are one thing on two buses. */
export interface Prose {
  readonly plugins: readonly string[];
  readonly models: string;
  readonly not: string;
}

/** By chapters. */
export const chapters: readonly { readonly title: string; readonly about: readonly Prose[] }[] = [
  {
    title: "The CPU",
    about: [{
      plugins: ["cpu_a64"],
      models:
        "A64 at EL1 and EL0 with both stages of translation (VMSA, or PMSA on an Armv8-R model), Advanced SIMD and floating point to the bit, LSE atomics, the GIC's CPU interface with list registers, the generic timer's registers, self-hosted debug (breakpoints, watchpoints, software step), the cycle counter. EL2 is where the plugins are: its registers have their architectural effects. A model is a row of ID registers, and what isn't implemented isn't advertised.",
      not:
        "No AArch32, SVE, SME, pointer authentication, MTE or nested virtualization: ID registers say so. No caches or pipelines: an instruction takes `nsPerInstruction`, whatever it is. Cache maintenance is complete at once; ordering is that of one CPU after the other, unless the board says `parallel: true`. EL3 is as `el3` says, never a place where software runs.",
    }],
  },
  {
    title: "Memory back ends",
    about: [
      {
        plugins: ["vmsa"],
        models:
          "Stage 2 translation in the architecture's own descriptors, in physical memory, and EL2's own stage 1 with a fixed layout, W^X, and a table switch by A64 code that runs at EL2.",
        not: "Stage 2's granule is 4 KiB. No SMMU: devices of the board that do DMA by themselves don't exist here.",
      },
      {
        plugins: ["pmsa", "pmsa_domain"],
        models:
          "The EL2 MPU of Armv8-R AArch64: regions of 64-byte granularity, inclusive limits, faults where they overlap, a boot-time map that is replaced, a budget that `check` prints, domains mapped directly.",
        not: "No translation, so no memory that is given back to the board while a domain runs (no ballooning), and no `vmap`.",
      },
      {
        plugins: ["mmio_sram"],
        models: "On-chip memory with a memory type and permissions for each domain; attribute conflicts are reported.",
        not: "No timing: an access takes no longer or shorter than RAM's.",
      },
      {
        plugins: ["static_shm"],
        models: "Regions that domains share, with an owner or without, zeroed when nobody has them any more.",
        not: "No notification: event channels are another plugin's.",
      },
    ],
  },
  {
    title: "Interrupts and time",
    about: [
      {
        plugins: ["gicv3", "its"],
        models:
          "Distributor and redistributors with one Security state and affinity routing, SGIs, PPIs, SPIs, and with `its` LPIs: device, collection and translation tables in guest memory, commands with their errors. What is pending is shown in list registers, so acknowledging costs no exit.",
        not:
          "No Security extensions (GICD_CTLR.DS is 1), no extended SPIs or PPIs, no GICv4 (vPEs, direct injection). Writes take effect at once: RWP is never seen set.",
      },
      {
        plugins: ["gicv2", "gicv2m"],
        models: "Distributor, the CPU interface in memory without exits, up to 8 vCPUs; with `gicv2m` messages that become SPIs.",
        not: "No Security extensions, and no more than 8 vCPUs.",
      },
      {
        plugins: ["generic_timer"],
        models:
          "Virtual and physical timers of EL1, their interrupts to the instruction of virtual time, offsets; EL2's timers for plugins.",
        not: "No drift and no jitter: one clock for all CPUs. The frames in memory (CNTBase, CNTCTLBase) don't exist.",
      },
      {
        plugins: ["pvtime"],
        models: "Stolen time as Arm DEN 0057 has it.",
        not: "Nothing of that document but stolen time.",
      },
      {
        plugins: ["pl031", "sbsa_gwdt"],
        models: "A real-time clock with an alarm; the generic watchdog with both of its signals, the second of which resets the domain.",
        not: "The clock counts virtual time from the board's `bootTime`; it isn't this machine's.",
      },
    ],
  },
  {
    title: "Starting, stopping, calling",
    about: [
      {
        plugins: ["psci", "smccc", "spin_table"],
        models:
          "PSCI to version 1.1 by HVC or trapped SMC: CPU on, off, suspend, system off, reset; SMCCC 1.2 with TRNG and SoC ID; the spin-table method.",
        not: "No Trusted OS: nothing migrates. No power domains above the CPU.",
      },
      {
        plugins: ["linux_boot", "firmware", "load", "fdt", "cfi_flash"],
        models:
          "Linux's boot protocol (Image, gzip, EFI zboot with gzip), ELF, raw binaries; firmware at its reset address in Intel-command NOR flash; device trees from what plugins declare, or yours.",
        not:
          "No ACPI tables of ours (EDK2 makes its own from the device tree, where it does). Flash contents last over reboots, not over runs.",
      },
    ],
  },
  {
    title: "Devices",
    about: [
      {
        plugins: ["pl011", "board_pl011", "ns16550", "pci_serial", "pl061"],
        models: "UARTs with FIFOs, their interrupts and time-outs; GPIO with a power key.",
        not: "Baud rates cost no time: a byte is out at once. Modem lines lead nowhere; no DMA.",
      },
      {
        plugins: ["pci"],
        models: "One bus by ECAM, BARs that move, INTx, MSI and MSI-X.",
        not: "No bridges, no hot plug, no PCI Express link or error reporting, no ATS or SR-IOV.",
      },
      {
        plugins: ["virtio_blk", "virtio_blk_pci"],
        models:
          "Virtio 1.2 (and legacy MMIO) disks on raw and qcow2 files, flushes that are flushes, several queues, discard and write zeroes.",
        not:
          "No latency: a request is done at the virtual time at which it came. Compressed clusters of qcow2 images can't be read, and images with internal snapshots can't be written.",
      },
      {
        plugins: ["virtio_net", "virtio_net_pci", "user_network", "network_switch", "network_gateway"],
        models:
          "Checksum and segmentation offloads, several queues; a user-mode network with DHCP, DNS, TCP and UDP through the host's sockets, forwarded ports; a learning switch.",
        not:
          "No IPv6 to the world, no echo requests beyond the gateway, no TAP devices. Open connections of the host don't outlive the program: after a restore the guest sees them reset.",
      },
      {
        plugins: ["virtio_console", "virtio_console_pci", "virtio_rng", "virtio_rng_pci"],
        models: "Consoles with named ports; random bytes from the board's seed.",
        not: "The random numbers repeat with the seed: that is the point, and no source of secrets.",
      },
      {
        plugins: ["virtio_9p", "virtio_9p_pci", "virtio_vsock", "virtio_vsock_pci"],
        models: "A folder of the host by 9P2000.L, confined to it; stream connections to Unix sockets.",
        not: "9P without extended attributes (EOPNOTSUPP). Vsock has streams only.",
      },
      {
        plugins: ["virtio_balloon", "virtio_balloon_pci"],
        models: "Inflating and deflating, statistics; pages go back to the board.",
        not: "On `pmsa` pages can't go back: the memory map is regions.",
      },
      {
        plugins: ["ioreq"],
        models: "Devices in Workers behind the public ioreq layout, contained when they crash, hang or lie.",
        not:
          "Devices with cables or folders run inline; a device with more than 1 MiB of state can't be mirrored. A Worker's heap has no limit of its own.",
      },
      {
        plugins: ["passthrough", "board_interrupts", "hypervisor_console"],
        models: "A device of the board for one domain, without exits; EL2's own console.",
        not: "No SMMU, so no device that does DMA by itself.",
      },
    ],
  },
  {
    title: "Between domains",
    about: [
      {
        plugins: ["domain_policy", "event_channels", "event_doorbell", "grant_tables"],
        models: "A policy that is asked before anything crosses; event channels in their three forms; grants counted in both directions.",
        not: "Nothing that crosses without a rule of the manifest: there is no trusted domain.",
      },
      {
        plugins: ["xen_abi"],
        models: "Xen's guest interface for unprivileged Arm domains: hypercalls, console, a xenstore of the domain's own.",
        not: "No dom0 and no toolstack hypercalls (domctl, sysctl); no split drivers (netfront, blkfront) behind it. No snapshot " +
          "or fork once a guest shares pages by it: that is refused; a recording does.",
      },
    ],
  },
  {
    title: "Schedulers",
    about: [{
      plugins: ["scheduler_null", "scheduler_fair", "scheduler_credit2", "scheduler_rtds", "scheduler_arinc653"],
      models:
        "Policies over physical CPUs that take turns in virtual time; slices end to the instruction. See [schedulers.md](schedulers.md).",
      not: "A switch of vCPUs takes no time, and warm caches don't exist.",
    }],
  },
];
