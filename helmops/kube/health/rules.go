package health

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cel"
)

// variables are the top-level fields of objects that expressions may ask for; one that an object lacks is an empty
// object.
var variables = []string{
	"apiVersion", "kind", "metadata", "spec", "status", "data", "binaryData", "type", "rules", "subsets", "endpoints",
	"provisioner", "parameters",
}

// language is made once, because that takes milliseconds.
var language = sync.OnceValues(func() (*cel.Language, error) { return cel.NewLanguage(variables...) })

// Rules judge objects by the CEL expressions of a release where it has some for their kind, and by the usual rules
// otherwise, or those of Helm 3. Nil has none. They may be used by several goroutines at a time.
type Rules struct {
	byKind map[schema.GroupKind]rule
	// asHelm is set when kinds without an expression are judged by the rules of Helm 3.
	asHelm bool
	digest string
}

type rule struct{ inProgress, failed, current *cel.Program }

// NewRules compiles expressions; nil when there are none. The error names the field and says what is wrong with it.
func NewRules(exprs []v1beta1.HealthCheckExpr) (*Rules, error) {
	if len(exprs) == 0 {
		return nil, nil
	}

	content, err := json.Marshal(exprs)
	if err != nil {
		return nil, fmt.Errorf("spec.healthCheckExprs: %w", err)
	}

	sum := sha256.Sum256(content)
	out := &Rules{byKind: map[schema.GroupKind]rule{}, digest: hex.EncodeToString(sum[:])}
	for i, given := range exprs {
		field := fmt.Sprintf("spec.healthCheckExprs[%d]", i)
		version, err := schema.ParseGroupVersion(given.APIVersion)
		if err != nil || version.Version == "" {
			return nil, fmt.Errorf("%s.apiVersion: %q is not GROUP/VERSION or VERSION", field, given.APIVersion)
		}

		kind := schema.GroupKind{Group: version.Group, Kind: given.Kind}
		if MetadataOnly(kind) {
			return nil, fmt.Errorf("%s: a %s is healthy as soon as it exists; its content is not watched and cannot be judged",
				field, given.Kind)
		}
		if _, twice := out.byKind[kind]; twice {
			return nil, fmt.Errorf("%s: there is an expression for %s already", field, kind)
		}

		judge, err := compileRule(given, field)
		if err != nil {
			return nil, err
		}

		out.byKind[kind] = judge
	}

	return out, nil
}

// AsHelm returns the rules with those of Helm 3 in the place of the usual ones. Expressions judge their kinds as
// before.
func (r *Rules) AsHelm() *Rules {
	out := Rules{asHelm: true, digest: "helm"}
	if r != nil {
		out.byKind = r.byKind
		out.digest = "helm " + r.digest
	}
	return &out
}

func compileRule(given v1beta1.HealthCheckExpr, field string) (out rule, err error) {
	compiler, err := language()
	if err != nil {
		return rule{}, err
	}

	for _, part := range []struct {
		name, text string
		into       **cel.Program
	}{
		{"inProgress", given.InProgress, &out.inProgress}, {"failed", given.Failed, &out.failed},
		{"current", given.Current, &out.current},
	} {
		if part.text == "" {
			if part.name == "current" {
				return rule{}, fmt.Errorf("%s.current is empty", field)
			}
			continue
		}
		if *part.into, err = compiler.Compile(part.text); err != nil {
			return rule{}, fmt.Errorf("%s.%s cannot be used: %w", field, part.name, err)
		}
	}

	return out, nil
}

// Digest tells one set of rules from another; empty for none.
func (r *Rules) Digest() string {
	if r == nil {
		return ""
	}
	return r.digest
}

// Judges reports whether the objects of a kind are not judged in the usual way.
func (r *Rules) Judges(kind schema.GroupKind) bool {
	if r == nil {
		return false
	}
	_, is := r.byKind[kind]
	return is || r.asHelm && !MetadataOnly(kind)
}

// Reports judges an object once for those that wait for a Job to start, and once for those that wait for it to
// complete.
func (r *Rules) Reports(object *unstructured.Unstructured) (ready, complete Report) {
	complete = r.Assess(object, true)
	if !isJob(object) {
		return complete, complete
	}
	return r.Assess(object, false), complete
}

// Assess judges an object. jobs is as for the function Assess.
func (r *Rules) Assess(object *unstructured.Unstructured, jobs bool) Report {
	if r == nil {
		return Assess(object, jobs)
	}

	judge, is := r.byKind[object.GroupVersionKind().GroupKind()]
	switch {
	case !is && r.asHelm:
		return assessAsHelm(object, jobs)
	case !is:
		return Assess(object, jobs)
	}

	if object.GetDeletionTimestamp() != nil {
		return Report{State: InProgress, Message: "is being deleted"}
	}

	observed, has, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if has && observed != object.GetGeneration() {
		message := fmt.Sprintf("its status is about generation %d, and it is at %d", observed, object.GetGeneration())
		return Report{State: InProgress, Message: message, Unobserved: true}
	}

	return judge.assess(object)
}

func (r rule) assess(object *unstructured.Unstructured) Report {
	given := make(map[string]any, len(variables))
	for _, name := range variables {
		if given[name] = object.Object[name]; given[name] == nil {
			given[name] = map[string]any{}
		}
	}

	var silent error
	holds := func(program *cel.Program) bool {
		if program == nil {
			return false
		}

		is, err := program.Holds(context.Background(), given) // it has a time of its own
		if err != nil && silent == nil {
			silent = err
		}

		return is
	}
	switch {
	case holds(r.inProgress):
		return Report{State: InProgress, Message: "its expression inProgress holds"}
	case holds(r.failed):
		return Report{State: Failed, Message: "its expression failed holds"}
	case holds(r.current):
		return Report{State: Current}
	case silent != nil:
		return Report{State: InProgress, Message: "none of its expressions holds, and one has no answer: " + silent.Error()}
	default:
		return Report{State: InProgress, Message: "none of its expressions holds"}
	}
}
