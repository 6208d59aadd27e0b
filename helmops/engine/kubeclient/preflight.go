package kubeclient

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// surroundings are kinds that decide what the API server admits. While one of them changes together with the rest of
// the release, what is refused now may be admitted by then.
var surroundings = sets.New(
	schema.GroupKind{Kind: "Namespace"}, schema.GroupKind{Kind: "ServiceAccount"},
	schema.GroupKind{Kind: "ResourceQuota"}, schema.GroupKind{Kind: "LimitRange"},
	schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"},
	schema.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"},
	schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "Role"},
	schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"},
	schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"},
	schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicyBinding"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"},
)

var customResourceDefinition = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// Proposal is an update that Preflight looks at.
type Proposal struct {
	// Manifest to update to, and Former, from which a client-side update would compute what changes. Former may be
	// empty.
	Manifest, Former string
	// Namespaces that the action makes before the update.
	Namespaces []string
}

// Preflight asks the API server, without changing anything, whether it would take what an update to the manifest
// writes. Objects that the update would leave alone cost no request. What the update itself makes room for is not asked
// for: objects in namespaces that it brings or that are made before, and objects of kinds that it defines.
//
// It fails with an InvalidObjectsError when the API server would refuse objects, and with what went wrong when that is
// not known.
func (c *Client) Preflight(update Proposal) error {
	objects, err := c.Build(strings.NewReader(update.Manifest), false)
	if err != nil {
		return err
	}

	p := c.newPreflight(update, objects)
	c.trackParsed()
	asked, failures := p.askAll(objects, func(*resource.Info) bool { return true })
	c.stopWithProcess()
	return p.verdict(objects, asked, failures)
}

func (c *Client) newPreflight(update Proposal, objects kube.ResourceList) *preflight {
	original, err := c.Build(strings.NewReader(update.Former), false)
	if err != nil {
		original = nil // it has kinds that are no longer served
	}

	c.definesOf(objects)
	c.scaled = scaledBy(objects)
	p := &preflight{
		Client: c, original: c.withLeftovers(original),
		namespaces: sets.New(update.Namespaces...), defined: sets.New[schema.GroupKind](),
	}
	p.survey(objects)
	return p
}

// askAll has the API server check the objects that are wanted. It returns for each object whether it would change, and
// what there is against it.
func (p *preflight) askAll(objects kube.ResourceList, wanted func(*resource.Info) bool) (asked []bool, failures []error) {
	asked = make([]bool, len(objects))
	failures = make([]error, len(objects))
	var group errgroup.Group
	group.SetLimit(writesAtOnce)
	for i, info := range objects {
		if p.defined.Has(info.Mapping.GroupVersionKind.GroupKind()) || !wanted(info) {
			continue
		}

		if plain(info) {
			failures[i] = texts(info)
			continue
		}

		group.Go(func() error {
			failures[i] = guard.Do("checking an object", func() (err error) {
				asked[i], err = p.ask(info)
				return err
			})
			return nil
		})
	}

	_ = group.Wait() // the failures are all wanted, not the first
	p.judgeDefined(objects, asked, failures)
	return asked, failures
}

// plain reports whether an object is hardly ever refused: it only holds data, and is not sealed. Most upgrades change
// one; what an admission policy has against it fails the upgrade itself.
func plain(info *resource.Info) bool {
	kind := info.Mapping.GroupVersionKind
	content, ok := info.Object.(*unstructured.Unstructured)
	if !ok || kind.Group != "" || kind.Kind != "ConfigMap" && kind.Kind != "Secret" {
		return false
	}
	_, sealed := content.Object["immutable"]
	return !sealed
}

// preflight is what one update makes room for.
type preflight struct {
	*Client
	// original are the objects of the revision before.
	original   kube.ResourceList
	namespaces sets.Set[string]
	defined    sets.Set[schema.GroupKind]
}

func (p *preflight) survey(objects kube.ResourceList) {
	for _, info := range objects {
		switch info.Mapping.GroupVersionKind.GroupKind() {
		case schema.GroupKind{Kind: "Namespace"}:
			p.namespaces.Insert(info.Name)
		case customResourceDefinition:
			if content, ok := info.Object.(*unstructured.Unstructured); ok {
				group, _, _ := unstructured.NestedString(content.Object, "spec", "group")
				kind, _, _ := unstructured.NestedString(content.Object, "spec", "names", "kind")
				p.defined.Insert(schema.GroupKind{Group: group, Kind: kind})
			}
		}
	}
}

