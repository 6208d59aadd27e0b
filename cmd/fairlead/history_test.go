package main

import "testing"

func TestHistory(t *testing.T) {
	t.Parallel()
	all := world{objects: everything()}
	runGolden(t, []goldenCase{
		{"history", all, "history release shop"},
		{"history-wide", all, "history release shop -o wide"},
		{"history-json", all, "history release api -o json"},
		{"history-empty", all, "history release broken"},
		{"history-empty-json", all, "history release broken -o json"},
		{"history-not-found", all, "history release sho"},
	})
}
