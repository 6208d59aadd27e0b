package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
)

// maxRejected is how many rejected versions a stage may have.
const maxRejected = 32

// did is the event of something that was done to a member.
func did(format string, values ...any) status.Event {
	return status.Event{Reason: v1beta1.ProgressingReason, Message: fmt.Sprintf(format, values...)}
}

// carryOut makes the members that a plan wants, suspends those that it keeps, and deletes those that are not used. The
// members are then as the API server has them. What the API server does not accept is refused in the plan, and keeps no
// other member from being written.
func (h *handler) carryOut(
	ctx context.Context, p *v1beta1.ReleasePipeline, plan *promotion.Membership, all members,
) (done []status.Event, failed error) {
	wanted := plan.Wanted
	plan.Wanted = nil
	for _, m := range wanted {
		made := all.own[m.Name] == nil
		err := h.apply(ctx, p, memberOf(p, m), all)
		var foreign *foreignError
		switch {
		case errors.As(err, &foreign) || apierrors.IsInvalid(err):
			plan.Refused = append(plan.Refused, promotion.RefusedChart{
				Chart: m.Chart, Reason: err.Error(), Taken: foreign != nil,
			})
			continue
		case err != nil:
			failed = errors.Join(failed, err)
		case made:
			done = append(done, did("made ReleasePipeline %s for the chart %s", m.Name, m.Chart))
		}

		plan.Wanted = append(plan.Wanted, m)
	}

	for _, m := range plan.Kept {
		suspended := all.own[m.Name].Spec.Suspend
		if err := h.apply(ctx, p, suspendedMember(p, all.own[m.Name]), all); err != nil {
			failed = errors.Join(failed, err)
		} else if !suspended {
			done = append(done, did("suspended ReleasePipeline %s: the chart %s is no longer asked for, and "+
				"HelmReleases still refer to its sources", m.Name, m.Chart))
		}
	}

	for _, m := range plan.Unused {
		own := client.Preconditions{UID: &all.own[m.Name].UID}
		if err := h.writer.Delete(ctx, all.own[m.Name], own); client.IgnoreNotFound(err) != nil {
			failed = errors.Join(failed, fmt.Errorf("deleting ReleasePipeline %s/%s: %w", p.Namespace, m.Name, err))
			continue
		}

		delete(all.own, m.Name)
		done = append(done, did("deleted ReleasePipeline %s: the chart %s is no longer asked for, and no HelmRelease "+
			"refers to its sources", m.Name, m.Chart))
	}

	return done, failed
}

// suspendMembers suspends all members. Nothing else of them changes.
func (h *handler) suspendMembers(ctx context.Context, p *v1beta1.ReleasePipeline, all members) error {
	var failed error
	for _, name := range sortedNames(all.own) {
		failed = errors.Join(failed, h.apply(ctx, p, suspendedMember(p, all.own[name]), all))
	}
	return failed
}

// apply brings one member to what it has to be, by server-side apply, when it differs. What users have set
// by commands stays; see withOwn. Other changes are reverted.
func (h *handler) apply(ctx context.Context, p, want *v1beta1.ReleasePipeline, all members) error {
	live, err := h.liveMember(ctx, p, want.Name, all)
	if err != nil || live != nil && isAsWanted(live, want) {
		return err
	}

	applied, err := applyConfiguration(want)
	if err != nil {
		return err
	}

	result := &v1beta1.ReleasePipeline{}
	err = h.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.ForceOwnership)
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(applied.Object, result)
	}

	if err == nil && !isAsWanted(result, want) {
		before := result.DeepCopy()
		result.Spec = withOwn(want.Spec, before.Spec)
		err = h.writer.Patch(ctx, result, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}

	switch {
	case apierrors.IsConflict(err):
		return nil // another client changed it; the event of that brings it back
	case err != nil:
		return fmt.Errorf("applying ReleasePipeline %s/%s: %w", p.Namespace, want.Name, err)
	}

	all.own[want.Name] = result
	return nil
}

// liveMember is a member as it is; nil when it does not exist. One that the cache does not have is looked up: it may be
// of another owner, and would be taken over.
func (h *handler) liveMember(
	ctx context.Context, p *v1beta1.ReleasePipeline, name string, all members,
) (*v1beta1.ReleasePipeline, error) {
	if live := all.own[name]; live != nil {
		return live, nil
	}

	live := &v1beta1.ReleasePipeline{}
	err := h.live.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: name}, live)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading ReleasePipeline %s/%s: %w", p.Namespace, name, err)
	case !metav1.IsControlledBy(live, p):
		return nil, &foreignError{v1beta1.ReleasePipelineKind, name}
	}

	all.own[name] = live
	return live, nil
}

