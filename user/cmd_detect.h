/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `apm-bpf detect --jsonl`: runs the detectors over scenarios, one JSON object per line of stdin, each one
 * known unit of work: {"name", "dialect", "threshold", "detectors": [names], "spans": [{"t_start_us",
 * "t_dur_us", "sql", "kind", "rows", "tx", "conn", "truncated"}], "min_total_us", "slow_threshold_us",
 * "settings": {}}. Writes one line for each:
 * {"name", "findings": [{"detector", "fingerprint", "query", "count", "total_us", "severity",
 * "recommendation"}]}.
 */
#ifndef APM_CMD_DETECT_H
#define APM_CMD_DETECT_H

/* argv[0] is "detect". Returns 0, 1 (a line was not understood, or failed) or 2 (bad usage). */
int cmd_detect(int argc, char **argv);

#endif
