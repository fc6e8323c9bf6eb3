# What the guests' recipes share. A guest names itself, its sources and what of the kit it takes, and includes this file:
#   GUEST := tour
#   SOURCES := tour.c $(addprefix $(KIT)/, entry.S cpu.c)
# Its binary is committed: booting it needs no compiler.
CROSS ?= aarch64-linux-gnu-
OPTIMIZE ?= -Os -mstrict-align
CFLAGS := $(OPTIMIZE) -std=gnu11 -Wall -Wextra -Werror -ffreestanding -nostdlib -static -fno-pic -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-jump-tables -fno-tree-switch-conversion -mgeneral-regs-only \
	-march=armv8-a -mno-outline-atomics -I$(KIT)
SCRIPT ?= $(KIT)/kit.ld

$(GUEST).bin: $(SOURCES) $(wildcard *.h) $(wildcard $(KIT)/kit.*) $(SCRIPT)
	$(CROSS)gcc $(CFLAGS) -T $(SCRIPT) -Wl,--build-id=none,--no-warn-rwx-segments -o $(GUEST).elf $(SOURCES)
	$(CROSS)objcopy -O binary $(GUEST).elf $@ && chmod 644 $@
	rm $(GUEST).elf

# The same guest on QEMU, to compare with.
qemu: $(GUEST).bin
	qemu-system-aarch64 -M virt,gic-version=3 -cpu cortex-a57 -smp $(or $(CPUS),1) -m 64 -nic none -nographic -kernel $< $(QEMU)

.PHONY: qemu
