/* SPDX-License-Identifier: BSD-2-Clause */
/* Life, data, keys, order. */
#include "screen/board_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/format.h"

/* ---- life ---- */

static void data_free(struct board_data *d)
{
	size_t i;

	for (i = 0; i < d->query_count; i++) {
		free(d->query[i].text);
		free(d->query[i].system);
		free(d->query[i].call_site);
		free(d->query[i].prepared);
	}
	for (i = 0; i < d->finding_count; i++) {
		free(d->finding[i].title);
		free(d->finding[i].evidence);
		free(d->finding[i].query);
		free(d->finding[i].call_site);
		free(d->finding[i].advice);
	}
	free(d->query);
	free(d->finding);
	*d = (struct board_data){0};
}

struct board *board_new(const char *target)
{
	struct board *b = calloc(1, sizeof(*b));

	if (b && !(b->target = strdup(target))) {
		free(b);
		b = NULL;
	}
	return b;
}

void board_free(struct board *b)
{
	size_t i;

	if (!b)
		return;
	for (i = 0; i < b->line_cap; i++)
		strbuf_free(&b->line[i].text);
	free(b->line);
	free(b->shown);
	data_free(&b->data);
	strbuf_free(&b->output);
	free(b->target);
	free(b);
}

/* ---- data ---- */

/* A copy; NULL stays NULL. */
static char *copy(const char *s, int *failed)
{
	char *made = s ? strdup(s) : NULL;

	*failed |= s && !made;
	return made;
}

static char *joined(const char *const *list, int *failed)
{
	struct strbuf all = {0};
	size_t i;

	for (i = 0; list && list[i]; i++)
		strbuf_addf(&all, "%s%s", i ? ", " : "", list[i]);
	*failed |= all.failed;
	return all.ptr;
}

static void copy_query(const struct report_query *q, struct board_query *out, int *failed)
{
	*out = (struct board_query){
		.fingerprint = q->fingerprint,
		.text = copy(q->query, failed),
		.system = copy(q->system, failed),
		.call_site = copy(q->call_site, failed),
		.prepared = joined(q->prepared, failed),
		.side[SIDE_RUN] = {1, q->calls, q->errors, q->total_ns, q->p50_ns, q->p95_ns, q->p99_ns},
		.rows = q->rows,
		.max_rows = q->max_rows,
		.running = q->running,
		.cpu_samples = q->cpu_samples,
	};
	if (q->recent) {
		const struct report_recent *m = q->recent;

		out->side[SIDE_MINUTE] = (struct board_figures){1,	   m->calls,  m->errors, m->db_ns,
								m->p50_ns, m->p95_ns, m->p99_ns};
	}
}

static void copy_finding(const struct report_finding *f, struct board_finding *out, int *failed)
{
	*out = (struct board_finding){
		.severity = f->severity,
		.fingerprint = f->fingerprint,
		.title = copy(f->title ? f->title : f->detector, failed),
		.evidence = copy(f->evidence, failed),
		.query = copy(f->query, failed),
		.call_site = copy(f->call_site, failed),
		.advice = copy(f->recommendation, failed),
	};
}

static void copy_totals(const struct report *r, struct board_data *d)
{
	const struct report_recent *m = &r->recent;

	d->side[SIDE_RUN] = (struct board_totals){
		r->duration_ns,
		r->control_statements,
		r->units,
		r->db_ns,
		{1, r->statements, r->errors, r->db_ns, r->p50_ns, r->p95_ns, r->p99_ns}};
	d->side[SIDE_MINUTE] =
		(struct board_totals){m->window_ns,
				      m->control,
				      m->units,
				      m->db_ns,
				      {1, m->calls, m->errors, m->db_ns, m->p50_ns, m->p95_ns, m->p99_ns}};
	memcpy(d->losses, r->losses, sizeof(d->losses));
}