// ask tries the write of one object, and reports whether there is anything to write.
func (p *preflight) ask(info *resource.Info) (changes bool, err error) {
	(&inspection{Client: p.Client, info: info}).claim() // Helm does it to what it updates
	body, err := ssa.ApplyBody(info.Object.(*unstructured.Unstructured))
	if err != nil {
		return true, fmt.Errorf("encoding %s: %w", name(info), err)
	}

	w := desired{body: body, sum: ssa.Checksum(body)}
	entry, there := p.known(info)
	switch {
	case there && entry.Deleting:
		return true, nil // it is recreated once it is gone
	case p.options.ClientSide:
		return p.askClientSide(info)
	case there && unchanged(entry, w.sum):
		return false, nil
	case there && entry.Legacy:
		_, err = p.patch(info, w.body, true)
		// Fields of Helm clients are taken over first: what else a trial says is not final.
		return true, p.mistyped(info, err)
	case !there && (p.original.Get(info) == nil || p.tracker.Tracks(info.Mapping.GroupVersionKind)):
		return true, p.create(info)
	}

	if p.autoscaled(info, mayBeAutoscaled(entry)) {
		if w, err = p.leaveReplicas(info, w, nil); err != nil {
			return true, err
		}
	}

	return true, p.overwrite(info, w.body)
}

// overwrite tries to apply an object that exists. A field that excludes what is applied is no reason against it: the
// write removes that field.
func (p *preflight) overwrite(info *resource.Info, body []byte) error {
	_, err := p.patch(info, body, true)
	if excluded, failed := p.excluded(info, body, err); excluded || failed != nil {
		return failed
	}
	return p.refusalOf(info, err)
}

// create tries to make an object, or to take it over when there is one that the tracker does not know.
func (p *preflight) create(info *resource.Info) error {
	body, err := guarded(info)
	if err != nil {
		return err
	}

	_, err = p.patch(info, body, true)
	if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		return p.refusalOf(info, err)
	}

	_, err = p.mayTake(info) // its fields are taken over first, too
	return err
}

// askClientSide tries the creation, or the patch, of one object.
func (p *preflight) askClientSide(info *resource.Info) (changes bool, err error) {
	live, err := p.live(info)
	switch {
	case apierrors.IsNotFound(err):
		_, err := p.postManifest(info, true)
		return true, p.refusalOf(info, err)
	case err != nil:
		return true, fmt.Errorf("reading %s: %w", name(info), err)
	}

	if err := p.mine(info, live); err != nil {
		return true, err
	}

	patch, err := p.comparison(info, p.original.Get(info), live)
	if err != nil || patch.empty() {
		return err != nil, err
	}

	_, err = p.send(info, patch.kind, patch.body, true)
	return true, p.refusalOf(info, err)
}

// refusalOf returns why an object cannot be written; nil when it can, or when the update itself makes room for it.
func (p *preflight) refusalOf(info *resource.Info, err error) error {
	switch {
	case err == nil, ssa.IsApplyOnly(err), ssa.IsDryRunUnsupported(err), p.stale(info, err):
		return nil
	case p.recreates(info, err):
		return nil
	case p.namespaces.Has(info.Namespace) && isMissing(err, "namespaces", info.Namespace):
		return nil
	}

	if mistyped := p.mistyped(info, err); mistyped != nil {
		return mistyped
	}

	return &ssa.ObjectError{Object: name(info), Secret: isSecret(info), Cause: err}
}

// mistyped returns the fields of a wrong type because of which an object cannot be written; nil when there are none.
func (p *preflight) mistyped(info *resource.Info, err error) error {
	if refused := ssa.Mistyped(name(info), isSecret(info), contentOf(info), err); refused != nil {
		return refused
	}
	return nil
}

// texts returns the values that are no text of an object that only holds data.
func texts(info *resource.Info) error {
	content := contentOf(info)
	var faults []ssa.TypeFault
	for _, field := range []string{"data", "stringData", "binaryData"} {
		entries, _ := content[field].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			if _, is := entries[key].(string); !is && entries[key] != nil {
				faults = append(faults, ssa.NewTypeFault(field+"."+key, entries[key], "a string"))
			}
		}
	}

	if len(faults) == 0 {
		return nil
	}

	return ssa.WrongTypes(name(info), isSecret(info), content, faults)
}

// verdict puts the refusals together. What kept the API server from answering goes first: nothing was decided then.
func (p *preflight) verdict(objects kube.ResourceList, asked []bool, failures []error) error {
	var unanswered []error
	rejected := &ssa.InvalidObjectsError{Of: len(objects)}
	moving := false
	for i, info := range objects {
		moving = moving || asked[i] && surroundings.Has(info.Mapping.GroupVersionKind.GroupKind())
	}

	for _, err := range failures {
		refused, is := err.(*ssa.ObjectError) //nolint:errorlint // judge made it
		switch {
		case err == nil:
		case !is || !refused.Decided():
			unanswered = append(unanswered, err)
		case refused.Final():
			rejected.Final = true
			rejected.Add(refused)
		case !moving:
			rejected.Add(refused)
		}
	}

	switch {
	case len(unanswered) > 0:
		return ssa.Join(unanswered)
	case len(rejected.Objects) > 0:
		return rejected
	default:
		return nil
	}
}

// isMissing reports whether the API server lacks something that a request needs.
func isMissing(err error, resource, name string) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == resource && details.Name == name
}
