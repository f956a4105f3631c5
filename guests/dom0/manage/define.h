/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that stay: their descriptions, as the texts that they came as, and their marks are in the
 * store (store/store.h), as far as there is one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct config_error;
struct vm;
struct vm_config;

/*
 * The end of a change: `wrong` is the reason for a failure, or NULL. `vm` is the guest, NULL if
 * there is none (any more). `note` is what the operator must know about a success, or "".
 */
typedef void define_done(void *context, struct vm *vm, const char *wrong, const char *note);

/*
 * Defines a guest from the text of a description, or gives the guest of that name and UUID this
 * one: when it ends if it runs. The text is copied; `file` is its name in messages. Keeps it in the
 * store, whose volumes it makes if there is one pool that may have them; where nothing can be kept,
 * the guest is defined all the same, with a note.
 *
 * Returns NULL, and `done` is called then, at once or from the event loop; or returns the reason
 * why there is no such guest, "" if the reasons are *error's refusals. *error has notes in any
 * case.
 */
const char *define_guest(const char *file, const char *xml, size_t bytes,
			 struct config_error *error, define_done *done, void *context);
/* The same for a text that has been parsed, and so cannot have refusals. The config is the
 * function's in any case. */
const char *define_parsed(struct vm_config *config, const char *xml, size_t bytes,
			  define_done *done, void *context);

/* Takes a guest's description away: at once if it is off, or when it ends. Like the next, it
 * returns the reason why it does not begin, or NULL, and `done` is called then. */
const char *undefine_guest(struct vm *vm, define_done *done, void *context);
/* Marks a guest to start with the machine, or takes the mark away. */
const char *mark_guest(struct vm *vm, bool autostart, define_done *done, void *context);

/* The operator has changed a guest's description: the store gets it as XML of dumpxml's, in the
 * place of the text that it has. Nothing happens for a guest that is not kept, or whose description
 * comes from the boot medium: `done` is called at once. */
const char *rewrite_guest(struct vm *vm, define_done *done, void *context);

/* Gives a guest that description, which has its name and becomes this function's: as define_guest
 * does with a text, but a guest that is not kept stays so. */
const char *redefine_guest(struct vm *vm, struct vm_config *config, define_done *done,
			   void *context);
/* Gives a guest that is off another name: at once and in the store. */
const char *rename_guest(struct vm *vm, const char *name, define_done *done, void *context);

/* Defines the guests of the store that the boot medium has not brought, in the order of their
 * names, once the store has been read. */
void recall_guests(void);

/*
 * Descriptions in the store that are not accepted any more are kept, until the operator defines or
 * undefines a guest of that name. By number, from 0; NULL: there are no more.
 */
struct refused_guest {
	struct refused_guest *next;
	char *why;      /* lines, as those of a report of config.h */
	bool autostart; /* its mark, which the guest gets that is defined in its place */
	char name[];
};
const struct refused_guest *refused_guest_at(unsigned index);
const struct refused_guest *refused_guest(const char *name);
/* Gives the text of such a description to `put`. */
void refused_guest_text(const char *name,
			void (*put)(void *context, const char *text, size_t bytes), void *context);
const char *forget_refused(const char *name, define_done *done, void *context);
