/** The interrupt controller's node in the device tree. */

/** Its name; nodes of what belongs to it lie below. */
export function nodeName(distributor: number): string {
  return `interrupt-controller@${distributor.toString(16)}`;
}
