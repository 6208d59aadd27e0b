// Package view is the read model of everything that shows Fairlead to people and to scripts: it turns API values into
// rows and details with a stable JSON form, and says once, for all of them, in which phase an object is.
//
//	API server ── Reader ──► api/v1beta1 values ── projection ──► ReleaseRow, SourceRow, ReleaseStatus, HistoryRow
//	                                                  │
//	                                                PhaseOf: Pending · Waiting · Progressing · Ready · Failed · Stalled ·
//	                                                         Held · Suspended · Deleting · Unknown
//
// The projections know no client, no clock and no output: ages, colours and columns belong to the printer. A release
// whose upgrade fails and is tried again reads, over time:
//
//	Pending · Progressing · Failed (next: retry) · Progressing · Ready (next: audit)
package view
