/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/script.h"

#include <stdlib.h>
#include <string.h>

void script_add(struct script *script, struct script_step step)
{
	if (script->count == script->room) {
		uint32_t room = script->room ? 2 * script->room : 64;
		struct script_step *more = realloc(script->step, room * sizeof(*more));

		if (!more) {
			script->out_of_memory = true;
			return;
		}
		script->step = more;
		script->room = room;
	}
	script->step[script->count++] = step;
}

static void next_step(struct script *script);

static void step_done(struct transfer *transfer, bool right)
{
	struct script *script = transfer->context;
	uint32_t target = script->step[script->at].target;

	if (!right && target == SCRIPT_ALL) {
		script->at = script->count;
		script->failed_targets = script->targets + 1;
	} else if (!right) {
		script->failed[target] = true;
		script->failed_targets++;
	}
	script->at++;
	script->again = true;
	if (!script->working)
		next_step(script);
}

static bool is_skipped(const struct script *script)
{
	uint32_t target = script->step[script->at].target;

	return target != SCRIPT_ALL && script->failed[target];
}

/* Steps that end at once do not nest: the loop goes on with the next. */
static void next_step(struct script *script)
{
	script->working = true;
	do {
		script->again = false;
		while (script->at < script->count && is_skipped(script))
			script->at++;
		if (script->at >= script->count) {
			bool right =
				!script->failed_targets || script->failed_targets < script->targets;

			script->done(script, right);
			return;
		}
		const struct script_step *step = &script->step[script->at];

		script->transfer = (struct transfer){
			.dev = step->dev,
			.kind = step->kind,
			.offset = step->offset,
			.data = (uint8_t *)step->data,
			.bytes = step->bytes,
			.done = step_done,
			.context = script,
		};
		transfer_start(&script->transfer);
	} while (script->again);
	script->working = false;
}

void script_run(struct script *script, void (*done)(struct script *script, bool right))
{
	script->done = done;
	script->at = 0;
	if (script->out_of_memory)
		done(script, false);
	else
		next_step(script);
}

void script_free(struct script *script)
{
	free(script->step);
	memset(script, 0, sizeof(*script));
}