int board_take(struct board *b, const struct report *r)
{
	struct board_data d = {0};
	const struct board_query **shown;
	int failed = 0;

	if (b->paused)
		return 0;
	d.query = calloc(r->queries.count + 1, sizeof(*d.query));
	d.finding = calloc(r->findings.count + 1, sizeof(*d.finding));
	shown = realloc(b->shown, (r->queries.count + 1) * sizeof(*shown));
	if (shown)
		b->shown = shown;
	failed = !d.query || !d.finding || !shown;
	while (!failed && d.query_count < r->queries.count) {
		copy_query(&r->queries.item[d.query_count], &d.query[d.query_count], &failed);
		d.query_count++;
	}
	while (!failed && d.finding_count < r->findings.count) {
		copy_finding(&r->findings.item[d.finding_count], &d.finding[d.finding_count], &failed);
		d.finding_count++;
	}
	if (failed) {
		data_free(&d);
		board_order(b);
		return -ENOMEM;
	}
	copy_totals(r, &d);
	data_free(&b->data);
	b->data = d;
	b->has_data = 1;
	board_order(b);
	return 0;
}

/* Bytes of a sequence that begins here (ECMA-48 CSI: colours mostly), 0 = none does. */
static size_t sequence_length(const char *s, size_t len)
{
	size_t n = 2;

	if (len < 3 || s[0] != '\033' || s[1] != '[')
		return 0;
	while (n < len && s[n] >= 0x20 && s[n] < 0x40)
		n++;
	return n < len ? n + 1 : 0;
}

int board_output(struct board *b, struct str text)
{
	size_t at = 0, n;

	strbuf_reset(&b->output);
	while (at < text.len) {
		n = sequence_length(text.ptr + at, text.len - at);
		if (!n)
			strbuf_addc(&b->output, text.ptr[at]);
		at += n ? n : 1;
	}
	return b->output.failed ? -ENOMEM : 0;
}

/* ---- order ---- */

uint64_t board_figure(const struct board_figures *f, enum board_sort sort)
{
	switch (sort) {
	case SORT_CALLS:
		return f->calls;
	case SORT_P50:
		return f->p50_ns;
	case SORT_P95:
		return f->p95_ns;
	case SORT_P99:
		return f->p99_ns;
	case SORT_ERRORS:
		return f->errors;
	default:
		return f->total_ns;
	}
}

static int larger_first(const void *x, const void *y, void *arg)
{
	const struct board *b = arg;
	const struct board_query *p = *(const struct board_query *const *)x;
	const struct board_query *q = *(const struct board_query *const *)y;
	uint64_t of_p = board_figure(&p->side[b->sort_side], b->sort);
	uint64_t of_q = board_figure(&q->side[b->sort_side], b->sort);

	if (of_p == of_q) {
		of_p = p->side[SIDE_RUN].total_ns;
		of_q = q->side[SIDE_RUN].total_ns;
	}
	if (of_p != of_q)
		return of_p < of_q ? 1 : -1;
	return p->fingerprint < q->fingerprint ? -1 : p->fingerprint > q->fingerprint;
}

static int passes(const struct board *b, const struct board_query *q)
{
	return !b->filter[0] || (q->text && strcasestr(q->text, b->filter)) ||
	       (q->system && strcasestr(q->system, b->filter)) ||
	       strcasestr(format_id(q->fingerprint, 16), b->filter);
}

void board_order(struct board *b)
{
	size_t i;

	b->shown_count = 0;
	for (i = 0; i < b->data.query_count; i++)
		if (passes(b, &b->data.query[i]))
			b->shown[b->shown_count++] = &b->data.query[i];
	if (b->shown_count)
		qsort_r(b->shown, b->shown_count, sizeof(*b->shown), larger_first, b);
}

const struct board_query *board_selected(const struct board *b, size_t *at)
{
	size_t i;

	for (i = 0; i < b->shown_count; i++) {
		if (b->shown[i]->fingerprint == b->selected) {
			if (at)
				*at = i;
			return b->shown[i];
		}
	}
	return NULL;
}

/* ---- keys ---- */

static void open_page(struct board *b, enum board_page page)
{
	b->page = page;
	b->scroll = 0;
}

static void type(struct board *b, int key)
{
	size_t len = strlen(b->filter);

	if (key == BOARD_KEY_ESCAPE)
		b->filter[0] = '\0';
	else if (key == BOARD_KEY_BACKSPACE && len)
		b->filter[len - 1] = '\0';
	else if (key >= ' ' && key < 127 && len + 1 < sizeof(b->filter)) {
		b->filter[len] = (char)key;
		b->filter[len + 1] = '\0';
	}
	if (key == BOARD_KEY_ESCAPE || key == BOARD_KEY_ENTER)
		b->typing = 0;
	board_order(b);
}

