package pipeline

import (
	"cmp"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/window"
)

// defaultDeadline is how long a candidate may take to be verified where the stage does not say it.
const defaultDeadline = 2 * time.Hour

// maxReleaseMessage bounds what is quoted of a HelmRelease.
const maxReleaseMessage = 200

// inputs are the objects that the facts about a pipeline are made of.
type inputs struct {
	// releases by stage.
	releases  map[string][]v1beta1.HelmRelease
	approvals []v1beta1.PromotionApproval
	freezes   []v1beta1.ReleaseFreeze
	// requests are the Promotions that users made.
	requests []v1beta1.Promotion
	stamped  bool
	// checks by stage.
	checks map[string][]promotion.Check
	// signatures that are known, by stage and digest.
	signatures map[string]map[string]promotion.Signature
}

// factsOf makes the facts about a pipeline, with the candidates and the stages that its status has.
func factsOf(p *v1beta1.ReleasePipeline, in inputs) promotion.Facts {
	f := promotion.Facts{Suspended: p.Spec.Suspend, Stamped: in.stamped}
	for _, c := range p.Status.Candidates {
		f.Candidates = append(f.Candidates, candidateOf(c))
	}

	for i := range p.Spec.Stages {
		f.Stages = append(f.Stages, stageOf(p, i, in))
	}

	for i := range in.freezes {
		spec := in.freezes[i].Spec
		freeze := promotion.Freeze{Name: in.freezes[i].Name, Reason: spec.Reason}
		if spec.From != nil {
			freeze.From = spec.From.Time
		}
		if spec.Until != nil {
			freeze.Until = spec.Until.Time
		}

		f.Freezes = append(f.Freezes, freeze)
	}

	return f
}

func candidateOf(c v1beta1.PipelineCandidate) promotion.Candidate {
	return promotion.Candidate{Version: c.Version, ID: idOf(c), FirstSeen: c.FirstSeen.Time, Origin: c.Origin}
}

// idOf is what makes a candidate the one that it is.
func idOf(c v1beta1.PipelineCandidate) promotion.Identity {
	return promotion.Identity{Chart: c.Digest, Values: c.ValuesDigest}
}

// idOfRecord is the candidate that a Promotion is about.
func idOfRecord(p *v1beta1.Promotion) promotion.Identity {
	return promotion.Identity{Chart: p.Spec.Digest, Values: p.Spec.ValuesDigest}
}

// idOfRejection is the candidate that a stage rejected.
func idOfRejection(r v1beta1.StageRejection) promotion.Identity {
	return promotion.Identity{Chart: r.Digest, Values: r.ValuesDigest}
}

// upstreamOf are the stages that a stage gets its candidates from.
func upstreamOf(p *v1beta1.ReleasePipeline, i int) []string {
	switch {
	case len(p.Spec.Stages[i].From) > 0:
		return p.Spec.Stages[i].From
	case i > 0:
		return []string{p.Spec.Stages[i-1].Name}
	}
	return nil
}

func stageOf(p *v1beta1.ReleasePipeline, i int, in inputs) promotion.Stage {
	spec := p.Spec.Stages[i]
	s := promotion.Stage{
		Name: spec.Name, From: upstreamOf(p, i), FromPolicy: spec.FromPolicy, Promote: spec.Promote, Pin: spec.Pin,
		Hold: spec.Hold, Approved: spec.Approved, Refused: spec.Rejected, OnFailure: spec.OnFailure,
		Gates: gatesOf(spec.Gates), Deadline: defaultDeadline, Intake: spec.Intake,
	}
	if spec.Deadline != nil {
		s.Deadline = spec.Deadline.Duration
	}

	s.MinVerified, _ = shareOf(spec.MinVerified) // check has refused any other
	for j := range in.approvals {
		if in.approvals[j].Spec.Stage == spec.Name {
			s.Approvals = append(s.Approvals, approvalOf(&in.approvals[j]))
		}
	}

	s.Gates.Checks = in.checks[spec.Name]
	s.Signatures = in.signatures[spec.Name]
	for j := range in.releases[spec.Name] {
		hr := &in.releases[spec.Name][j]
		r := releaseOf(hr)
		if p.Spec.Subject.Values != nil && !hr.TakesSharedValues(p, spec.Name) {
			r.Message = fmt.Sprintf("spec.valuesFrom does not name ConfigMap %s with the shared values",
				p.SourceName(spec.Name))
		}

		s.Releases = append(s.Releases, r)
	}

	waves(&s, spec.Waves, in.releases[spec.Name])
	had := statusOf(p, spec.Name)
	if spec.CopyOf() != nil {
		asCopy(&s, spec, had)
	}
	if had != nil {
		remember(&s, had)
	}

	s.Requests = requestFacts(in.requests, spec.Name, had)
	return s
}

// statusOf is the status of a stage; nil when there is none yet.
func statusOf(p *v1beta1.ReleasePipeline, name string) *v1beta1.StageStatus {
	for i := range p.Status.Stages {
		if p.Status.Stages[i].Name == name {
			return &p.Status.Stages[i]
		}
	}
	return nil
}

