package preview

import (
	"cmp"
	"fmt"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
)

// Class is how risky a change is. A higher one is riskier.
type Class int

// Classes of risk.
const (
	// None is a change that neither restarts nor removes anything.
	None Class = iota
	// Restart is a change that replaces pods.
	Restart
	// Recreate is a change of a field that cannot be changed in place: the API server refuses it unless the object is
	// deleted and created again.
	Recreate
	// DataLoss is a change that deletes what is not in any manifest: volumes, namespaces, custom resources.
	DataLoss
	// Escalation is a change that gives rights to workloads or subjects which they do not have.
	Escalation
)

// String is the name of the class in the API.
func (c Class) String() string {
	names := v1beta1.Risks()
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("Class(%d)", int(c))
	}
	return names[c]
}

// Risk is one reason why a change is risky.
type Risk struct {
	Class Class
	// Why in a few words that follow the name of the object. It shows no value of a Secret.
	Why string
}

// facts are what the rules know of one object.
type facts struct {
	id ref
	// change is Created, Changed or Deleted of package diff.
	change string
	// paths are all fields that differ, fields those that do not change by themselves.
	paths, fields []diff.Field
	// was and is are the object before and after; nil when there is none.
	was, is map[string]any
}

// rule returns the risks that it sees in the change of one object.
type rule struct {
	name string
	look func(facts) []Risk
}

// rules are independent of each other; their order is that of risks of one class.
var rules = []rule{
	{"rights that roles give", roleRights},
	{"subjects that get a role", boundSubjects},
	{"pods with rights on their node", privilegedPods},
	{"code that the API server asks", admission},
	{"volumes that are deleted", deletedVolumes},
	{"namespaces that are deleted", deletedNamespaces},
	{"definitions and their custom resources", definitions},
	{"fields that cannot be changed", immutableFields},
	{"pods that are replaced", restarts},
}

// risksOf are the risks of the change of one object, the highest class first.
func risksOf(f facts) []Risk {
	out := make([]Risk, 0, len(rules))
	for _, r := range rules {
		out = append(out, r.look(f)...)
	}
	slices.SortStableFunc(out, func(a, b Risk) int { return cmp.Compare(b.Class, a.Class) })
	return out
}

func risk(class Class, format string, args ...any) []Risk {
	return []Risk{{Class: class, Why: fmt.Sprintf(format, args...)}}
}
