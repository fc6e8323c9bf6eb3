/* long hypercall(a0, a1, a2, a3, a4, number): Xen's public header arch-arm.h, "Hypercall Calling Convention". */
	.text
	.global hypercall
hypercall:
	mov	x16, x5
	hvc	#0xea1
	ret
