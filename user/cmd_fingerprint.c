/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd_fingerprint.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "detect/scenario.h"
#include "sql/sql.h"

static const char usage[] =
	"usage: apm-bpf fingerprint [OPTION…] [QUERY…]\n"
	"Prints the fingerprint and the normalised text of queries: the arguments, else\n"
	"one query per line of standard input.\n"
	"  -d, --dialect D   postgresql, mysql, sqlite or generic (default)\n"
	"  -f, --file F      statements of a whole file, each ended by ; (- is stdin)\n"
	"      --jsonl       one JSON object per line in, one out:\n"
	"                    {\"id\", \"dialect\", \"query\" or \"query_hex\"} gives {\"id\",\n"
	"                    \"fingerprint\", \"normalized\", \"operation\", \"collections\",\n"
	"                    \"summary\", \"class\", \"literal_hash\", \"tags\"}, or {\"id\",\n"
	"                    \"error\"}\n"
	"  -h, --help        this text\n"
	"Example\n"
	"  apm-bpf fingerprint \"SELECT name FROM users WHERE id = 7\"\n";

struct job {
	struct sql_options sql;
	char *buf; /* for sql_analyse() */
	size_t cap;
	/* What all statements of one text come to. */
	struct strbuf normalized;
	struct strbuf summary;
	struct strbuf tags;
	struct strbuf line;
	json_t *collections;
	char operation[32];
	enum sql_class stmt_class;
	uint64_t literal_hash;
	uint64_t fingerprint;
	unsigned int statements;
	int shape; /* no SQL: a command of a cache, a request */
	int failed;
};

static void job_free(struct job *job)
{
	free(job->buf);
	strbuf_free(&job->normalized);
	strbuf_free(&job->summary);
	strbuf_free(&job->tags);
	strbuf_free(&job->line);
	json_decref(job->collections);
}

static void add_str(struct strbuf *buf, struct str s, const char *separator)
{
	if (!s.len)
		return;
	if (buf->len)
		strbuf_adds(buf, separator);
	strbuf_add(buf, s.ptr, s.len);
}

/* A JSON string; what is no UTF-8 becomes U+FFFD. */
static json_t *json_text(struct job *job, struct str s)
{
	json_t *text = json_stringn(s.ptr ? s.ptr : "", s.len);

	if (text)
		return text;
	strbuf_reset(&job->line);
	strbuf_add_clean(&job->line, s, 1);
	return json_stringn(job->line.ptr ? job->line.ptr : "", job->line.len);
}

static void add_collections(struct job *job, struct str names)
{
	while (names.len) {
		const char *newline = memchr(names.ptr, '\n', names.len);
		size_t len = newline ? (size_t)(newline - names.ptr) : names.len, i;
		json_t *name = json_text(job, (struct str){names.ptr, len}), *other;

		json_array_foreach(job->collections, i, other) if (json_equal(name, other)) break;
		if (i == json_array_size(job->collections))
			json_array_append(job->collections, name);
		json_decref(name);
		len += newline != NULL;
		names.ptr += len;
		names.len -= len;
	}
}

/* One statement's result joins the others of its text; a query counts for more than
 * control statements around it. */
static void merge(struct job *job, const struct sql_info *info)
{
	if (info->tags.len)
		add_str(&job->tags, info->tags, "\n");
	if (info->stmt_class == SQL_CLASS_EMPTY)
		return;
	if (!job->statements ||
	    (job->stmt_class == SQL_CLASS_CONTROL && info->stmt_class == SQL_CLASS_QUERY)) {
		snprintf(job->operation, sizeof(job->operation), "%.*s", (int)info->operation.len,
			 info->operation.ptr);
		job->stmt_class = info->stmt_class;
	}
	job->fingerprint =
		job->statements ? hash_mix(job->fingerprint, info->fingerprint) : info->fingerprint;
	job->literal_hash = job->statements && info->literal_hash
				    ? hash_mix(job->literal_hash, info->literal_hash)
			    : info->literal_hash ? info->literal_hash
						 : job->literal_hash;
	job->statements++;
	add_str(&job->normalized, info->normalized, "; ");
	if (job->summary.len + info->summary.len + 2 <= SQL_SUMMARY_MAX)
		add_str(&job->summary, info->summary, "; ");
	if (job->collections)
		add_collections(job, info->collections);
}