// remember takes over what the status of a stage says.
func remember(s *promotion.Stage, had *v1beta1.StageStatus) {
	s.HeldBy = had.Held
	s.Displaced = int(had.Displaced)
	if d := had.Delivery; d != nil {
		s.Delivery = &promotion.Delivery{
			Candidate: candidateOf(d.PipelineCandidate), Cause: d.Cause, At: d.At.Time, Verified: d.Verified,
			Request: requestOfDelivery(d),
		}
	}

	for _, v := range had.Verified {
		known := promotion.Verification{Candidate: candidateOf(v.PipelineCandidate), At: v.At.Time}
		if v.Since != nil {
			known.Since = v.Since.Time
		}
		if v.Longest != nil {
			known.Longest = v.Longest.Duration
		}

		s.Verified = append(s.Verified, known)
	}

	for _, r := range had.Rejected {
		s.Rejected = append(s.Rejected, promotion.Rejection{ID: idOfRejection(r), Reason: r.Reason})
	}
}

func gatesOf(spec *v1beta1.StageGates) promotion.Gates {
	if spec == nil {
		return promotion.Gates{}
	}

	g := promotion.Gates{
		Range: spec.Range, NoPrereleases: spec.Prereleases == "Deny", Bump: spec.Bump, Downgrade: spec.Downgrade,
	}
	g.Signed = spec.Verify != nil
	g.Attested = len(spec.Attestations) > 0
	if spec.Approval != nil {
		g.Approval = approvalGateOf(spec.Approval)
	}
	if spec.Soak != nil {
		g.Soak = spec.Soak.Duration
	}
	if spec.MinAge != nil {
		g.MinAge = spec.MinAge.Duration
	}

	g.Windows = windowsOf(spec)
	return g
}

// windowsOf reads the windows of a stage.
func windowsOf(spec *v1beta1.StageGates) []window.Window {
	out := make([]window.Window, 0, len(spec.Windows))
	for _, w := range spec.Windows {
		out = append(out, window.Window{
			Deny: w.Kind == v1beta1.WindowDeny, Cron: w.Cron, Duration: w.Duration.Duration, TimeZone: w.TimeZone,
		})
	}
	return out
}

// releaseOf is what a HelmRelease says of the chart and the shared values that it runs, and of the charts that failed
// with its present values.
func releaseOf(hr *v1beta1.HelmRelease) promotion.Release {
	s := hr.Status
	r := promotion.Release{
		Name: hr.Namespace + "/" + hr.Name, Current: s.ObservedGeneration == hr.Generation, Suspended: hr.Spec.Suspend,
		Ready: status.IsReady(hr), Has: promotion.Identity{Chart: status.ChartOf(&s).Digest}, Bad: badOf(hr),
		Message: short(cmp.Or(status.Message(hr), "not reconciled yet"), maxReleaseMessage),
	}
	if deployed := deployedOf(&s); deployed != nil {
		r.Runs = deployed.ChartDigest
	}
	if s.SharedValues != nil {
		r.Has.Values = s.SharedValues.Digest
	}
	if r.ID = verifiedBy(hr); r.ID.Chart != "" {
		r.At = s.LastVerified.At.Time
	}

	return r
}

// deployedOf is the revision that Helm has as deployed, nil for none. An upgrade that failed is the newest revision
// until its rollback ends, and the chart of it is not what a stage runs.
func deployedOf(s *v1beta1.HelmReleaseStatus) *v1beta1.Snapshot {
	for i := range s.History {
		if s.History[i].Status == plan.StatusDeployed {
			return &s.History[i]
		}
	}

	return nil
}

// verifiedBy is what a HelmRelease has verified last, when that is what runs; zero for nothing. The shared values count
// where the values that were deployed and verified are those that the HelmRelease made with them.
func verifiedBy(hr *v1beta1.HelmRelease) promotion.Identity {
	s := hr.Status
	newest := hr.Status.Latest()
	condition := meta.FindStatusCondition(s.Conditions, v1beta1.VerifiedCondition)
	if condition == nil || condition.Status != metav1.ConditionTrue || condition.ObservedGeneration != hr.Generation ||
		s.LastVerified == nil || newest == nil {
		return promotion.Identity{}
	}

	runs := plan.InputOf(newest).Unrendered()
	verified := plan.InputOfVerified(s.LastVerified)
	if runs.Chart != verified.Chart {
		return promotion.Identity{}
	}

	id := promotion.Identity{Chart: verified.Chart}
	if shared := s.SharedValues; shared != nil && runs == verified && verified.Config == shared.ConfigDigest {
		id.Values = shared.Digest
	}

	return id
}

// badOf are the charts that failed permanently with the present values of a HelmRelease, and why.
func badOf(hr *v1beta1.HelmRelease) map[promotion.Identity]string {
	s := hr.Status
	attempted := plan.InputOfAttempt(&s)
	values := ""
	if s.SharedValues != nil && attempted.Config == s.SharedValues.ConfigDigest {
		values = s.SharedValues.Digest
	}

	bad := map[promotion.Identity]string{}
	for _, known := range s.KnownBad {
		if input := plan.InputOfBad(known); input == withChart(attempted, input.Chart) {
			bad[promotion.Identity{Chart: input.Chart, Values: values}] = known.Reason
		}
	}

	if f := s.LastFailure; f != nil {
		if id := (promotion.Identity{Chart: f.ChartDigest, Values: values}); bad[id] != "" {
			bad[id] = short(f.Reason+": "+f.Message, maxReleaseMessage)
		}
	}

	return bad
}

// withChart returns an input with the digest of another chart, and the values and post renderers that it had.
func withChart(in plan.Input, digest string) plan.Input {
	in.Chart = digest
	return in
}

func short(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
