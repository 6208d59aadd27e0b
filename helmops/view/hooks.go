package view

import "slices"

// HooksOfNext are the hooks that differ, or that the next install, or else upgrade, would run. Runs of each says which.
func HooksOfNext(hooks []HookDifference, install, disabled bool) []HookDifference {
	events := []string{"pre-upgrade", "post-upgrade"}
	if install {
		events = []string{"pre-install", "post-install"}
	}

	out := []HookDifference{}
	for _, h := range hooks {
		runs := slices.ContainsFunc(h.Events, func(e string) bool { return slices.Contains(events, e) })
		h.Runs = !disabled && h.Change != "deleted" && runs
		if h.Runs || h.Change != SameHook {
			out = append(out, h)
		}
	}

	return out
}
