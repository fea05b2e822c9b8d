/* SPDX-License-Identifier: BSD-2-Clause */
/* unixODBC: everything of interest passes in arguments, so nothing has to be proven. */
#include "collect/lib.h"

#include "abi/event.h"
#include "lib/odbc.h"

static const struct lib_symbol symbols[] = {APM_ODBC_SYMBOLS(LIB_SYMBOL)};

const struct lib_row lib_odbc = {
	.name = "unixODBC",
	.programs = "odbc",
	.system = APM_SYSTEM_UNKNOWN,
	.file_hint = {"libodbc."},
	.prefix = {"SQL", "uodbc"},
	.public_prefix = "SQL",
	.part = "an ODBC driver: what it does is counted at its client library, or else where unixODBC is "
		"called",
	.symbol = symbols,
	.symbol_count = sizeof(symbols) / sizeof(*symbols),
};
