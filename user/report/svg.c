/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flame graph as one SVG. The root is on top, so that title, search and the widest frames are what is seen
 * first. Boxes and tooltips are static; the script (svg_script.c) lays them out anew for zoom and window
 * size.
 */
#include "report/svg.h"
#include "base/table.h"
#include "profile/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH	   1200
#define PAD	   10
#define HEADER	   92
#define ROW	   18
#define CHAR_WIDTH 7.25
#define NARROWEST  0.1 /* pixels: what is narrower is not drawn */

struct node {
	const char *name; /* NULL = the root of all */
	uint64_t start, weight;
	uint64_t path; /* hash of the names from the root to here */
	size_t depth;
};

struct graph {
	struct node *node; /* parents before children */
	size_t count, cap;
	size_t *open; /* the nodes of the stack added last, root first */
	size_t open_count, open_cap;
	uint64_t total;
	struct table *before; /* path -> weight in another profile; NULL = there is none */
	uint64_t before_total;
	int error;
};

/* ---- the tree ---- */

static int reserve(void **array, size_t *cap, size_t count, size_t size)
{
	size_t want = *cap ? *cap * 2 : 256;
	void *more;

	if (count < *cap)
		return 0;
	more = realloc(*array, want * size);
	if (!more)
		return -ENOMEM;
	*array = more;
	*cap = want;
	return 0;
}

static uint64_t path_of(uint64_t parent, const char *name)
{
	return hash_mix(parent, hash_bytes(HASH_SEED, name, strlen(name)));
}

static int push_node(struct graph *g, const char *name)
{
	uint64_t parent = g->open_count ? g->node[g->open[g->open_count - 1]].path : 0;

	if (reserve((void **)&g->node, &g->cap, g->count, sizeof(*g->node)) ||
	    reserve((void **)&g->open, &g->open_cap, g->open_count, sizeof(*g->open)))
		return -ENOMEM;
	g->node[g->count] = (struct node){.name = name,
					  .start = g->total,
					  .path = name ? path_of(parent, name) : 0,
					  .depth = g->open_count};
	g->open[g->open_count++] = g->count++;
	return 0;
}

/* Stacks with the same beginning follow each other, so only the last one's nodes can be shared. */
static void add_stack(const char *const *frames, size_t count, uint64_t weight, void *arg)
{
	struct graph *g = arg;
	size_t same = 0, i;

	while (!g->error && same < count && same + 1 < g->open_count &&
	       !strcmp(g->node[g->open[same + 1]].name, frames[same]))
		same++;
	g->open_count = g->open_count ? same + 1 : 0;
	for (i = same; i < count && !g->error; i++)
		g->error = push_node(g, frames[i]);
	if (g->error)
		return;
	for (i = 0; i < g->open_count; i++)
		g->node[g->open[i]].weight += weight;
	g->total += weight;
}

/* ---- the profile before ---- */

static void add_before(const char *const *frames, size_t count, uint64_t weight, void *arg)
{
	struct graph *g = arg;
	uint64_t path = 0, *sum;
	size_t i;

	for (i = 0; i < count && !g->error; i++) {
		path = path_of(path, frames[i]);
		sum = table_put(g->before, (struct table_key){path, i}, NULL);
		if (sum)
			*sum += weight;
		else
			g->error = -ENOMEM;
	}
}

static int read_before(struct graph *g, const struct stacks *before)
{
	if (!before || !stacks_total(before))
		return 0;
	g->before_total = stacks_total(before);
	g->before = table_new(0, sizeof(uint64_t), NULL, NULL);
	if (!g->before)
		return -ENOMEM;
	stacks_each(before, add_before, g);
	return g->error;
}

static double share_before(const struct graph *g, const struct node *n)
{
	const uint64_t *weight =
		n->name ? table_peek(g->before, (struct table_key){n->path, n->depth - 1}) : NULL;

	return (double)(n->name ? weight ? *weight : 0 : g->before_total) / (double)g->before_total;
}

/*
 * How a frame's share has changed, -1 (gone) to 1 (new); 0 also when the difference is within two standard
 * errors of samples that fall at random (Poisson).
 */
static double change_of(const struct graph *g, const struct node *n)
{
	double before = share_before(g, n), now = (double)n->weight / (double)g->total;
	double error = sqrt(now / (double)g->total + before / (double)g->before_total);

	return fabs(now - before) > 2 * error ? (now - before) / fmax(now, before) : 0;
}

