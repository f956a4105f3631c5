/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's facts for Prometheus, over HTTP. */
#pragma once

/* Listens where the command line says (`metrics=PORT`), after the network stack has started. */
void web_start(const char *cmdline);
