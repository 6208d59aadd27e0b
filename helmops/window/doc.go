// Package window says whether a time is within windows that come again, and when the next one opens. It is pure; the
// time is a parameter.
//
//	Allow  ────┐      ┌────────┐      ┌──
//	           └──────┘        └──────┘
//	Deny   ─────────────────┐────┐───────
//	                        └────┘
//	open   ────        ─────      ─       ──
//
// Pipelines promote, and releases and Kustomizations apply what is new, only while that is open.
package window