/* Rows of the body that a page key passes. */
static size_t page_rows(const struct board *b)
{
	return b->rows > 10 ? (size_t)b->rows - 8 : 3;
}

/* Where a key that moves leads to, from `at` of 0 … last. */
static size_t moved(const struct board *b, int key, size_t at, size_t last)
{
	size_t page = page_rows(b);

	switch (key) {
	case BOARD_KEY_UP:
	case 'k':
		return at ? at - 1 : 0;
	case BOARD_KEY_DOWN:
	case 'j':
		return at < last ? at + 1 : last;
	case BOARD_KEY_PAGE_UP:
		return at > page ? at - page : 0;
	case BOARD_KEY_PAGE_DOWN:
		return at + page < last ? at + page : last;
	case BOARD_KEY_HOME:
	case 'g':
		return 0;
	case BOARD_KEY_END:
	case 'G':
		return last;
	}
	return at;
}

static int moves_cursor(int key)
{
	return key >= BOARD_KEY_UP || key == 'j' || key == 'k' || key == 'g' || key == 'G';
}

static void select_row(struct board *b, int key)
{
	size_t at = 0;
	int had = board_selected(b, &at) != NULL;

	if (!b->shown_count || !moves_cursor(key))
		return;
	/* The first key shows where the cursor is. */
	if (had || (key != BOARD_KEY_DOWN && key != 'j'))
		at = moved(b, key, at, b->shown_count - 1);
	b->selected = b->shown[at]->fingerprint;
}

static void sort_by(struct board *b, enum board_sort sort)
{
	b->sort = sort;
	board_order(b);
}

/* Keys of every page. 1 = it was one. */
static int common_key(struct board *b, int key)
{
	switch (key) {
	case ' ':
		b->paused = !b->paused;
		return 1;
	case 'f':
		open_page(b, PAGE_FINDINGS);
		return 1;
	case 'o':
		open_page(b, PAGE_OUTPUT);
		return 1;
	case 'h':
	case '?':
		open_page(b, PAGE_HELP);
		return 1;
	}
	return 0;
}

static int queries_key(struct board *b, int key)
{
	static const struct {
		int key;
		enum board_sort sort;
	} sorts[] = {{'t', SORT_TIME}, {'c', SORT_CALLS}, {'5', SORT_P50},
		     {'p', SORT_P95},  {'9', SORT_P99},	  {'e', SORT_ERRORS}};
	size_t i;

	for (i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++)
		if (sorts[i].key == key) {
			sort_by(b, sorts[i].sort);
			return 0;
		}
	switch (key) {
	case 's':
		sort_by(b, (enum board_sort)((b->sort + 1) % SORTS));
		break;
	case 'w':
		b->sort_side = b->sort_side == SIDE_RUN ? SIDE_MINUTE : SIDE_RUN;
		board_order(b);
		break;
	case '/':
		b->typing = 1;
		break;
	case BOARD_KEY_ESCAPE:
		b->filter[0] = '\0';
		board_order(b);
		break;
	case BOARD_KEY_ENTER:
		if (!board_selected(b, NULL))
			select_row(b, BOARD_KEY_HOME);
		if (b->shown_count)
			open_page(b, PAGE_QUERY);
		break;
	case 'q':
	case 'Q':
		return 1;
	default:
		select_row(b, key);
	}
	return 0;
}

int board_key(struct board *b, int key)
{
	if (b->typing) {
		type(b, key);
		return 0;
	}
	if (common_key(b, key))
		return 0;
	if (b->page == PAGE_QUERIES)
		return queries_key(b, key);
	if (key == 'q' || key == BOARD_KEY_ESCAPE || key == BOARD_KEY_BACKSPACE || key == BOARD_KEY_ENTER)
		open_page(b, PAGE_QUERIES);
	else
		/* Where the last line is, drawing knows. */
		b->scroll = moved(b, key, b->scroll,
				  key == BOARD_KEY_END || key == 'G' ? SIZE_MAX : b->scroll + page_rows(b));
	return key == 'Q';
}
