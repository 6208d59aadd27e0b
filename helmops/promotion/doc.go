// Package promotion decides which candidate, one exact chart digest, each stage of a pipeline gets next. It knows no
// client, no clock and no logger: everything it looks at comes in as a value, and what it answers is a value with a
// reason.
//
//	candidates ─┐
//	stages ─────┼─ Decide ─► for each stage: Decision{Step, Candidate, Phase, Message, Gates, Next}
//	freezes ────┤
//	now ────────┘
//
// The verdict about a candidate comes from the HelmReleases of a stage alone. A gate answers Pass, Wait until when, or
// Fail because. So the way of a chart reads as a list of decisions, for example of one that staging rolls back:
//
//	dev: promote 1.1.0 · dev: verified · staging: promote 1.1.0 · staging: reject, back to 1.0.0
package promotion
