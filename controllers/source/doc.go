// Package source brings what upstream publishes into the artifact cache, and answers which chart a release means.
//
//	GitRepository, HelmRepository ─► poll ─► Shelf{picks} ─┐
//	OCIRepository ─────────────────► poll ─► status.chart ─┼─► Catalog.Chart(choice) ─► ChartRevision
//	HelmChart ─────── its choice ──────────► status.chart ─┘   Catalog.Archive(choice, revision) ─► bytes
//
// A Choice is what a release or HelmChart asks for: a chart, by name or path and version, of a source. A poll looks
// upstream once and answers all choices of its source at the same time. The catalog answers from memory and never waits:
// a choice that is not known yet is reported as pending, and whoever asked is woken when it is.
package source
