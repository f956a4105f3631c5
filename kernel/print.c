/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/print.h"

#include <stdbool.h>
#include <stdint.h>

struct sink {
	char *at, *end;
};

struct spec {
	bool zero, left, is_long;
	int width;
};

static void put(struct sink *s, char c)
{
	if (s->at < s->end)
		*s->at++ = c;
}

static void put_padded(struct sink *s, const struct spec *spec, const char *text, int length)
{
	for (int i = length; i < spec->width && !spec->left; i++)
		put(s, spec->zero ? '0' : ' ');
	for (int i = 0; i < length; i++)
		put(s, text[i]);
	for (int i = length; i < spec->width && spec->left; i++)
		put(s, ' ');
}

static void put_number(struct sink *s, const struct spec *spec, uint64_t value, unsigned base,
		       bool negative)
{
	char digits[24];
	int at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		digits[--at] = '-';
	put_padded(s, spec, digits + at, (int)sizeof(digits) - at);
}

static const char *parse_spec(const char *f, struct spec *spec)
{
	*spec = (struct spec){0};
	for (;; f++) {
		if (*f == '0')
			spec->zero = true;
		else if (*f == '-')
			spec->left = true;
		else
			break;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		spec->width = spec->width * 10 + (*f - '0');
	for (; *f == 'l' || *f == 'z'; f++)
		spec->is_long = true;
	return f;
}

static void put_string(struct sink *s, const struct spec *spec, const char *text)
{
	int length = 0;

	if (!text)
		text = "(null)";
	while (text[length])
		length++;
	put_padded(s, spec, text, length);
}

static void put_signed(struct sink *s, const struct spec *spec, int64_t value)
{
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	put_number(s, spec, magnitude, 10, value < 0);
}

size_t print_args(char *buffer, size_t size, const char *f, va_list args)
{
	struct sink s = {buffer, buffer + size - 1};
	struct spec spec;
	char c;

	for (; *f; f++) {
		if (*f != '%') {
			put(&s, *f);
			continue;
		}
		f = parse_spec(f + 1, &spec);
		switch (*f) {
		case 's':
			put_string(&s, &spec, va_arg(args, const char *));
			break;
		case 'c':
			c = (char)va_arg(args, int);
			put_padded(&s, &spec, &c, 1);
			break;
		case 'd':
			put_signed(&s, &spec,
				   spec.is_long ? va_arg(args, int64_t) : va_arg(args, int));
			break;
		case 'u':
		case 'x':
			put_number(&s, &spec,
				   spec.is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned),
				   *f == 'u' ? 10 : 16, false);
			break;
		case 'p':
			put_number(&s, &spec, va_arg(args, uint64_t), 16, false);
			break;
		case '%':
			put(&s, '%');
			break;
		default:
			*s.at = 0;
			return (size_t)(s.at - buffer);
		}
	}
	*s.at = 0;
	return (size_t)(s.at - buffer);
}

size_t print_to(char *buffer, size_t size, const char *format, ...)
{
	va_list args;
	size_t n;

	va_start(args, format);
	n = print_args(buffer, size, format, args);
	va_end(args);
	return n;
}
