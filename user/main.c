/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_detect.h"
#include "cmd_fingerprint.h"
#include "log.h"
#include "options.h"
#include "output.h"

static int run_fingerprint(const struct options *opt)
{
	return cmd_fingerprint(opt->arg_count, opt->args);
}

static int run_detect(const struct options *opt)
{
	return cmd_detect(opt->arg_count, opt->args);
}

static int (*const commands[COMMAND_COUNT])(const struct options *opt) = {
	[COMMAND_TRACE] = cmd_trace,   [COMMAND_TOP] = cmd_trace,   [COMMAND_RECORD] = cmd_record,
	[COMMAND_REPORT] = cmd_report, [COMMAND_FLAME] = cmd_flame, [COMMAND_FINGERPRINT] = run_fingerprint,
	[COMMAND_DETECT] = run_detect, [COMMAND_LIST] = cmd_list,   [COMMAND_DIFF] = cmd_diff,
};

int main(int argc, char **argv)
{
	struct options opt;
	struct strbuf text = {0};
	int status = EXIT_STATUS_FAILED;

	switch (options_parse(&opt, argc, argv, &text)) {
	case OPTIONS_RUN:
		log_setup(opt.log_level, output_color(&opt, STDERR_FILENO));
		status = commands[opt.command](&opt);
		break;
	case OPTIONS_PRINT:
		status = output_text(&text) ? EXIT_STATUS_FAILED : EXIT_STATUS_OK;
		break;
	case OPTIONS_WRONG:
		log_error("%s; try 'apm-bpf --help'", text.ptr);
		status = EXIT_STATUS_USAGE;
		break;
	case OPTIONS_FAILED:
		log_error("out of memory");
		break;
	}
	strbuf_free(&text);
	options_free(&opt);
	return status;
}
