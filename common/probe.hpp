// Points in the programs that can be watched from outside, as systemtap,
// bpftrace and perf know them (USDT): docs/operations.md. A point is one `nop`
// and an entry in the section .note.stapsdt of the file, with no switch, no
// counter and no argument, so it costs nothing.
//
// They stand between two steps that a write takes on the disk or in the
// database: where an ending at once must leave nothing half. tests/probes ends
// the programs at each of them.
#pragma once

#include <sys/sdt.h>

/// A point named `area.point`; its name as a probe is longshore:area__point.
#define LS_PROBE(area, point) STAP_PROBE(longshore, area##__##point)
