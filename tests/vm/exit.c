/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends a guest: `exit STATUS` writes STATUS + 32 to QEMU's isa-debug-exit device (see machine.py). */
#include <stdlib.h>
#include <sys/io.h>
#include <unistd.h>

#define PORT 0xf4
#define BASE 32

int main(int argc, char **argv)
{
	if (argc < 2 || ioperm(PORT, 1, 1))
		return 1;
	outb((unsigned char)(BASE + atoi(argv[1])), PORT);
	pause();
	return 1;
}
