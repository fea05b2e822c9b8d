/* SPDX-License-Identifier: BSD-2-Clause */
/* A skipped test says why. */
#ifndef APM_TEST_SKIP_H
#define APM_TEST_SKIP_H

/* tests/run takes the line before a skipped result for its reason. */
#define skip_because(...)                   \
	do {                                \
		print_message("# skip: ");  \
		print_message(__VA_ARGS__); \
		print_message("\n");        \
		skip();                     \
	} while (0)

#endif
