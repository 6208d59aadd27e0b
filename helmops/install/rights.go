package install

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// right is a verb on a resource. The namespace is empty where the right has to hold in all of them, or has none.
type right struct {
	verb      string
	resource  schema.GroupResource
	namespace string
}

// deniedError is a request that the API server refused, because the caller lacks the right.
type deniedError struct {
	right
}

// Error implements error.
func (e *deniedError) Error() string {
	return "you may not " + strings.Join(grouped([]right{e.right}), ", ")
}

// deniedOr makes a deniedError of the API server's answer that something is forbidden; other errors pass unchanged.
func deniedOr(err error, r right) error {
	if apierrors.IsForbidden(err) {
		return &deniedError{r}
	}
	return err
}

// unseen collects the rights that the caller lacks to look at something.
type unseen []right

// note takes over the right that an error says is missing; false for another error.
func (u *unseen) note(err error) bool {
	var denied *deniedError
	if !errors.As(err, &denied) {
		return false
	}
	*u = append(*u, denied.right)
	return true
}

// checks says what was not looked at, one for each group of rights; none when nothing is missing.
func (u unseen) checks() []Check {
	texts := grouped(u)
	out := make([]Check, 0, len(texts))
	for _, text := range texts {
		out = append(out, Check{
			Name: "not checked", Outcome: Failed, Message: "you may not " + text,
			Fix: "run fairlead check with the rights of a cluster administrator",
		})
	}
	return out
}

// grouped says in one text for each API group, namespace and set of verbs which rights these are, for example:
// get, create, patch clusterroles, clusterrolebindings (rbac.authorization.k8s.io).
func grouped(rights []right) []string {
	type object struct {
		resource  schema.GroupResource
		namespace string
	}
	verbs := map[object][]string{}
	for _, r := range rights {
		o := object{r.resource, r.namespace}
		if !slices.Contains(verbs[o], r.verb) {
			verbs[o] = append(verbs[o], r.verb)
		}
	}

	type group struct{ api, namespace, verbs string }
	resources := map[group][]string{}
	for o, v := range verbs {
		g := group{o.resource.Group, o.namespace, strings.Join(v, ", ")}
		resources[g] = append(resources[g], o.resource.Resource)
	}

	out := make([]string, 0, len(resources))
	for _, g := range slices.SortedFunc(maps.Keys(resources), func(a, b group) int {
		return strings.Compare(a.api+"\x00"+a.namespace+"\x00"+a.verbs, b.api+"\x00"+b.namespace+"\x00"+b.verbs)
	}) {
		text := g.verbs + " " + strings.Join(slices.Sorted(slices.Values(resources[g])), ", ")
		if g.api != "" {
			text += fmt.Sprintf(" (%s)", g.api)
		}
		if g.namespace != "" {
			text += " in namespace " + g.namespace
		}

		out = append(out, text)
	}

	return out
}
