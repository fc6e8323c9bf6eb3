/** What a node's `compatible` says that it is, and what of ours stands in for it. Names from the bindings' public documents. */

/** What a device is to a hypervisor. */
export interface Role {
  readonly role:
    | "interrupt controller"
    | "message interrupts"
    | "timer"
    | "uart"
    | "sram"
    | "psci"
    | "rtc"
    | "watchdog"
    | "gpio"
    | "pci"
    | "flash";
  /** What it is, in words. */
  readonly detail: string;
  /** The built-in plugin that models it; absent: nothing does. */
  readonly plugin?: string;
}

const gicv2: Role = { role: "interrupt controller", detail: "GICv2", plugin: "gicv2" };
const ns16550: Role = { role: "uart", detail: "16550", plugin: "ns16550" };
const psci = (version: string): Role => ({ role: "psci", detail: `PSCI ${version}`, plugin: "psci" });
const foreign = (role: Role["role"], detail: string): Role => ({ role, detail });

const roles: Readonly<Record<string, Role>> = {
  "arm,gic-v3": { role: "interrupt controller", detail: "GICv3", plugin: "gicv3" },
  "arm,gic-400": gicv2,
  "arm,cortex-a15-gic": gicv2,
  "arm,cortex-a7-gic": gicv2,
  "qcom,msm-qgic2": gicv2,
  "arm,cortex-a9-gic": { role: "interrupt controller", detail: "GICv1" },
  "arm,gic-v3-its": { role: "message interrupts", detail: "GICv3 ITS", plugin: "its" },
  "arm,gic-v2m-frame": { role: "message interrupts", detail: "GICv2m", plugin: "gicv2m" },
  "apple,aic": foreign("interrupt controller", "Apple AIC"),
  "apple,t6000-aic": foreign("interrupt controller", "Apple AIC"),
  "brcm,bcm2836-l1-intc": foreign("interrupt controller", "Broadcom's, not a GIC"),
  "arm,armv8-timer": { role: "timer", detail: "generic timer", plugin: "generic_timer" },
  "arm,armv7-timer": { role: "timer", detail: "generic timer", plugin: "generic_timer" },
  "arm,armv7-timer-mem": foreign("timer", "generic timer in memory"),
  "arm,psci": psci("0.1"),
  "arm,psci-0.2": psci("0.2"),
  "arm,psci-1.0": psci("1.0"),
  "arm,pl011": { role: "uart", detail: "PL011", plugin: "pl011" },
  "arm,sbsa-uart": { role: "uart", detail: "SBSA", plugin: "pl011" },
  "ns16550": ns16550,
  "ns16550a": ns16550,
  "snps,dw-apb-uart": { role: "uart", detail: "DesignWare 16550" },
  "cdns,uart-r1p12": foreign("uart", "Cadence"),
  "cdns,uart-r1p8": foreign("uart", "Cadence"),
  "amlogic,meson-uart": foreign("uart", "Amlogic"),
  "amlogic,meson-ao-uart": foreign("uart", "Amlogic"),
  "amlogic,meson-gx-uart": foreign("uart", "Amlogic"),
  "fsl,imx6q-uart": foreign("uart", "i.MX"),
  "fsl,imx21-uart": foreign("uart", "i.MX"),
  "fsl,imx7ulp-lpuart": foreign("uart", "LPUART"),
  "fsl,imx8qxp-lpuart": foreign("uart", "LPUART"),
  "fsl,ls1021a-lpuart": foreign("uart", "LPUART"),
  "qcom,geni-debug-uart": foreign("uart", "Qualcomm GENI"),
  "qcom,geni-uart": foreign("uart", "Qualcomm GENI"),
  "qcom,msm-uartdm": foreign("uart", "Qualcomm UARTDM"),
  "renesas,scif": foreign("uart", "SCIF"),
  "renesas,hscif": foreign("uart", "HSCIF"),
  "marvell,armada-3700-uart": foreign("uart", "Armada 3700"),
  "mediatek,mt6577-uart": foreign("uart", "MediaTek 16550"),
  "nvidia,tegra194-tcu": foreign("uart", "Tegra combined UART"),
  "nvidia,tegra20-uart": foreign("uart", "Tegra 16550"),
  "samsung,exynos4210-uart": foreign("uart", "S3C"),
  "apple,s5l-uart": foreign("uart", "S3C"),
  "ti,am654-uart": foreign("uart", "OMAP 16550"),
  "brcm,bcm2835-aux-uart": foreign("uart", "BCM2835 16550"),
  "mmio-sram": { role: "sram", detail: "on-chip memory", plugin: "mmio_sram" },
  "atmel,sama5d2-securam": { role: "sram", detail: "on-chip memory", plugin: "mmio_sram" },
  "rockchip,rk3288-pmu-sram": { role: "sram", detail: "on-chip memory", plugin: "mmio_sram" },
  "arm,pl031": { role: "rtc", detail: "PL031", plugin: "pl031" },
  "arm,pl061": { role: "gpio", detail: "PL061", plugin: "pl061" },
  "arm,sbsa-gwdt": { role: "watchdog", detail: "Generic Watchdog", plugin: "sbsa_gwdt" },
  "pci-host-ecam-generic": { role: "pci", detail: "ECAM", plugin: "pci" },
  "cfi-flash": { role: "flash", detail: "CFI", plugin: "cfi_flash" },
};

/** The role of the most specific name that is known. */
export function roleOf(compatible: readonly string[]): Role | undefined {
  for (const name of compatible) if (Object.hasOwn(roles, name)) return roles[name];
  return undefined;
}
