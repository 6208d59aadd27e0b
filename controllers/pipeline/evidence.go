package pipeline

import (
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/sources/attest"
)

// maxEvidence is how many HelmReleases of a stage a statement names.
const maxEvidence = 50

// evidence is what the statement of a stage says: which stages before it have verified what it has, and their
// HelmReleases that run it.
func (h *handler) evidence(ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus) attest.Promotion {
	d := s.Delivery
	out := attest.Promotion{
		Namespace: p.Namespace, Pipeline: p.Name, Stage: s.Name, Version: d.Version, Verified: []attest.Stage{},
	}
	for _, spec := range p.Spec.Stages {
		if spec.Name == s.Name {
			break
		}

		before := statusOf(p, spec.Name)
		if before == nil {
			continue
		}

		for _, v := range before.Verified {
			if idOf(v.PipelineCandidate) != idOf(d.PipelineCandidate) || rejects(before, idOf(v.PipelineCandidate)) {
				continue
			}
			out.Verified = append(out.Verified, attest.Stage{
				Name: spec.Name, At: v.At.UTC(), Releases: h.verifiedBy(ctx, p, spec, d.Digest),
			})
		}
	}

	return out
}

func rejects(s *v1beta1.StageStatus, id promotion.Identity) bool {
	for _, r := range s.Rejected {
		if idOfRejection(r) == id {
			return true
		}
	}
	return false
}

// verifiedBy are the HelmReleases of a stage that run a chart and have verified it. Those that cannot be read are left
// out: the verdict of the stage does not depend on them any more.
func (h *handler) verifiedBy(
	ctx context.Context, p *v1beta1.ReleasePipeline, stage v1beta1.PipelineStage, digest string,
) []attest.Release {
	if stage.CopyOf() != nil {
		return nil
	}

	var found []attest.Release
	for _, key := range catalog.ReleasesOf(ctx, h.cached, sourceOf(p, v1beta1.OCIRepositoryKind, stage.Name)) {
		hr := &v1beta1.HelmRelease{}
		if err := h.cached.Get(ctx, key, hr); err != nil || len(found) == maxEvidence {
			continue
		}
		if r := releaseOf(hr); r.ID.Chart == digest {
			found = append(found, attest.Release{Namespace: hr.Namespace, Name: hr.Name, At: r.At.UTC()})
		}
	}

	return found
}
