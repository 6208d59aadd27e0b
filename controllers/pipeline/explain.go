package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/promotion"
)

// unknownResult is the result of a gate whose objects the caller may not read.
const unknownResult = "Unknown"

// Explanation is what a stage says of one candidate.
type Explanation struct {
	Stage   string `json:"stage"`
	Version string `json:"version"`
	Digest  string `json:"digest"`
	// ValuesDigest is the digest of the shared values; empty without them.
	ValuesDigest string `json:"valuesDigest,omitempty"`
	// Has is set when the stage has the candidate. Result is Pass, Wait or Fail, and Message says why.
	Has     bool                 `json:"has"`
	Result  string               `json:"result"`
	Message string               `json:"message"`
	Gates   []v1beta1.GateStatus `json:"gates"`
}

// Explain says what stages, all when none is named, say of a candidate. The facts are made as the controller makes
// them, from what the reader may read; the notes name what it may not.
func Explain(
	ctx context.Context, reader client.Reader, p *v1beta1.ReleasePipeline, candidate v1beta1.PipelineCandidate,
	stage string, now time.Time,
) (all []Explanation, notes []string, err error) {
	r := &unindexed{Reader: reader, namespace: p.Namespace, indexes: map[string]client.IndexerFunc{}}
	if err := r.index(ctx); err != nil {
		return nil, nil, err
	}

	h := &handler{cached: r, live: r, now: func() time.Time { return now }, stamped: stampedBy(p)}
	in, err := h.gather(ctx, p)
	if err != nil {
		return nil, nil, err
	}

	language, err := newChecks()
	if err != nil {
		return nil, nil, fmt.Errorf("preparing the checks of stages: %w", err)
	}
	if in.checks, err = language.of(p); err != nil {
		return nil, nil, err
	}

	records, err := h.recordsOf(ctx, p)
	if err != nil {
		return nil, nil, err
	}

	facts := factsOf(p, in)
	for i := range facts.Stages {
		answerOfRegistry(p, &facts.Stages[i], candidate, records)
	}

	for _, s := range p.Spec.Stages {
		if stage != "" && s.Name != stage {
			continue
		}

		found, _ := promotion.Explain(facts, s.Name, candidateOf(candidate), now)
		e := Explanation{
			Stage: s.Name, Version: candidate.Version, Digest: candidate.Digest,
			ValuesDigest: candidate.ValuesDigest, Has: found.Has,
			Result: string(found.Result), Message: found.Message, Gates: gateStatuses(found.Gates),
		}
		if r.noFreezes {
			hideFreezes(e.Gates)
		}

		all = append(all, e)
	}

	return all, r.notes, nil
}

// notAsked is the answer of gates about a candidate that the controller has not asked the registry about.
const notAsked = "not checked yet: the controller asks the registry when this is the next candidate of the stage"

// recordsOf are the records of a pipeline, the last of each stage first.
func (h *handler) recordsOf(ctx context.Context, p *v1beta1.ReleasePipeline) ([]v1beta1.Promotion, error) {
	list := &v1beta1.PromotionList{}
	err := h.cached.List(ctx, list, client.InNamespace(p.Namespace), client.MatchingFields{pipelineIndex: p.Name})
	if err != nil {
		return nil, fmt.Errorf("listing the Promotions of the pipeline: %w", err)
	}
	records := slices.DeleteFunc(list.Items, func(r v1beta1.Promotion) bool { return !isRecord(&r, p) })
	slices.SortFunc(records, func(a, b v1beta1.Promotion) int { return cmp.Compare(numberOf(&b), numberOf(&a)) })
	return records, nil
}

// answerOfRegistry takes the answers about signatures and attestations from the status of a stage, when they are about
// the candidate. Of any other it is not known what the registry says now; the last record of it in the stage says what
// it said then.
func answerOfRegistry(
	p *v1beta1.ReleasePipeline, s *promotion.Stage, c v1beta1.PipelineCandidate, records []v1beta1.Promotion,
) {
	now := statusOf(p, s.Name)
	answer := func(gate string) v1beta1.GateStatus {
		of := func(g v1beta1.GateStatus) bool { return g.Name == gate }
		if now != nil && now.Candidate == c.Version && now.CandidateValues == c.ValuesDigest &&
			newestDigest(p, c) == c.Digest {
			if i := slices.IndexFunc(now.Gates, of); i >= 0 {
				return now.Gates[i]
			}
		}

		unknown := v1beta1.GateStatus{Result: string(promotion.Wait), Message: notAsked}
		for i := range records {
			r := &records[i]
			if r.Spec.Stage != s.Name || r.Spec.Digest != c.Digest {
				continue
			}

			if i := slices.IndexFunc(r.Status.Gates, of); i >= 0 {
				unknown.Message += fmt.Sprintf("; Promotion %s says: %s", r.Name, r.Status.Gates[i].Message)
				break
			}
		}

		return unknown
	}
	until := func(g v1beta1.GateStatus) (t time.Time) {
		if g.Until != nil {
			t = g.Until.Time
		}
		return t
	}
	signed := answer(promotion.GateSignature)
	attested := answer(promotion.GateAttestations)
	s.Signatures = map[string]promotion.Signature{c.Digest: {
		Result: promotion.Result(signed.Result), Message: signed.Message, Again: until(signed),
	}}
	s.Attestations = map[string]promotion.Attestation{c.Digest: {
		Found: attested.Result == string(promotion.Pass), Message: attested.Message, Until: until(attested),
	}}
}