static int reserve(struct job *job, size_t len)
{
	size_t need = sql_buffer_size(len);
	char *buf;

	if (job->cap >= need)
		return 0;
	buf = realloc(job->buf, need);
	if (!buf)
		return -ENOMEM;
	job->buf = buf;
	job->cap = need;
	return 0;
}

static void print_plain(const struct sql_info *info)
{
	struct strbuf clean = {0};
	char hex[17];

	if (info->stmt_class == SQL_CLASS_EMPTY)
		return;
	sql_fingerprint_format(info->fingerprint, hex);
	strbuf_add_clean(&clean, info->normalized, 0);
	printf("%s  %s\n", hex, clean.ptr ? clean.ptr : "");
	strbuf_free(&clean);
}

/* Every statement of text[0..len) to fn's merge, or printed. */
static int analyse_all(struct job *job, const char *text, size_t len, int print)
{
	struct sql_info info;
	int err = reserve(job, len);

	for (size_t at = 0; !err && at < len; at += info.consumed) {
		err = sql_analyse(text + at, len - at, &job->sql, job->buf, job->cap, &info);
		if (err)
			break;
		if (print)
			print_plain(&info);
		else
			merge(job, &info);
	}
	return err;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Decodes in place; the length, or -EINVAL. */
static ssize_t decode_hex(char *hex)
{
	size_t len = strlen(hex);

	if (len & 1)
		return -EINVAL;
	for (size_t i = 0; i < len / 2; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		hex[i] = (char)(high << 4 | low);
	}
	return (ssize_t)(len / 2);
}

static json_t *tags_object(struct job *job)
{
	json_t *object = json_object();
	char *line = job->tags.ptr, *end;

	for (; line && *line; line = end) {
		char *equals;
		json_t *value;

		end = strchrnul(line, '\n');
		if (*end)
			*end++ = '\0';
		equals = strchr(line, '=');
		if (!equals)
			continue;
		*equals = '\0';
		value = json_text(job, str_from(equals + 1));
		if (json_object_set_new(object, line, value))
			continue; /* a key that is no UTF-8 */
	}
	return object;
}

static void job_begin(struct job *job)
{
	strbuf_reset(&job->normalized);
	strbuf_reset(&job->summary);
	strbuf_reset(&job->tags);
	job->operation[0] = '\0';
	job->statements = 0;
	job->fingerprint = 0;
	job->literal_hash = 0;
	job->stmt_class = SQL_CLASS_EMPTY;
}

/* A command of a cache or a request: its shape, as the detectors have it. */
static void analyse_shape(struct job *job, struct str text)
{
	const char *blank = text.len ? memchr(text.ptr, ' ', text.len) : NULL;

	scenario_shape(&job->normalized, text);
	job->fingerprint = scenario_fingerprint((struct str){job->normalized.ptr, job->normalized.len});
	snprintf(job->operation, sizeof(job->operation), "%.*s", blank ? (int)(blank - text.ptr) : 0,
		 text.len ? text.ptr : "");
	job->stmt_class = text.len ? SQL_CLASS_QUERY : SQL_CLASS_EMPTY;
}

static json_t *answer(struct job *job, const char *text, size_t len)
{
	static const char *const classes[] = {"query", "control", "empty"};
	char fingerprint[17], literals[17];
	json_t *out = json_object();

	job_begin(job);
	json_decref(job->collections);
	job->collections = json_array();
	if (job->shape) {
		analyse_shape(job, (struct str){text, len});
	} else if (analyse_all(job, text, len, 0)) {
		json_object_set_new(out, "error", json_string("out of memory"));
		return out;
	}
	sql_fingerprint_format(job->fingerprint, fingerprint);
	sql_fingerprint_format(job->literal_hash, literals);
	json_object_set_new(out, "fingerprint", json_string(fingerprint));
	json_object_set_new(out, "normalized",
			    json_text(job, (struct str){job->normalized.ptr, job->normalized.len}));
	json_object_set_new(out, "operation", json_string(job->operation));
	json_object_set(out, "collections", job->collections);
	json_object_set_new(out, "summary", json_text(job, (struct str){job->summary.ptr, job->summary.len}));
	json_object_set_new(out, "class", json_string(classes[job->stmt_class]));
	json_object_set_new(out, "literal_hash", json_string(literals));
	json_object_set_new(out, "tags", tags_object(job));
	return out;
}

static void json_line(struct job *job, const char *line, size_t len)
{
	json_error_t error;
	json_t *in = json_loadb(line, len, JSON_ALLOW_NUL, &error), *query, *hex, *out = NULL;
	const char *dialect;
	enum span_type type;

	query = json_object_get(in, "query");
	hex = json_object_get(in, "query_hex");
	dialect = json_string_value(json_object_get(in, "dialect"));
	if (dialect)
		job->sql.dialect = sql_dialect_from(str_from(dialect));
	type = scenario_type(dialect ? str_from(dialect) : STR(""));
	job->shape = type == SPAN_CACHE || type == SPAN_HTTP;
	if (json_is_string(query)) {
		out = answer(job, json_string_value(query), json_string_length(query));
	} else if (json_is_string(hex)) {
		char *bytes = strdup(json_string_value(hex));
		ssize_t n = bytes ? decode_hex(bytes) : -ENOMEM;

		if (n >= 0)
			out = answer(job, bytes, (size_t)n);
		free(bytes);
	}
	if (!out) {
		out = json_object();
		json_object_set_new(out, "error",
				    json_string(in ? "no \"query\" and no valid \"query_hex\"" : error.text));
		job->failed = 1;
	}
	if (json_object_get(in, "id"))
		json_object_set(out, "id", json_object_get(in, "id"));
	json_dumpf(out, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(out);
	json_decref(in);
}

static int each_line(struct job *job, int jsonl)
{
	enum sql_dialect dialect = job->sql.dialect;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&line, &cap, stdin)) >= 0) {
		if (len && line[len - 1] == '\n')
			len--;
		if (!jsonl) {
			err = analyse_all(job, line, (size_t)len, 1);
		} else if (strspn(line, " \t\r\n") < (size_t)len) {
			job->sql.dialect = dialect;
			json_line(job, line, (size_t)len);
		}
	}
	if (!err && !feof(stdin))
		err = -errno;
	free(line);
	return err;
}

