/* SPDX-License-Identifier: BSD-2-Clause */
/* The log with a guest's name in front, and not more of it than one guest
 * should be able to cause. */
#include <stdarg.h>
#include <stdio.h>

#include "guests/dom0/vm/life.h"
#include "guests/lib/guest.h"

/* Each line costs VM_LOG_NS of credit; credit comes with time. */
static bool may_log(struct vm_life *life)
{
	uint64_t now = clock_ns();

	life->log_credit_ns += now - life->log_last_ns;
	life->log_last_ns = now;
	if (life->log_credit_ns > VM_LOG_BURST * VM_LOG_NS)
		life->log_credit_ns = VM_LOG_BURST * VM_LOG_NS;
	if (life->log_credit_ns < VM_LOG_NS) {
		life->log_dropped++;
		return false;
	}
	life->log_credit_ns -= VM_LOG_NS;
	return true;
}

void vm_log(struct vm *vm, const char *format, ...)
{
	va_list args;
	char text[256];
	size_t n;

	if (!may_log(vm->life))
		return;
	if (vm->life->log_dropped)
		printf(LOG_WARNING "%s: %u messages dropped\n", vm->name, vm->life->log_dropped);
	vm->life->log_dropped = 0;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (n = 0; text[n]; n++)
		if ((text[n] < ' ' && text[n] != '\n' && text[n] != '\t') || text[n] == 127)
			text[n] = '?';
	printf(LOG_WARNING "%s: %s%s", vm->name, text, n && text[n - 1] == '\n' ? "" : "\n");
}
