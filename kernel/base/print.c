/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/print.h"

struct sink {
	char *at, *end;
};

struct spec {
	bool is_long;
	char fill;
	int width;
};

static void put(struct sink *s, char c)
{
	if (s->at < s->end)
		*s->at++ = c;
}

static void put_text(struct sink *s, const struct spec *spec, const char *text)
{
	int length = 0;

	while (text[length])
		length++;
	for (int i = length; i < spec->width; i++)
		put(s, spec->fill);
	for (; *text; text++)
		put(s, *text);
}

static void put_number(struct sink *s, const struct spec *spec, uint64_t value, unsigned base,
		       bool negative)
{
	char digits[24], *at = &digits[sizeof(digits) - 1];

	*at = 0;
	do {
		*--at = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		*--at = '-';
	put_text(s, spec, at);
}

static const char *parse_spec(const char *f, struct spec *spec)
{
	*spec = (struct spec){.fill = *f == '0' ? '0' : ' '};
	for (; *f >= '0' && *f <= '9'; f++)
		spec->width = spec->width * 10 + (*f - '0');
	for (; *f == 'l'; f++)
		spec->is_long = true;
	return f;
}

size_t print_args(char *buffer, size_t size, const char *f, va_list args)
{
	struct sink s = {buffer, buffer + size - 1};
	struct spec spec;
	uint64_t value;
	bool negative;

	for (; *f; f++) {
		if (*f != '%') {
			put(&s, *f);
			continue;
		}
		f = parse_spec(f + 1, &spec);
		if (*f == 's') {
			put_text(&s, &spec, va_arg(args, const char *));
			continue;
		}
		value = spec.is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned);
		negative = *f == 'd' && (spec.is_long ? (int64_t)value : (int32_t)value) < 0;
		if (negative)
			value = spec.is_long ? 0 - value : 0 - (uint32_t)value;
		put_number(&s, &spec, value, *f == 'x' ? 16 : 10, negative);
	}
	*s.at = 0;
	return (size_t)(s.at - buffer);
}

bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}
