/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE 768

struct parse {
	struct args *args;
	const char *verb;
	void (*error)(const char *text);
};

__attribute__((format(printf, 2, 3))) static int fail(const struct parse *p, const char *format,
						      ...)
{
	char text[LINE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	p->error(text);
	return 0;
}

static int find(const struct arg *arg, const char *name, size_t bytes)
{
	for (int i = 0; arg[i].name; i++)
		if (strlen(arg[i].name) == bytes && !memcmp(arg[i].name, name, bytes))
			return i;
	return -1;
}

/* `many` has room: it holds as many words as a line may have. */
static void put(struct args *args, int i, const char *value)
{
	args->value[i] = value;
	if (args->arg[i].kind == ARG_MANY)
		args->many[args->many_count++] = value;
}

/* An option of one letter stands behind one "-", any other behind "--". */
static const char *dashes(const struct arg *arg)
{
	return arg->name[1] ? "--" : "-";
}

static bool is_named(const struct args *args, const char *word)
{
	return !strncmp(word, "--", 2) ||
	       (word[0] == '-' && word[1] && !word[2] && find(args->arg, word + 1, 1) >= 0);
}

/* "--name", "--name=value" or "--name value". Returns the number of words that it takes, 0 after a
 * message. */
static int take_named(const struct parse *p, int left, char *word[])
{
	const char *name = word[0] + (word[0][1] == '-' ? 2 : 1), *value = NULL;
	size_t n = strcspn(name, "=");
	int i = find(p->args->arg, name, n);
	const struct arg *arg;

	if (i < 0)
		return fail(p, "command '%s' doesn't support option --%.*s", p->verb, (int)n, name);
	arg = &p->args->arg[i];
	if (name[n])
		value = name + n + 1;
	if (arg->kind != ARG_MANY && p->args->value[i])
		return fail(p, "option %s%s already seen", dashes(arg), arg->name);
	if (arg->kind == ARG_FLAG && value)
		return fail(p, "invalid '=' after option --%s", arg->name);
	if (arg->kind == ARG_FLAG || value) {
		put(p->args, i, value ? value : "");
		return 1;
	}
	if (left < 2)
		return fail(p, "expected syntax: %s%s <%s>", dashes(arg), arg->name,
			    arg->kind == ARG_NUMBER ? "number" : "string");
	put(p->args, i, word[1]);
	return 2;
}

/* A word without a name belongs to the first option that takes a value and has none yet. */
static int take_unnamed(const struct parse *p, const char *word)
{
	const struct arg *arg = p->args->arg;

	for (int i = 0; arg[i].name; i++) {
		if (arg[i].kind == ARG_FLAG || arg[i].need == ARG_NAMED)
			continue;
		if (arg[i].kind != ARG_MANY && p->args->value[i])
			continue;
		put(p->args, i, word);
		return 1;
	}
	return fail(p, "unexpected data '%s'", word);
}

static bool is_complete(const struct parse *p)
{
	const struct arg *arg = p->args->arg;
	bool complete = true;

	for (int i = 0; arg[i].name; i++) {
		if (arg[i].need != ARG_REQUIRED || p->args->value[i])
			continue;
		fail(p,
		     arg[i].kind == ARG_NUMBER ? "command '%s' requires --%s option"
					       : "command '%s' requires <%s> option",
		     p->verb, arg[i].name);
		complete = false;
	}
	return complete;
}

bool args_parse(struct args *args, const struct arg *arg, int count, char *word[],
		void (*error)(const char *text))
{
	const struct parse p = {args, word[0], error};
	bool data_only = false;
	int used;

	memset(args, 0, sizeof(*args));
	args->arg = arg;
	for (int i = 1; i < count; i += used) {
		used = 1;
		if (!data_only && !strcmp(word[i], "--"))
			data_only = true;
		else if (!data_only && is_named(args, word[i]))
			used = take_named(&p, count - i, word + i);
		else
			used = take_unnamed(&p, word[i]);
		if (!used)
			return false;
	}
	return is_complete(&p);
}

const char *args_text(const struct args *args, const char *name)
{
	int i = find(args->arg, name, strlen(name));

	return i < 0 ? NULL : args->value[i];
}

bool args_flag(const struct args *args, const char *name)
{
	return args_text(args, name) != NULL;
}

/* virsh shows the name of a last option for many words only behind an option that has a value. */
static void synopsis_of(const struct arg *arg, bool behind, char *text, size_t size)
{
	const char *what = arg->kind == ARG_NUMBER ? "number" : "string";

	if (arg->kind == ARG_FLAG)
		snprintf(text, size, "[%s%s]", dashes(arg), arg->name);
	else if (arg->kind == ARG_MANY)
		snprintf(text, size, behind ? "[[--%s] <string>]..." : "[<%s>]...", arg->name);
	else if (arg->need == ARG_REQUIRED)
		snprintf(text, size, "<%s>", arg->name);
	else
		snprintf(text, size, "[%s%s <%s>]", dashes(arg), arg->name, what);
}

void args_synopsis(const struct arg *arg, const char *verb, void (*line)(const char *text))
{
	char text[LINE], one[64];
	bool behind = false;
	size_t at;

	at = (size_t)snprintf(text, sizeof(text), "    %s", verb);
	for (; arg->name; arg++) {
		synopsis_of(arg, behind, one, sizeof(one));
		behind = behind || (arg->kind != ARG_FLAG && arg->need != ARG_NAMED);
		if (at + strlen(one) + 2 > sizeof(text))
			break;
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %s", one);
	}
	line(text);
}

static void name_of(const struct arg *arg, bool behind, char *text, size_t size)
{
	const char *what = arg->kind == ARG_NUMBER ? "number" : "string";

	if (arg->kind == ARG_FLAG)
		snprintf(text, size, "%s%s", dashes(arg), arg->name);
	else if (arg->kind == ARG_MANY && !behind)
		snprintf(text, size, "<%s>", arg->name);
	else if (arg->kind == ARG_MANY || arg->need == ARG_REQUIRED)
		snprintf(text, size, "[--%s] <%s>", arg->name, what);
	else
		snprintf(text, size, "%s%s <%s>", dashes(arg), arg->name, what);
}

void args_describe(const struct arg *arg, void (*line)(const char *text))
{
	char text[LINE], name[64];
	bool behind = false;

	for (; arg->name; arg++) {
		name_of(arg, behind, name, sizeof(name));
		behind = behind || (arg->kind != ARG_FLAG && arg->need != ARG_NAMED);
		snprintf(text, sizeof(text), "    %-15s  %s", name, arg->help);
		line(text);
	}
}
