package view

import (
	"slices"
	"strings"

	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/plan"
)

// NextHooks says which hooks the next action runs.
type NextHooks struct {
	// Install is set when it is an install, and not an upgrade.
	Install bool
	// Disabled is set when it runs none but tests.
	Disabled bool
	// Tests that follow it.
	Tests plan.Tests
}

func (n NextHooks) run(h HookDifference) bool {
	events := []string{"pre-upgrade", "post-upgrade"}
	if n.Install {
		events = []string{"pre-install", "post-install"}
	}

	isTest := slices.Contains(h.Events, "test") && n.Tests.Run(h.Name)
	isHook := slices.ContainsFunc(h.Events, func(e string) bool { return slices.Contains(events, e) })
	return h.Change != diff.Deleted && (isTest || isHook && !n.Disabled)
}

// HooksOfNext are the hooks that differ, or that the next action runs. Runs of each says which.
func HooksOfNext(hooks []HookDifference, next NextHooks) []HookDifference {
	out := []HookDifference{}
	for _, h := range hooks {
		h.Runs = next.run(h)
		if h.Runs || h.Change != SameHook {
			out = append(out, h)
		}
	}

	return out
}

// ellipsis stands for what is random in a name. No name of Kubernetes has it.
const ellipsis = "…"

// settledHooks gives hooks whose names are made at random one name in all revisions: the part that two renderings have in
// common, and an ellipsis. Test Pods often have such names.
func settledHooks(from, to, again []engine.ContentHook) (was, is []engine.ContentHook) {
	was = slices.Clone(from)
	is = slices.Clone(to)
	if len(to) != len(again) {
		return was, is
	}

	for i, h := range to {
		if h.Kind != again[i].Kind || h.Name == again[i].Name {
			continue
		}

		common := commonPrefix(h.Name, again[i].Name)
		is[i] = renamed(h, common+ellipsis)
		at := slices.IndexFunc(was, func(o engine.ContentHook) bool {
			return o.Kind == h.Kind && strings.HasPrefix(o.Name, common) && !strings.HasSuffix(o.Name, ellipsis) &&
				slices.Equal(o.Events, h.Events)
		})
		if at >= 0 {
			was[at] = renamed(was[at], common+ellipsis)
		}
	}

	return was, is
}

func renamed(h engine.ContentHook, name string) engine.ContentHook {
	h.Manifest = strings.ReplaceAll(h.Manifest, h.Name, name)
	h.Name = name
	return h
}

// commonPrefix is how two names begin alike, up to a separator where there is one: characters made at random may be
// equal by chance.
func commonPrefix(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	if separator := strings.LastIndexAny(a[:n], "-."); separator >= 0 {
		n = separator + 1
	}
	return a[:n]
}