/* ---- text ---- */

/* Text for XML: what is not a character there (XML 1.0, 2.2) becomes U+FFFD, markup is escaped. */
static void add_xml(struct strbuf *out, struct str s)
{
	struct strbuf clean = {0};
	size_t i;

	strbuf_add_clean(&clean, s, 0);
	out->failed |= clean.failed;
	for (i = 0; i < clean.len; i++) {
		const char *p = clean.ptr + i;

		if (clean.len - i >= 3 && (!memcmp(p, "\xef\xbf\xbe", 3) || !memcmp(p, "\xef\xbf\xbf", 3))) {
			strbuf_adds(out, "\xef\xbf\xbd");
			i += 2;
		} else if (strchr("&<>\"'", *p)) {
			strbuf_addf(out, "&#%d;", *p);
		} else {
			strbuf_addc(out, *p);
		}
	}
	strbuf_free(&clean);
}

/* Length in bytes of the character at s, and its columns: two for what East Asian fonts draw wide. */
static size_t character(struct str s, size_t *columns)
{
	unsigned char lead = (unsigned char)s.ptr[0];
	size_t len = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	*columns = lead > 0xe1 || (lead == 0xe1 && s.len > 1 && (unsigned char)s.ptr[1] >= 0x84) ? 2 : 1;
	return len < s.len ? len : s.len;
}

/* As much of the name as a box of this width shows; 1 when something was cut. */
static int fit_text(struct str *name, double width)
{
	size_t room = width < 6 ? 0 : (size_t)((width - 6) / CHAR_WIDTH), used = 0, at = 0, fits = 0;

	if (room < 3)
		return name->len = 0, 0;
	while (at < name->len) {
		size_t columns;
		size_t len = character((struct str){name->ptr + at, name->len - at}, &columns);

		used += columns;
		at += len;
		if (used <= room - 1)
			fits = at;
		if (used > room) {
			name->len = fits;
			return 1;
		}
	}
	return 0;
}

/* ---- output ---- */

static void add_node(struct strbuf *out, const struct graph *g, const struct node *n, const char *unit)
{
	double scale = (WIDTH - 2.0 * PAD) / (double)g->total;
	double x = PAD + (double)n->start * scale, width = (double)n->weight * scale;
	size_t y = HEADER + n->depth * ROW, kind;
	struct str plain;
	uint32_t color;
	int cut;

	if (width < NARROWEST)
		return;
	kind = frame_kind_of(n->name ? n->name : "all", &plain);
	color = !n->name ? 0xd5dae0 : g->before ? change_color(change_of(g, n)) : frame_color(kind, plain);
	strbuf_addf(out, "<g data-v=\"%" PRIu64 " %" PRIu64 " %zu\"><title>", n->start, n->weight, n->depth);
	add_xml(out, plain);
	strbuf_addf(out, "\n%" PRIu64 " ", n->weight);
	add_xml(out, str_from(unit));
	strbuf_addf(out, ", %.2f %%", 100.0 * (double)n->weight / (double)g->total);
	if (n->name)
		strbuf_addf(out, ", %s", frame_kinds[kind].word);
	if (g->before)
		strbuf_addf(out, "; before %.2f %%", 100 * share_before(g, n));
	strbuf_addf(out, "</title><rect x=\"%.2f\" y=\"%zu\" width=\"%.2f\" height=\"%d\" fill=\"#%06x\"/>",
		    x, y, width > 0.6 ? width - 0.5 : NARROWEST, ROW - 1, color);
	cut = fit_text(&plain, width);
	if (plain.len) {
		strbuf_addf(out, "<text x=\"%.2f\" y=\"%zu\">", x + 3, y + 13);
		add_xml(out, plain);
		strbuf_adds(out, cut ? "\xe2\x80\xa6</text>" : "</text>");
	}
	strbuf_adds(out, "</g>\n");
}

