/* SPDX-License-Identifier: BSD-2-Clause */
/* `apm-bpf fingerprint`: normalises queries given as arguments, lines, a file or JSON lines. */
#ifndef APM_CMD_FINGERPRINT_H
#define APM_CMD_FINGERPRINT_H

/* argv[0] is "fingerprint". Results go to stdout, diagnostics to stderr. Returns 0, 1
 * (failed) or 2 (bad usage). */
int cmd_fingerprint(int argc, char **argv);

#endif
