package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// decisionFlags are the flags of the commands that make a PromotionApproval.
type decisionFlags struct {
	comment string
	// object is set when a rejection is to be a PromotionApproval, and not a change of the pipeline.
	object bool
}

func (f *decisionFlags) addComment(flags *pflag.FlagSet) {
	flags.StringVar(&f.comment, "comment", "", "why, for the PromotionApproval or Approval")
}

func (f *decisionFlags) addReject(flags *pflag.FlagSet) {
	f.addComment(flags)
	flags.BoolVar(&f.object, "object", false,
		"reject by a PromotionApproval in your name instead of spec.stages[].rejected")
}

func (f *decisionFlags) approve(
	ctx context.Context, c *connection, at stageSite, version string,
) (said string, err error) {
	candidate := view.CandidateOf(at.pipeline, version)
	if version == "" {
		if err := oneChart(at.pipeline); err != nil {
			return "", err
		}
		if candidate = at.waiting(); candidate == nil {
			return "", fmt.Errorf("%s waits with no candidate; name one with --version", at.describe())
		}
	}

	return f.decide(ctx, c, at, version, candidate, "")
}

func (f *decisionFlags) reject(
	ctx context.Context, c *connection, at stageSite, version string,
) (said string, err error) {
	switch {
	case f.object:
		return f.decide(ctx, c, at, version, view.CandidateOf(at.pipeline, version), v1beta1.DecisionReject)
	case f.comment != "":
		return "", errors.New("--comment goes with --object: spec.stages[].rejected has no comments")
	case slices.Contains(at.spec().Rejected, version):
		return fmt.Sprintf("%s rejects %s already; nothing was changed", at.describe(), version), nil
	}

	err = at.set(ctx, c, "rejected", append(slices.Clone(at.spec().Rejected), version))
	said = fmt.Sprintf("%s rejects %s", at.describe(), version)
	if knownCandidate(at.pipeline, version) == nil {
		said += "; the pipeline has no such candidate yet"
	}

	return said, err
}

// decide makes a PromotionApproval in the name of the caller. An empty decision approves.
func (f *decisionFlags) decide(
	ctx context.Context, c *connection, at stageSite, version string, candidate *v1beta1.PipelineCandidate,
	decision string,
) (said string, err error) {
	if err := oneChart(at.pipeline); err != nil {
		return "", err
	}

	if candidate == nil {
		return "", fmt.Errorf("pipeline %s/%s has no candidate %q; its candidates: %s", at.pipeline.Namespace,
			at.pipeline.Name, version, orNone(versionsOf(at.pipeline.Status.Candidates)))
	}

	user, groups, err := decider(ctx, c, at.describe(), at.groups())
	if err != nil {
		return "", err
	}

	if had := f.decided(ctx, c, at, candidate, user, groups, decision); had != "" {
		return fmt.Sprintf("%s: %s (%s) is %s by %s already, as PromotionApproval %s; nothing was changed",
			at.describe(), candidate.Version, digestsOf(candidate.Digest, candidate.ValuesDigest), verbOf(decision), user,
			had), nil
	}

	approval := &v1beta1.PromotionApproval{ObjectMeta: metav1.ObjectMeta{
		Namespace: at.pipeline.Namespace, GenerateName: at.pipeline.Name + "-" + at.spec().Name + "-",
	}}
	approval.Spec = v1beta1.PromotionApprovalSpec{
		Pipeline: at.pipeline.Name, Stage: at.spec().Name, Digest: candidate.Digest,
		ValuesDigest: candidate.ValuesDigest, User: user, Groups: groups, Decision: decision, Comment: f.comment,
	}
	if err := c.client.Create(ctx, approval, fieldManager,
		client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
		return "", requestError("create", "promotionapprovals", approval.Namespace, "", err)
	}

	said = fmt.Sprintf("%s: %s (%s) %s by %s", at.describe(), candidate.Version,
		digestsOf(candidate.Digest, candidate.ValuesDigest), verbOf(decision), user)
	if decision != v1beta1.DecisionReject && !wantsApprovals(at.spec()) {
		said += "; the stage needs no approval"
	}

	return said, nil
}

func verbOf(decision string) string {
	if decision == v1beta1.DecisionReject {
		return "rejected"
	}
	return "approved"
}

// wantsApprovals reports whether candidates of a stage can need an approval.
func wantsApprovals(s *v1beta1.PipelineStage) bool {
	return s.Promote == "Manual" || s.Gates != nil && (s.Gates.Approval != nil || s.Gates.Bump != "")
}

// decided names a PromotionApproval that says what another one would say; empty for none, for a new comment, where
// approvals expire, and where the caller may not list them.
func (f *decisionFlags) decided(
	ctx context.Context, c *connection, at stageSite, candidate *v1beta1.PipelineCandidate, user string, groups []string,
	decision string,
) string {
	gates := at.spec().Gates
	if f.comment != "" || gates != nil && gates.Approval != nil && gates.Approval.Expires != nil {
		return ""
	}

	list := &v1beta1.PromotionApprovalList{}
	if err := c.client.List(ctx, list, client.InNamespace(at.pipeline.Namespace)); err != nil {
		return ""
	}

	for i := range list.Items {
		s := list.Items[i].Spec
		if s.Pipeline == at.pipeline.Name && s.Stage == at.spec().Name && s.Digest == candidate.Digest &&
			s.ValuesDigest == candidate.ValuesDigest && s.User == user &&
			slices.Equal(s.Groups, groups) && verbOf(s.Decision) == verbOf(decision) {
			return list.Items[i].Name
		}
	}

	return ""
}

// waiting is the candidate that a stage waits with; nil for none.
func (s stageSite) waiting() *v1beta1.PipelineCandidate {
	had := view.StageOf(s.pipeline, s.spec().Name)
	if had == nil || len(had.Gates) == 0 {
		return nil
	}

	for i := range s.pipeline.Status.Candidates {
		c := &s.pipeline.Status.Candidates[i]
		if c.Version == had.Candidate && c.ValuesDigest == had.CandidateValues {
			return c
		}
	}

	return nil
}

// groups are those whose users decide about the stage; none when it takes any user.
func (s stageSite) groups() []string {
	if gates := s.spec().Gates; gates != nil && gates.Approval != nil {
		return gates.Approval.Groups
	}
	return nil
}

// decider is the caller who decides about what, and the groups of the caller among those that are wanted.
func decider(ctx context.Context, c *connection, what string, wanted []string) (user string, groups []string, err error) {
	user, err = c.user(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("ask the API server who you are: %w", err)
	}

	groups, err = groupsFor(ctx, c, what, wanted)
	return user, groups, err
}

// groupsFor are the groups of the caller among those that are wanted; none when any user may decide. what is the object
// that wants them.
func groupsFor(ctx context.Context, c *connection, what string, wanted []string) ([]string, error) {
	if len(wanted) == 0 {
		return nil, nil
	}

	all, err := c.groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the API server which groups you are in: %w", err)
	}

	var found []string
	for _, name := range wanted {
		if slices.Contains(all, name) {
			found = append(found, name)
		}
	}

	if len(found) == 0 {
		return nil, fmt.Errorf("%s wants users of the groups %s, and you are in none of them", what,
			strings.Join(wanted, ", "))
	}

	return found, nil
}
