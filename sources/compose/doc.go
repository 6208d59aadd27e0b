// Package compose makes an archive of files of other archives, as the copy operations of an ArtifactGenerator say. The
// same archives and operations give the same bytes.
//
//	archives ─► tree: what each holds, links followed ─┐
//	operations ────────────────────────────────────────┴─► picks ─► spool: their content ─► stage ─► tar.gz
//
// For example: "@chart/" to "@artifact/", then "@repo/values-prod.yaml" to "@artifact/web/values.yaml" with the
// strategy Merge. The stage has the files of the chart after the first operation; the second one replaces one of them
// by the merged YAML.
package compose
