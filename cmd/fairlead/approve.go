package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/view"
)

// plannedWords are the kinds whose plans can wait for an approval.
var plannedWords = []string{"release", "kustomization"}

// planSite is an object whose plan is decided about.
type planSite struct {
	kind kind
	key  types.NamespacedName
	sync *v1beta1.Sync
	// waiting is the digest of the plan, or of the deletions, that waits; empty for none.
	waiting string
	// prunes is set when it is about deletions.
	prunes bool
}

// noun is what is decided about.
func (s planSite) noun() string {
	if s.prunes {
		return "deletion"
	}
	return "plan"
}

func (s planSite) describe() string { return s.kind.describe(s.key) }

// groups are those whose users decide; none when any user may.
func (s planSite) groups() []string {
	if s.sync == nil || s.sync.Approval == nil {
		return nil
	}
	return s.sync.Approval.Groups
}

// expires reports whether approvals of the object do.
func (s planSite) expires() bool {
	return s.sync != nil && s.sync.Approval != nil && s.sync.Approval.Expires != nil
}

// digest is the whole digest of the plan that a user names.
func (s planSite) digest(named string) (string, error) {
	const short = 12 // as messages show it

	bare := strings.TrimPrefix(named, "sha256:")
	isHex := strings.Trim(bare, "0123456789abcdef") == ""
	switch {
	case !isHex || len(bare) < short || len(bare) > 64:
		return "", fmt.Errorf("%q is no digest of a %s; %s", named, s.noun(), s.show())
	case s.waiting == "" && s.prunes:
		return "", fmt.Errorf("%s has no deletion that waits for a confirmation; nothing was decided", s.describe())
	case s.waiting == "" && len(bare) == 64:
		return "sha256:" + bare, nil // the plan was computed by the command, before the controller did
	case s.waiting == "":
		return "", fmt.Errorf("%s waits with no plan; give the whole digest to decide about a plan before that",
			s.describe())
	case !strings.HasPrefix(s.waiting, "sha256:"+bare):
		return "", fmt.Errorf("%s waits with %s %s, not with %s; nothing was decided; %s", s.describe(),
			s.noun(), v1beta1.ShortDigest(s.waiting), named, s.show())
	default:
		return s.waiting, nil
	}
}

// show says how the plan that waits is shown.
func (s planSite) show() string {
	if s.kind.name == v1beta1.HelmReleaseKind {
		return fmt.Sprintf("to see the plan that waits: fairlead plan release %s --waiting -n %s", s.key.Name, s.key.Namespace)
	}
	return fmt.Sprintf("to see the %s that waits: fairlead status %s %s -n %s", s.noun(), s.kind.word, s.key.Name, s.key.Namespace)
}

// decideOnPlan carries out a command about the plan of an object, or about the deletions of a Kustomization.
func (a *app) decideOnPlan(cmd *cobra.Command, args []string, digest, prune string, action stageAction) error {
	k, name, err := kindAndName(cmd, args, append(slices.Clone(plannedWords), "pipeline")...)
	switch {
	case err != nil:
		return err
	case digest != "" && prune != "":
		return usagef(cmd, "--plan and --prune exclude each other: an approval is for one digest")
	case prune != "" && k.name != v1beta1.KustomizationKind:
		return usagef(cmd, "--prune is for Kustomizations only; this is of kind %s", k.word)
	case digest == "" && prune == "":
		return usagef(cmd, "--plan is missing: an approval is for one plan, named by its digest")
	}

	c, err := a.open()
	if err != nil {
		return err
	}

	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	at, err := a.planSite(cmd.Context(), c, k, key, prune != "")
	if err != nil {
		return err
	}

	said, err := action.plans(cmd.Context(), c, at, digest+prune)
	if err == nil {
		a.say("%s", said)
	}

	return err
}

// planSite reads the object whose plan, or with prunes whose deletions, are decided about.
func (a *app) planSite(
	ctx context.Context, c *connection, k kind, key types.NamespacedName, prunes bool,
) (planSite, error) {
	at := planSite{kind: k, key: key, prunes: prunes}
	object, err := view.NewReader(c.client).Object(ctx, k.name, key)
	if err != nil {
		return at, a.notFound(ctx, k, key, err)
	}

	switch v := object.(type) {
	case *v1beta1.HelmRelease:
		at.sync = v.Spec.Sync
		if v.Status.Plan != nil {
			at.waiting = v.Status.Plan.Digest
		}
	case *v1beta1.Kustomization:
		at.sync = v.Spec.Sync
		switch {
		case prunes:
			at.waiting = status.UnconfirmedDigest(v)
		case v.Status.Plan != nil:
			at.waiting = v.Status.Plan.Digest
		}
	}

	return at, nil
}

func (f *decisionFlags) approvePlan(
	ctx context.Context, c *connection, at planSite, digest string,
) (said string, err error) {
	return f.decidePlan(ctx, c, at, digest, v1beta1.DecisionApprove)
}

func (f *decisionFlags) rejectPlan(
	ctx context.Context, c *connection, at planSite, digest string,
) (said string, err error) {
	return f.decidePlan(ctx, c, at, digest, v1beta1.DecisionReject)
}

// decidePlan makes an Approval in the name of the caller.
func (f *decisionFlags) decidePlan(
	ctx context.Context, c *connection, at planSite, named, decision string,
) (said string, err error) {
	digest, err := at.digest(named)
	if err != nil {
		return "", err
	}

	user, groups, err := decider(ctx, c, at.describe(), at.groups())
	if err != nil {
		return "", err
	}

	spec := v1beta1.ApprovalSpec{
		Kind: at.kind.name, Name: at.key.Name, Digest: digest, User: user, Groups: groups, Decision: decision,
		Comment: f.comment,
	}
	what := fmt.Sprintf("%s: %s %s", at.describe(), at.noun(), v1beta1.ShortDigest(digest))
	if had := f.decidedPlan(ctx, c, at, spec); had != "" {
		return fmt.Sprintf("%s is %s by %s already, as Approval %s; nothing was changed", what, verbOf(decision), user,
			had), nil
	}

	made := &v1beta1.Approval{Spec: spec, ObjectMeta: metav1.ObjectMeta{
		Namespace: at.key.Namespace, GenerateName: at.key.Name + "-",
	}}
	err = c.client.Create(ctx, made, fieldManager, client.FieldValidation(metav1.FieldValidationStrict))
	if err != nil {
		return "", requestError("create", "approvals", made.Namespace, "", err)
	}

	said = fmt.Sprintf("%s %s by %s", what, verbOf(decision), user)
	if at.waiting == "" {
		said += "; it waits with no plan at present"
	}

	return said, nil
}

// decidedPlan names an Approval that says what another one would say; empty for none, for a new comment, where approvals
// expire, and where the caller may not list them.
func (f *decisionFlags) decidedPlan(
	ctx context.Context, c *connection, at planSite, wanted v1beta1.ApprovalSpec,
) string {
	if f.comment != "" || at.expires() {
		return ""
	}

	list := &v1beta1.ApprovalList{}
	if err := c.client.List(ctx, list, client.InNamespace(at.key.Namespace)); err != nil {
		return ""
	}

	for i := range list.Items {
		s := list.Items[i].Spec
		same := s.Kind == wanted.Kind && s.Name == wanted.Name && s.Digest == wanted.Digest && s.User == wanted.User
		if same && slices.Equal(s.Groups, wanted.Groups) && verbOf(s.Decision) == verbOf(wanted.Decision) {
			return list.Items[i].Name
		}
	}

	return ""
}
