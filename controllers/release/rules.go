package release

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/health"
)

// rules compiles the health checks and drift rules of releases, each generation once. The zero value has none.
type rules struct {
	mu    sync.Mutex
	known map[types.NamespacedName]compiledRules
}

type compiledRules struct {
	uid        types.UID
	generation int64
	health     *health.Rules
	ignore     *drift.Rules
	err        error
}

// of returns the rules of a release. The error is an obstacle that names the rule.
func (r *rules) of(hr *v1beta1.HelmRelease) (*health.Rules, *drift.Rules, error) {
	key := client.ObjectKeyFromObject(hr)
	r.mu.Lock()
	defer r.mu.Unlock()
	known, is := r.known[key]
	if !is || known.uid != hr.UID || known.generation != hr.Generation {
		known = compileRules(hr)
		if r.known == nil {
			r.known = map[types.NamespacedName]compiledRules{}
		}

		r.known[key] = known
	}

	return known.health, known.ignore, known.err
}

func compileRules(hr *v1beta1.HelmRelease) compiledRules {
	out := compiledRules{uid: hr.UID, generation: hr.Generation}
	var err error
	if out.health, err = health.NewRules(hr.Spec.HealthCheckExprs); err != nil {
		out.err = refs.TerminalObstacle(v1beta1.InvalidCELExpressionReason, "%s", err)
		return out
	}

	if hr.WaitsAsHelm() {
		out.health = out.health.AsHelm()
	}

	if out.ignore, err = drift.Compile(hr.GetDriftIgnore()); err != nil {
		out.err = refs.TerminalObstacle(v1beta1.InvalidDriftRuleReason, "spec.driftDetection.ignore: %s", err)
		return out
	}

	return out
}

func (r *rules) forget(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, key)
}