static int whole_file(struct job *job, const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	struct strbuf text = {0};
	char chunk[65536];
	size_t n;
	int err = 0;

	if (!file)
		return -errno;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		strbuf_add(&text, chunk, n);
	if (ferror(file))
		err = -EIO;
	else if (text.failed)
		err = -ENOMEM;
	if (file != stdin)
		fclose(file);
	if (!err)
		err = analyse_all(job, text.ptr, text.len, 1);
	strbuf_free(&text);
	return err;
}

static int bad_dialect(const char *name)
{
	return sql_dialect_from(str_from(name)) == SQL_GENERIC && strcmp(name, "generic") != 0;
}

int cmd_fingerprint(int argc, char **argv)
{
	static const struct option options[] = {
		{"dialect", required_argument, NULL, 'd'},
		{"file", required_argument, NULL, 'f'},
		{"jsonl", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct job job = {0};
	const char *path = NULL;
	int jsonl = 0, opt, err = 0;

	optind = 0; /* the caller may have parsed options before */
	while ((opt = getopt_long(argc, argv, "d:f:h", options, NULL)) >= 0) {
		switch (opt) {
		case 'd':
			if (bad_dialect(optarg)) {
				fprintf(stderr, "fingerprint: unknown dialect '%s'\n", optarg);
				return 2;
			}
			job.sql.dialect = sql_dialect_from(str_from(optarg));
			break;
		case 'f':
			path = optarg;
			break;
		case 'j':
			jsonl = 1;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs("Try 'apm-bpf fingerprint --help'.\n", stderr);
			return 2;
		}
	}
	if ((path != NULL) + jsonl + (optind < argc) > 1) {
		fputs("fingerprint: QUERY, --file and --jsonl exclude each other\n", stderr);
		return 2;
	}
	if (path)
		err = whole_file(&job, path);
	else if (optind == argc)
		err = each_line(&job, jsonl);
	for (int i = optind; !err && i < argc; i++)
		err = analyse_all(&job, argv[i], strlen(argv[i]), 1);
	if (err)
		fprintf(stderr, "fingerprint: %s: %s\n", path ? path : "input", strerror(-err));
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "fingerprint: cannot write: %s\n", strerror(errno));
		err = -EIO;
	}
	job_free(&job);
	return err || job.failed ? 1 : 0;
}
