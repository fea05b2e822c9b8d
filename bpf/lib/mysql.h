/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libmariadb and libmysqlclient: the functions that are probed, once, for the BPF programs and for user
 * space.
 *
 * mysql_query, mysql_autocommit, mysql_commit, mysql_rollback and mysql_set_character_set all end in
 * mysql_real_query. In libmysqlclient that calls mysql_send_query; in libmariadb it does not.
 */
#ifndef APM_LIB_MYSQL_H
#define APM_LIB_MYSQL_H

/* X(function, number in the attach cookie, probe at entry, probe at return, the library is useless without
 * it) */
#define APM_MYSQL_SYMBOLS(X)                      \
	X(mysql_real_query, 0x30, 1, 1, 1)        \
	X(mysql_send_query, 0x31, 1, 0, 0)        \
	X(mysql_read_query_result, 0x32, 1, 1, 0) \
	X(mysql_next_result, 0x33, 1, 1, 0)       \
	X(mysql_store_result, 0x34, 1, 1, 1)      \
	X(mysql_use_result, 0x35, 1, 1, 0)        \
	X(mysql_free_result, 0x36, 1, 0, 0)       \
	X(mysql_close, 0x37, 1, 0, 0)             \
	X(mysql_stmt_prepare, 0x38, 1, 1, 0)      \
	X(mysql_stmt_execute, 0x39, 1, 1, 0)      \
	X(mysql_stmt_store_result, 0x3a, 1, 1, 0) \
	X(mysql_stmt_close, 0x3b, 1, 0, 0)        \
	X(mariadb_stmt_execute_direct, 0x3c, 1, 1, 0)

#endif
