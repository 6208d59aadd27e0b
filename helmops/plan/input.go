package plan

import "fairlead.dev/fairlead/api/v1beta1"

// Input is what a revision is made of, by digests. Two inputs are the same when they are equal.
type Input struct {
	// Chart is the digest of the exact chart; empty where another Helm client made the revision.
	Chart string
	// Config is the digest of the values, those of valuesFiles among them.
	Config string
	// Render is the digest of the post renderers and the common metadata, empty when there are none.
	Render string
}

// Unrendered returns the input without its post renderers and common metadata, which some facts of a status leave out.
func (in Input) Unrendered() Input { return Input{Chart: in.Chart, Config: in.Config} }

// Input of the revision.
func (r *Record) Input() Input {
	return Input{Chart: r.Chart.Digest, Config: r.ConfigDigest, Render: r.RenderDigest}
}

// Input that is wanted.
func (d Desired) Input() Input {
	return Input{Chart: d.Chart.Digest, Config: d.ConfigDigest, Render: d.RenderDigest}
}

// Input of the attempt.
func (a Attempt) Input() Input {
	return Input{Chart: a.ChartDigest, Config: a.ConfigDigest, Render: a.RenderDigest}
}

// InputOf returns the input of a revision in a status.
func InputOf(s *v1beta1.Snapshot) Input {
	return Input{Chart: s.ChartDigest, Config: s.ConfigDigest, Render: s.RenderDigest}
}

// InputOfBad returns the input that is known to be bad.
func InputOfBad(bad v1beta1.KnownBad) Input {
	return Input{Chart: bad.ChartDigest, Config: bad.ConfigDigest, Render: bad.RenderDigest}
}

// InputOfFailure returns the input that failed last, as far as a status knows it: unrendered.
func InputOfFailure(f *v1beta1.LastFailure) Input {
	return Input{Chart: f.ChartDigest, Config: f.ConfigDigest}
}

// InputOfVerified returns the input that was verified last, as far as a status knows it: unrendered.
func InputOfVerified(v *v1beta1.Verified) Input {
	return Input{Chart: v.ChartDigest, Config: v.ConfigDigest}
}

// InputOfAttempt returns the input of the last install or upgrade in a status.
func InputOfAttempt(s *v1beta1.HelmReleaseStatus) Input {
	return Input{Chart: s.LastAttemptedRevisionDigest, Config: s.LastAttemptedConfigDigest, Render: s.LastAttemptedRenderDigest}
}
