/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of probed functions that each library has in its lib/NAME.h, one row per function:
 *
 *   ROW(function, number, args, entry, return, needed, sets)
 *
 * number: tells the function in the attach cookie, unique over all libraries; its high digits are the
 * library's. args: how many argument registers are read at the probe (they must not have changed where it
 * stands). entry, return: which probes it has; needed: without that function the file is not the library.
 * sets: of a library with several sets of probes, those that it belongs to; 0 = any.
 */
#ifndef APM_LIB_SYMBOLS_H
#define APM_LIB_SYMBOLS_H

/* `enum { APM_NAME_SYMBOLS(APM_SYMBOL_NUMBER) };` gives SYM_function for each. */
#define APM_SYMBOL_NUMBER(fn, number, args, entry, ret, needed, sets) SYM_##fn = number,

#endif
