/* SPDX-License-Identifier: BSD-2-Clause */

#include <errno.h>
#include <stdlib.h>

#include "analysis_state.h"
#include "sql/sql.h"

enum sql_dialect analysis_dialect(uint8_t system)
{
	return sql_dialect_from(str_from(record_system_name(system)));
}

int regroup_text(struct regroup *g, struct rec_text *text)
{
	struct sql_options opt = {.dialect = analysis_dialect(text->system)};
	size_t need = sql_buffer_size(text->raw.len);
	struct sql_info info;

	if (!text->raw.len)
		return 0;
	if (need > g->cap) {
		char *buf = realloc(g->buf, need);

		if (!buf)
			return -ENOMEM;
		g->buf = buf;
		g->cap = need;
	}
	if (sql_analyse(text->raw.ptr, text->raw.len, &opt, g->buf, g->cap, &info))
		return 0;
	text->fingerprint = info.fingerprint;
	text->stmt_class = (uint8_t)info.stmt_class;
	text->kind = (uint8_t)info.kind;
	text->normalized = info.normalized;
	text->summary = info.summary;
	text->operation = info.operation;
	text->collections = info.collections;
	text->tags = info.tags;
	return 1;
}

void regroup_free(struct regroup *g)
{
	free(g->buf);
	*g = (struct regroup){0};
}