/* A square and a word for each kind of frame that is in the graph. */
static void add_legend(struct strbuf *out, const struct graph *g)
{
	unsigned int present = 0;
	struct str plain;
	size_t i, x = PAD;

	for (i = 0; i < g->count; i++)
		if (g->node[i].name)
			present |= 1U << frame_kind_of(g->node[i].name, &plain);
	for (i = 0; i < FRAME_KINDS; i++) {
		if (!(present & 1U << i))
			continue;
		strbuf_addf(out, "<rect x=\"%zu\" y=\"50\" width=\"11\" height=\"11\" fill=\"#%06x\"/>", x,
			    frame_color(i, str_from("")));
		strbuf_addf(out, "<text class=\"key\" x=\"%zu\" y=\"60\">%s</text>\n", x + 16,
			    frame_kinds[i].word);
		x += 16 + (size_t)(CHAR_WIDTH * (double)strlen(frame_kinds[i].word)) + 16;
	}
}

static void add_header(struct strbuf *out, const struct graph *g, const struct flame_options *opt,
		       size_t stacks)
{
	/* Room for the search field, which the script puts on the right. */
	struct str title = str_from(opt->title), subtitle = str_from(opt->subtitle);

	strbuf_addf(out, "<g id=\"header\"><rect id=\"back\" width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
		    WIDTH, HEADER - 2);
	strbuf_addf(out, "<text id=\"title\" x=\"%d\" y=\"24\">", PAD);
	add_xml(out, title);
	strbuf_addf(out, "</text>\n<text id=\"subtitle\" x=\"%d\" y=\"42\">", PAD);
	add_xml(out, subtitle);
	strbuf_adds(out, "</text>\n");
	if (!g->before)
		add_legend(out, g);
	strbuf_addf(out, "<text id=\"details\" x=\"%d\" y=\"81\">", PAD);
	if (g->total) {
		strbuf_addf(out, "%" PRIu64 " ", g->total);
		add_xml(out, str_from(opt->unit));
		strbuf_addf(out, " in %zu stacks", stacks);
	} else {
		strbuf_adds(out, "no samples");
	}
	strbuf_addf(out, "</text>\n<text id=\"matched\" x=\"%d\" y=\"60\"></text>\n</g>\n", WIDTH - PAD);
}

static void add_document(struct strbuf *out, const struct graph *g, const struct flame_options *opt,
			 size_t stacks)
{
	double least = NARROWEST / (WIDTH - 2.0 * PAD) * (double)g->total;
	size_t i, depth = 0, height;

	for (i = 0; i < g->count; i++)
		if ((double)g->node[i].weight >= least && g->node[i].depth + 1 > depth)
			depth = g->node[i].depth + 1;
	height = HEADER + depth * ROW + PAD;
	strbuf_addf(out,
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" viewBox=\"0 0 %d "
		    "%zu\" "
		    "data-total=\"%" PRIu64 "\" data-unit=\"",
		    WIDTH, height, WIDTH, height, g->total);
	add_xml(out, str_from(opt->unit));
	strbuf_adds(out, "\">\n<style><![CDATA[\n");
	strbuf_adds(out, svg_style);
	strbuf_addf(out,
		    "]]></style>\n<rect id=\"paper\" width=\"%d\" height=\"%zu\" fill=\"#fff\"/>\n<g "
		    "id=\"frames\">\n",
		    WIDTH, height);
	for (i = 0; g->total && i < g->count; i++)
		add_node(out, g, &g->node[i], opt->unit);
	strbuf_adds(out, "</g>\n");
	add_header(out, g, opt, stacks);
	strbuf_adds(out, "<script><![CDATA[\n");
	strbuf_adds(out, svg_script);
	strbuf_adds(out, "]]></script>\n</svg>\n");
}

int stacks_add_svg(const struct stacks *st, const struct flame_options *opt, struct strbuf *out)
{
	struct graph g = {0};
	int ret;

	g.error = push_node(&g, NULL);
	stacks_each(st, add_stack, &g);
	ret = g.error ? g.error : read_before(&g, opt->before);
	if (!ret) {
		add_document(out, &g, opt, stacks_count(st));
		ret = out->failed ? -ENOMEM : 0;
	}
	table_free(g.before);
	free(g.node);
	free(g.open);
	return ret;
}

int stacks_write_svg(const struct stacks *st, const struct flame_options *opt, int fd)
{
	struct strbuf out = {0};
	size_t done = 0;
	int ret = stacks_add_svg(st, opt, &out);

	while (!ret && done < out.len) {
		ssize_t n = write(fd, out.ptr + done, out.len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			ret = -errno;
	}
	strbuf_free(&out);
	return ret;
}
