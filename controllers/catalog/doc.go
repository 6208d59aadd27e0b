// Package catalog answers which chart or artifact of a source a release means, and brings what upstream publishes
// into the artifact cache.
//
//	GitRepository, HelmRepository ─► Poll ─► cache{picks} ─┐
//	OCIRepository ─────────────────► Poll ─► status.chart ─┼─► Catalog.Chart(choice) ─► revision
//	HelmChart ─────── its choice ──────────► status.chart ─┘   Catalog.Archive(choice, revision)
//
// A Choice is what a release or HelmChart asks for: a chart, by name or path and version, of a source. A poll looks
// upstream once and answers all choices of its source at the same time. The catalog answers from memory and never
// waits: a choice that is not known yet is reported as pending, and the object that asked is reconciled when it is.
package catalog
