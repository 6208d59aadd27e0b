// Package source reconciles the kinds of sources: it decides when each is polled, and writes what the poll found into
// its status.
//
//	interval, spec, Secret, a choice without an answer ─► handler ─► Catalog.Poll ─► status, next poll
//
// For example: a HelmRelease asks for another version range. The HelmRepository has no answer to that choice, so its
// next poll is due now. The poll runs as a task; when it ends, the handler records it and plans the next one.
package source