// memberOf is what the pipeline of one chart has to be.
func memberOf(p *v1beta1.ReleasePipeline, m promotion.Member) *v1beta1.ReleasePipeline {
	spec := p.Spec.DeepCopy()
	charts := spec.Subject.Charts
	spec.Subject.Charts = nil
	spec.Subject.Chart = path.Join(charts.Path, m.Chart)
	for i := range spec.Stages {
		if to := spec.Stages[i].CopyOf(); to != nil {
			to.URL = strings.TrimSuffix(to.URL, "/") + "/" + m.Chart
		}
	}

	return newMember(p, m.Name, m.Chart, *spec)
}

// suspendedMember is a member as it is, but suspended.
func suspendedMember(p, live *v1beta1.ReleasePipeline) *v1beta1.ReleasePipeline {
	spec := live.Spec.DeepCopy()
	spec.Suspend = true
	return newMember(p, live.Name, chartOf(live), *spec)
}

// newMember is a member with a spec, as it is applied.
func newMember(
	p *v1beta1.ReleasePipeline, name, chart string, spec v1beta1.ReleasePipelineSpec,
) *v1beta1.ReleasePipeline {
	want := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.Namespace, Name: name, Labels: inherited(p.Labels), OwnerReferences: ownedBy(p),
		Annotations: map[string]string{v1beta1.ChartAnnotation: chart},
	}, Spec: spec}
	want.Labels[v1beta1.PipelineLabel] = labelOf(p)
	want.Annotations[v1beta1.AppliedSpecAnnotation] = digestOf(want)
	return want
}

// inherited are the labels of a pipeline that its members have, too, for freezes and lists that select by labels: all
// but those by which deployment tools know what they have applied.
func inherited(labels map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range labels {
		domain, _, _ := strings.Cut(name, "/")
		ofTool := slices.ContainsFunc([]string{"fairlead.dev", "fluxcd.io", "argoproj.io", "helm.sh", "k8s.io"},
			func(tool string) bool { return domain == tool || strings.HasSuffix(domain, "."+tool) })
		if !ofTool && name != "app.kubernetes.io/managed-by" && name != "app.kubernetes.io/instance" {
			out[name] = value
		}
	}

	return out
}

// digestOf is a digest of the labels and the spec of a member. When it changes, the member is applied again, so that
// the API server removes what the pipeline no longer sets.
func digestOf(want *v1beta1.ReleasePipeline) string {
	text, err := json.Marshal(struct {
		Labels map[string]string
		Spec   v1beta1.ReleasePipelineSpec
	}{want.Labels, want.Spec})
	if err != nil {
		text = []byte(err.Error()) // the types of the API can be written; it does not happen
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// isAsWanted reports whether a member is as it has to be, but for what users set by commands.
func isAsWanted(live, want *v1beta1.ReleasePipeline) bool {
	has := func(live, want map[string]string) bool {
		for name := range maps.Keys(want) {
			if value, ok := live[name]; !ok || value != want[name] {
				return false
			}
		}
		return true
	}
	return has(live.Labels, want.Labels) && has(live.Annotations, want.Annotations) &&
		equality.Semantic.DeepEqual(live.OwnerReferences, want.OwnerReferences) &&
		equality.Semantic.DeepEqual(live.Spec, withOwn(want.Spec, live.Spec))
}

// withOwn is the spec that a member has to have, with what users may set on the member itself: suspend, and the pin,
// the hold and rejections of a stage. What the pipeline sets of that counts, and its rejections add up with those of
// the member.
func withOwn(want, live v1beta1.ReleasePipelineSpec) v1beta1.ReleasePipelineSpec {
	out := *want.DeepCopy()
	out.Suspend = want.Suspend || live.Suspend
	for i := range out.Stages {
		s := &out.Stages[i]
		at := slices.IndexFunc(live.Stages, func(l v1beta1.PipelineStage) bool { return l.Name == s.Name })
		if at < 0 {
			continue
		}

		s.Pin, s.Hold = cmp.Or(s.Pin, live.Stages[at].Pin), cmp.Or(s.Hold, live.Stages[at].Hold)
		s.Rejected = together(s.Rejected, live.Stages[at].Rejected)
	}

	return out
}

// together are the rejections of a stage that has want from its pipeline: in the order that they have, when no one of
// want is missing there.
func together(want, live []string) []string {
	all := slices.Clone(live)
	for _, version := range want {
		if !slices.Contains(all, version) {
			all = append(all, version)
		}
	}

	if len(all) <= maxRejected {
		return all
	}

	return slices.Clone(want)
}

// applyConfiguration is the body of a server-side apply of a member.
func applyConfiguration(want *v1beta1.ReleasePipeline) (*unstructured.Unstructured, error) {
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&want.Spec)
	if err != nil {
		return nil, fmt.Errorf("writing the spec of ReleasePipeline %s/%s: %w", want.Namespace, want.Name, err)
	}

	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.ReleasePipelineKind))
	u.SetNamespace(want.Namespace)
	u.SetName(want.Name)
	u.SetLabels(want.Labels)
	u.SetAnnotations(want.Annotations)
	u.SetOwnerReferences(want.OwnerReferences)
	return u, nil
}
