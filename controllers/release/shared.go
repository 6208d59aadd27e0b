package release

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/values"
)

// shared are the shared values of a stage that a release takes. The zero value is that of a release without them.
type shared struct {
	// document is the ConfigMap that the release names. digest is that of the values that count now.
	document refs.Document
	digest   string
	// hold is why the release keeps what it has, whose values are kept; wanted is the digest of those in the ConfigMap.
	hold   *plan.Hold
	kept   []byte
	wanted string
}

// documents are the ConfigMaps with the shared values that a release has, when it takes them from the stage.
func (s *followed) documents(hr *v1beta1.HelmRelease) []refs.Document {
	if s == nil || hr.Status.SharedValues == nil || !hr.TakesSharedValues(s.pipeline, s.name) {
		return nil
	}
	return []refs.Document{s.document(s.pipeline.SharedValuesName(hr.Status.SharedValues.Digest))}
}

func (s *followed) document(name string) refs.Document {
	return refs.Document{
		Kind: "ConfigMap", NamespacedName: types.NamespacedName{Namespace: s.pipeline.Namespace, Name: name},
	}
}

// shared finds the shared values that a release takes from its stage. Its source and its ConfigMap are written one
// after the other, so a chart is taken only with the values of the same candidate; until both are there, and until its
// wave admits the release, it keeps the chart and the values that it has.
func (g *gatherer) shared(
	ctx context.Context, hr *v1beta1.HelmRelease, stage *followed, chart v1beta1.ChartRevision,
) (shared, error) {
	had := stage.status()
	if had == nil || had.Delivery == nil || had.Delivery.ValuesDigest == "" ||
		!hr.TakesSharedValues(stage.pipeline, stage.name) {
		return shared{}, nil
	}

	out := shared{document: stage.document(stage.pipeline.SourceName(stage.name))}
	digest, _, err := g.digestIn(ctx, out.document)
	if err != nil {
		return shared{}, err
	}

	out.digest = digest
	out.wanted = digest
	present := promotion.Identity{Chart: status.ChartOf(&hr.Status).Digest}
	if hr.Status.SharedValues != nil {
		present.Values = hr.Status.SharedValues.Digest
	}

	offers := promotion.Identity{Chart: chart.Digest, Values: digest}
	reason, message := stage.keeps(hr, had.Delivery, present, offers)
	if message == "" {
		return out, nil
	}
	if present.Chart == "" || present.Values == "" {
		return shared{}, refs.RetryableObstacle(v1beta1.SourceNotReadyReason, "%s; the controller continues then", message)
	}

	kept := stage.document(stage.pipeline.SharedValuesName(present.Values))
	digest, content, err := g.digestIn(ctx, kept)
	if err != nil {
		return shared{}, err
	}

	if digest != present.Values {
		return shared{}, refs.RetryableObstacle(v1beta1.ValuesErrorReason, "%s, and ConfigMap %s does not have the shared "+
			"values that the release has; the controller continues then", message, kept.NamespacedName)
	}

	out.digest = present.Values
	out.kept = content
	out.hold = &plan.Hold{Reason: reason, Message: message}
	return out, nil
}

// keeps says why a release keeps what it has; empty when it takes what is offered.
func (s *followed) keeps(
	hr *v1beta1.HelmRelease, d *v1beta1.StageDelivery, present, offers promotion.Identity,
) (reason, message string) {
	wanted := promotion.Identity{Chart: d.Digest, Values: d.ValuesDigest}
	switch {
	case offers == present:
		return "", ""
	case offers != wanted:
		return v1beta1.HeldByValues, fmt.Sprintf("waits until the source and the ConfigMap of stage %s of "+
			"ReleasePipeline %s/%s both have %s with the shared values %s", s.name, s.pipeline.Namespace,
			s.pipeline.Name, d.Version, v1beta1.ShortDigest(d.ValuesDigest))
	case !release.Released(&hr.Status):
		return "", "" // a first install waits for no wave
	}

	return v1beta1.HeldByWave, promotion.WaitsForWave(s.pipeline, s.name, wanted, hr)
}

// digestIn is the digest of the shared values in a ConfigMap, and their document; empty when there are none.
func (g *gatherer) digestIn(ctx context.Context, key refs.Document) (digest string, content []byte, err error) {
	data, err := g.documents.Get(ctx, key)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil, nil
	case err != nil:
		return "", nil, fmt.Errorf("reading the shared values: %w", err)
	}

	content = data[v1beta1.SharedValuesKey]
	if content == nil {
		return "", nil, nil
	}

	parsed, err := values.Merge(values.Layer{Origin: "ConfigMap " + key.String(), Data: content})
	if err != nil {
		return "", nil, nil //nolint:nilerr // the layer of the values that names it reports the fault
	}

	return values.Digest(parsed), content, nil
}

// instead reads a document as if it had other values.
func (r valuesReader) instead(key refs.Document, content []byte) valuesReader {
	read := r.document
	r.document = func(ctx context.Context, wanted refs.Document) (map[string][]byte, error) {
		if wanted == key {
			return map[string][]byte{v1beta1.SharedValuesKey: content}, nil
		}
		return read(ctx, wanted)
	}
	return r
}

// sharedOf are the candidates of the stages of a pipeline with shared values.
func sharedOf(o client.Object) map[string]promotion.Identity {
	pipeline, ok := o.(*v1beta1.ReleasePipeline)
	if !ok {
		return nil
	}

	found := map[string]promotion.Identity{}
	for _, s := range pipeline.Status.Stages {
		if d := s.Delivery; d != nil && d.ValuesDigest != "" {
			found[s.Name] = promotion.Identity{Chart: d.Digest, Values: d.ValuesDigest}
		}
	}

	return found
}