// newestDigest is the digest of the chart of the last candidate with the version and the shared values of another;
// empty for none.
func newestDigest(p *v1beta1.ReleasePipeline, like v1beta1.PipelineCandidate) string {
	for _, c := range p.Status.Candidates {
		if c.Version == like.Version && c.ValuesDigest == like.ValuesDigest {
			return c.Digest
		}
	}
	return ""
}

// hideFreezes says that freezes could not be read.
func hideFreezes(gates []v1beta1.GateStatus) {
	for i := range gates {
		if gates[i].Name == promotion.GateFreeze {
			gates[i] = v1beta1.GateStatus{Name: promotion.GateFreeze, Result: unknownResult,
				Message: "you may not list releasefreezes"}
		}
	}
}

// stampedBy reports whether the controller has found that the API server checks who approves: it says so otherwise.
func stampedBy(p *v1beta1.ReleasePipeline) func(context.Context) (bool, error) {
	ready := meta.FindStatusCondition(p.Status.Conditions, v1beta1.ReadyCondition)
	stamped := ready == nil || ready.Reason != v1beta1.UnsupportedReason
	return func(context.Context) (bool, error) { return stamped, nil }
}

// unindexed reads from an API server what the controller reads from the indexes of its cache.
type unindexed struct {
	client.Reader

	namespace string
	// indexes by the type of the object and the name of the field.
	indexes map[string]client.IndexerFunc
	// read are the lists that were read, by type and namespace.
	read      map[string][]client.Object
	noFreezes bool
	notes     []string
}

func indexName(o runtime.Object, field string) string {
	return reflect.TypeOf(o).String() + " " + field
}

// IndexField implements client.FieldIndexer.
func (r *unindexed) IndexField(_ context.Context, o client.Object, field string, extract client.IndexerFunc) error {
	r.indexes[indexName(o, field)] = extract
	return nil
}

// index collects the indexes of the controller.
func (r *unindexed) index(ctx context.Context) error {
	if err := catalog.Index(ctx, r, false); err != nil {
		return err
	}
	return indexFields(ctx, r)
}

// List implements client.Reader. It filters by fields itself.
func (r *unindexed) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(options)
	if o.FieldSelector == nil {
		err := r.Reader.List(ctx, list, options...)
		if _, is := list.(*v1beta1.ReleaseFreezeList); is && apierrors.IsForbidden(err) {
			r.noFreezes = true
			return nil
		}

		return err
	}

	objects, err := r.all(ctx, list, o.Namespace)
	if err != nil {
		return err
	}

	var found []runtime.Object
	for _, object := range objects {
		if r.matches(object, o) {
			found = append(found, object)
		}
	}

	return meta.SetList(list, found)
}

func (r *unindexed) matches(object client.Object, o client.ListOptions) bool {
	for _, want := range o.FieldSelector.Requirements() {
		extract := r.indexes[indexName(object, want.Field)]
		if extract == nil || !slices.Contains(extract(object), want.Value) {
			return false
		}
	}
	return true
}

// all lists the objects of a kind once. Without the right to read all namespaces it is the namespace of the pipeline.
func (r *unindexed) all(ctx context.Context, like client.ObjectList, namespace string) ([]client.Object, error) {
	key := reflect.TypeOf(like).String() + " " + namespace
	if objects, read := r.read[key]; read {
		return objects, nil
	}

	list := reflect.New(reflect.TypeOf(like).Elem()).Interface().(client.ObjectList)
	err := r.Reader.List(ctx, list, client.InNamespace(namespace))
	if apierrors.IsForbidden(err) && namespace == "" {
		r.notes = append(r.notes,
			fmt.Sprintf("you may not list all namespaces; only namespace %s was read", r.namespace))
		err = r.Reader.List(ctx, list, client.InNamespace(r.namespace))
	}
	if err != nil {
		return nil, err
	}

	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, err
	}

	objects := make([]client.Object, 0, len(items))
	for _, item := range items {
		objects = append(objects, item.(client.Object))
	}
	if r.read == nil {
		r.read = map[string][]client.Object{}
	}

	r.read[key] = objects
	return objects, nil
}

// Get implements client.Reader. A HelmRelease that was listed is not read again.
func (r *unindexed) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	hr, ok := o.(*v1beta1.HelmRelease)
	if !ok {
		return r.Reader.Get(ctx, key, o, options...)
	}

	for _, objects := range r.read {
		for _, object := range objects {
			if had, is := object.(*v1beta1.HelmRelease); is && client.ObjectKeyFromObject(had) == key {
				had.DeepCopyInto(hr)
				return nil
			}
		}
	}

	return r.Reader.Get(ctx, key, o, options...)
}
