/** What is at a port. Numbers of Xen's public header event_channel.h, EVTCHNSTAT_*. */
export const PortKind = { closed: 0, unbound: 1, interdomain: 2, virq: 4, ipi: 5 } as const;
