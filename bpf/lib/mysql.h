/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libmariadb and libmysqlclient: the functions that are probed, once, for the BPF programs and for user
 * space.
 *
 * mysql_query, mysql_autocommit, mysql_commit, mysql_rollback and mysql_set_character_set all end in
 * mysql_real_query. In libmysqlclient that calls mysql_send_query; in libmariadb it does not.
 *
 * Of mysql_send_query one argument is certain at the probe: lib_mysql.c says where the others are. In libmariadb
 * mysql_free_result stands for the place in it that only unbuffered results come to, and mysql_eof for the one
 * in it that only those come to whose end was not read: a result that was stored costs nothing there.
 */
#ifndef APM_LIB_MYSQL_H
#define APM_LIB_MYSQL_H

#include "lib/symbols.h"

#define APM_MYSQL_SYMBOLS(ROW)                                \
	ROW(mysql_real_query, 0x30, 3, 1, 1, 1, 0)            \
	ROW(mysql_send_query, 0x31, 1, 1, 0, 0, 0)            \
	ROW(mysql_read_query_result, 0x32, 1, 1, 1, 0, 0)     \
	ROW(mysql_next_result, 0x33, 1, 1, 1, 0, 0)           \
	ROW(mysql_store_result, 0x34, 1, 1, 1, 1, 0)          \
	ROW(mysql_use_result, 0x35, 1, 1, 1, 0, 0)            \
	ROW(mysql_free_result, 0x36, 1, 1, 0, 0, 0)           \
	ROW(mysql_close, 0x37, 1, 1, 0, 0, 0)                 \
	ROW(mysql_stmt_prepare, 0x38, 3, 1, 1, 0, 0)          \
	ROW(mysql_stmt_execute, 0x39, 1, 1, 1, 0, 0)          \
	ROW(mysql_stmt_store_result, 0x3a, 1, 1, 1, 0, 0)     \
	ROW(mysql_stmt_close, 0x3b, 1, 1, 0, 0, 0)            \
	ROW(mariadb_stmt_execute_direct, 0x3c, 3, 1, 1, 0, 0) \
	ROW(mysql_stmt_next_result, 0x3d, 1, 1, 1, 0, 0)      \
	ROW(mysql_eof, 0x3e, 1, 1, 0, 0, 0)

#endif
