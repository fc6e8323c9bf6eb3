/* Executes what is no instruction, and has no vectors: VBAR_EL1 is 0, where nothing is. */
#include "print.inc"
_start:
	print	"about to execute garbage"
	.inst	0xffffffff
	.inst	0x00c0ffee
